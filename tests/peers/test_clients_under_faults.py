"""The tables of what clients do are true: the clients are run again."""

from __future__ import annotations

import shutil
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from pytest_smtp4d.faults import sweep
from tests.peers.conftest import PACKAGES, PROJECT, missing


def load() -> Any:
    """Return `docs/clients.py` as a module."""
    spec = spec_from_file_location("clients", PROJECT / "docs" / "clients.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clients = load()
FAST = [client for client in clients.VERIFYING if clients.NEEDS.get(client) not in ("php", "go")]
MARKED = [
    client if client in FAST else pytest.param(client, marks=pytest.mark.slow) for client in clients.VERIFYING
]
"""All clients; other languages' are for the slow run, which installs these languages."""


def need(client: str) -> None:
    """Skip the test (or fail it) where the client cannot be run here."""
    program = clients.NEEDS.get(client)
    if program is not None and shutil.which(program) is None:
        missing(program, f"apt-get install {PACKAGES.get(program, program)}")
    if program == "node" and not (PROJECT / ".peers" / "node_modules" / "nodemailer").is_dir():
        missing("nodemailer", "npm install --prefix .peers nodemailer@7")


def rows(name: str) -> list[list[str]]:
    """Return the rows of a table without its head."""
    table: list[list[str]] = clients.written(name)
    return table[1:]


@pytest.mark.parametrize("client", clients.SWEPT)
def test_the_page_says_what_the_client_does(client: str) -> None:
    """Under every fault; `python docs/clients.py sweep` writes the page anew."""
    need(client)
    column = clients.written("sweep")[0].index(client)
    expected = {row[0]: row[column] for row in rows("sweep")}
    assert clients.swept(client, expected) == expected


def test_the_page_has_a_row_for_each_point() -> None:
    """No row is missing, and none is left over."""
    assert [row[0] for row in rows("sweep")] == [sweep.point_id(*point) for point in sweep.grid()]


def test_the_transporter_never_claims_what_is_not_so() -> None:
    """Sent is sent; and only a lost 250 leaves a message behind an error."""
    lies = {row[0]: row[1] for row in rows("sweep") if "**" in row[1]}
    assert clients.SWEPT[0] == "transporter"
    assert lies == {"CONTENT-disconnect-after": "0 at CONTENT, **and it arrived**"}


@pytest.mark.parametrize("client", MARKED)
@pytest.mark.parametrize("manner", clients.MANNERS)
def test_the_page_says_what_the_client_trusts(client: str, manner: str) -> None:
    """At its defaults, and with care, for both kinds of TLS; the system trusts our authority."""
    need(client)
    (cells,) = [row[2:] for row in rows("certificates") if row[:2] == [client, clients.MANNERS[manner]]]
    assert clients.certificate_cells(client, manner) == cells


@pytest.mark.parametrize("client", MARKED)
@pytest.mark.parametrize("tls", clients.TRUST_KINDS)
def test_the_careful_lines_are_careful(client: str, tls: str) -> None:
    """Given the authority's file, each delivers to the good server and to no bad one, and commits nothing."""
    need(client)
    kinds = (None, *clients.TRUST_KINDS[tls])
    with clients.prepared():
        found = {kind: clients.trusts(client, "careful", tls, kind, is_told=True) for kind in kinds}
    bad = dict.fromkeys(clients.TRUST_KINDS[tls], "refuses")
    if client == "swaks":
        bad["wrong-host"] = "**goes on**"  # this version does not look at the name
    assert found == {None: "sent", **bad}


@pytest.mark.parametrize("client", MARKED)
def test_what_the_system_trusts_will_do(client: str) -> None:
    """Without a file each delivers where the system trusts the authority, and not where it does not."""
    need(client)
    cells = [(client, manner, tls, None) for tls in clients.TRUST_KINDS for manner in clients.MANNERS]
    with clients.prepared(trusts_system=True):
        assert clients.side_by_side(clients.trusts, cells) == ["sent"] * 4
    with clients.prepared():
        assert clients.trusts(client, "careful", "starttls", None) != "sent"


def test_a_pool_of_nodemailer_sends_again_by_itself() -> None:
    """After a lost 250, unless it is told not to."""
    need("nodemailer")
    with clients.prepared(trusts_system=True):
        assert clients.copies("nodemailer, pool", "plain") == "**sent twice**"
        assert clients.copies("nodemailer, pool", "careful") == "sent once"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_readme_says_what_is_found() -> None:
    """`python docs/clients.py findings` writes it anew, in two minutes, for some clients wait for ever."""
    for client in clients.CLIENTS:
        need(client)
    assert clients.finding_rows() == clients.written("findings")


def test_every_program_is_in_the_page() -> None:
    """Each file of docs/examples/senders is shown by the page that says how to verify."""
    page = clients.TABLES["certificates"].page.read_text(encoding="utf-8")
    files = {path.name for path in clients.SENDERS.iterdir() if path.is_file()} - {"__init__.py"}
    assert {name for name in files if f"senders/{name}\n" not in page} == set()
