"""An OpenSMTPD of our own, in a root of its own: its paths and its users are compiled in.

https://man.openbsd.org/smtpd.conf names every setting used here.
The program is unpacked, not installed (`.ci/opensmtpd` says why), and runs in a
temporary root with nothing in it but itself, its libraries and a shell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_smtp4d.server.certificates import authority
from tests.peers.daemon import LogTail, answers, need_root, open_folder, reserved_ports, wait_until
from tests.peers.mailbox import Mailbox

DOMAIN = "example.org"
MAILBOXES = ("ada", "bob")
PASSWORD = "correct horse, battery stäple"
SIZE_LIMIT = 200_000
RECIPIENT_LIMIT = 50

SERVICES: Mapping[str, str] = {
    "cleartext": "",
    "starttls": "tls pki mx.example.org",
    # TLS or nothing, and a login or nothing (RFC 6409)
    "submission": "tls-require pki mx.example.org auth <users>",
    # the same with TLS from the first octet (RFC 8314)
    "smtps": "smtps pki mx.example.org auth <users>",
    "optional_login": "tls pki mx.example.org auth-optional <users>",
    "client_certificate": "tls-require verify pki mx.example.org ca mx.example.org",
    "refusing": "filter not_today",
    "choosy": "filter no_spammer",
}

_CONFIGURATION = """\
smtp max-message-size {size_limit}
smtp limit max-rcpt {recipient_limit}
smtp limit max-mails 1000
pki mx.example.org cert "/etc/mail/chain.pem"
pki mx.example.org key "/etc/mail/key.pem"
ca mx.example.org cert "/etc/mail/ca.pem"
table users file:/etc/mail/users
table mailboxes file:/etc/mail/mailboxes
filter not_today phase connect match rdns regex ".*" disconnect "554 5.7.1 Not today"
filter no_spammer phase mail-from match mail-from "spammer@example.com" reject "550 5.7.1 Not from you"
{listeners}
action "deliver" maildir "/mail/%{{rcpt.user}}" virtual <mailboxes>
action "elsewhere" relay host smtp://127.0.0.1:9
match from any for domain "{domain}" action "deliver"
match from any auth for any action "elsewhere"
"""

_PASSWD = """\
root:x:0:0:root:/:/bin/sh
opensmtpd:x:901:901:OpenSMTPD:/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:902:902:OpenSMTPD queue:/var/lib/opensmtpd/empty:/bin/false
vmail:x:903:903:mailboxes:/mail:/bin/sh
"""
_GROUP = "root:x:0:\nopensmtpd:x:901:\nopensmtpq:x:902:\nvmail:x:903:\n"
_VMAIL = 903


@dataclass(frozen=True, slots=True)
class OpenSMTPD:
    """A running OpenSMTPD.

    Args:
        ports: service, of `SERVICES`, to port.
        mail: the folder with the Maildirs.
        log: the file it logs to.
    """

    ports: Mapping[str, int]
    mail: Path
    log: Path

    def mailbox(self, name: str) -> Mailbox:
        """Return the mailbox of that name at `DOMAIN`."""
        return Mailbox(self.mail / name)

    def mailboxes(self) -> list[Mailbox]:
        """Return all mailboxes."""
        return [self.mailbox(name) for name in MAILBOXES]

    def client_options(self, service: str) -> dict[str, Any]:
        """Return a transporter's options for one of the services; it trusts the tests' CA."""
        return {
            "host": "127.0.0.1",
            "port": self.ports[service],
            "ssl_context": authority().client_context(identity=service == "client_certificate"),
            "implicit_tls": service == "smtps",
            "accept_unsecure_connection": "pki" not in SERVICES[service],
            "connection_time_out": 10,
            "send_time_out": 20,
        }

    def wait_for_quiet(self) -> None:
        """Wait until OpenSMTPD has logged the end of every session."""
        LogTail(self.log, 0).wait_for_quiet("smtp connected", "smtp disconnected")

    def log_from_now(self) -> LogTail:
        """Return what will be logged after this moment."""
        return LogTail(self.log, self.log.stat().st_size)


@contextmanager
def running_opensmtpd(unpacked: Path) -> Iterator[OpenSMTPD]:
    """Run an OpenSMTPD with the user ada and the mailboxes `MAILBOXES`.

    `unpacked` is the folder that `.ci/opensmtpd` filled.
    """
    need_root("OpenSMTPD")
    with open_folder("smtp4d-opensmtpd-") as folder, reserved_ports(tuple(SERVICES)) as ports:
        root = folder / "root"
        _furnish(root, unpacked)
        running = OpenSMTPD(ports, root / "mail", folder / "smtpd.log")
        _configure(root, ports)
        with running.log.open("w") as log:
            # In the foreground it is our own child, and logs to its standard error.
            process = subprocess.Popen(["chroot", root, "/usr/sbin/smtpd", "-d", "-v"], stderr=log)
        try:
            wait_until(
                lambda: process.poll() is not None or all(map(answers, ports.values())), "OpenSMTPD's ports"
            )
            assert process.poll() is None, running.log.read_text()
            yield running
        finally:
            process.terminate()
            process.wait(30)


def _furnish(root: Path, unpacked: Path) -> None:
    """Make the root: what was unpacked, folders to write to, and users."""
    shutil.copytree(unpacked, root, symlinks=True)
    for folder, owner, mode in (
        ("dev", 0, 0o755),
        ("etc/mail", 0, 0o755),
        ("etc/ssl/certs", 0, 0o755),
        ("var/lib/opensmtpd/empty", 0, 0o755),
        ("var/run", 0, 0o755),
        ("var/spool", 0, 0o755),
        ("tmp", 0, 0o1777),
        ("mail", _VMAIL, 0o755),
    ):
        path = root / folder
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        os.chown(path, owner, owner)
    (root / "dev/null").touch()
    (root / "dev/null").chmod(0o666)
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/group").write_text(_GROUP)
    (root / "etc/mailname").write_text("mx.example.org\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/resolv.conf").write_text("lookup file\n")


def _configure(root: Path, ports: Mapping[str, int]) -> None:
    mail = root / "etc/mail"
    leaf = authority().issue_cert("localhost", "127.0.0.1")
    (mail / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    (mail / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    (mail / "key.pem").chmod(0o600)
    (mail / "ca.pem").write_bytes(authority().pem)
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(authority().pem)  # must exist
    crypted = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, stdout=subprocess.PIPE, text=True, check=True
    )
    (mail / "users").write_text(f"ada {crypted.stdout}")
    (mail / "mailboxes").write_text("".join(f"{name}@{DOMAIN} vmail\n" for name in MAILBOXES))
    listeners = [f"listen on 127.0.0.1 port {ports[name]} {SERVICES[name]}" for name in SERVICES]
    configuration = _CONFIGURATION.format(
        size_limit=SIZE_LIMIT,
        recipient_limit=RECIPIENT_LIMIT,
        domain=DOMAIN,
        listeners="\n".join(listeners),
    )
    path = root / "etc/smtpd.conf"
    path.write_text(configuration)
    path.chmod(0o600)
