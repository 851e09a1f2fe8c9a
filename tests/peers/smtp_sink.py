"""Postfix's `smtp-sink`: a server that takes everything at the speed of C, or misbehaves as its options say.

It dumps each message into a file of its own, after the trace fields that it makes up.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.daemon import answers, open_folder, reserved_ports, wait_until


@dataclass(frozen=True, slots=True)
class Dump:
    """One message that was taken.

    Args:
        mail_args, rcpt_args: what stood behind MAIL and RCPT.
        protocol: "ESMTP" or "SMTP".
        content: the message, with CRLF line ends.
    """

    mail_args: str
    rcpt_args: tuple[str, ...]
    protocol: str
    content: bytes

    @classmethod
    def from_octets(cls, octets: bytes) -> Dump:
        """Read a dump file: X- fields, a Received field of three lines, the message, an empty line."""
        match = re.match(rb"((?:X-[^\n]*\n)+)Received:[^\n]*\n(?:\t[^\n]*\n)*", octets)
        assert match is not None, octets[:300]
        fields = re.findall(r"^X-([\w-]+): (.*)$", match[1].decode(), re.MULTILINE)
        content = octets[match.end() :].removesuffix(b"\n").replace(b"\n", b"\r\n")
        one = dict(fields)
        rcpt_args = tuple(value for name, value in fields if name == "Rcpt-Args")
        return cls(one["Mail-Args"], rcpt_args, one["Client-Proto"], content)


@dataclass(frozen=True, slots=True)
class SMTPSink:
    """A running smtp-sink.

    Args:
        port: on 127.0.0.1.
        folder: where it dumps messages.
    """

    port: int
    folder: Path

    def dumps(self) -> list[Dump]:
        """Return what it has taken, in the order of arrival; each is complete when its 250 was sent."""
        files = sorted(self.folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        return [Dump.from_octets(file.read_bytes()) for file in files]


@contextmanager
def smtp_sink(program: str, *options: str, dump: bool = True) -> Iterator[SMTPSink]:
    """Run an smtp-sink with these options; without `dump` it forgets all."""
    with open_folder("smtp4d-sink-") as parent, reserved_ports(("smtp",)) as ports:
        folder = parent / "dumps"
        folder.mkdir()
        folder.chmod(0o777)  # it gives up being root before it dumps
        who = ("-u", "nobody") if os.geteuid() == 0 else ()
        where = ("-d", f"{folder}/%S.") if dump else ()
        address = f"127.0.0.1:{ports['smtp']}"
        process = subprocess.Popen([program, *who, *where, *options, address, "100"], cwd=parent)
        try:
            wait_until(lambda: answers(ports["smtp"]), "smtp-sink")
            yield SMTPSink(ports["smtp"], folder)
        finally:
            process.terminate()
            process.wait(10)
