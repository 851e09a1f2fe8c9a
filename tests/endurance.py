"""Sends many messages, holds many sessions, starts many servers, and says what that leaves behind.

    python -m tests.endurance                       # 50,000 messages, 10,000 sessions, 2,000 servers
    python -m tests.endurance --messages 500 --sessions 300 --servers 200

Each load runs a little once, so that what is made only once is there; then memory, threads, descriptors and
objects of this package are counted before and after it. More threads or descriptors than before are a leak,
and so are more objects of a class than a bounded cache may hold: then the exit status is 1. Memory and time
are shown and not judged.
"""

from __future__ import annotations

import argparse
import gc
import smtplib
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter

MAIL: Email = {
    "from": "ada@example.com",
    "to": "bob@example.org",
    "subject": "Endurance",
    "textBody": "Line after line.\n" * 60,
}
CLEARED_EVERY = 1000
"""Messages after which a server forgets what it received."""

CACHED = 100
"""Objects of one class that bounded caches may have gained, such as that of replies that were read before."""

PATIENCE = 10.0
"""Seconds in which what is being closed may still go; then it counts as left behind."""


@dataclass(frozen=True)
class Footing:
    """What a process holds.

    Args:
        threads: how many.
        descriptors: how many are open.
        objects: of this package, by class.
        memory: octets that are resident.
    """

    threads: int
    descriptors: int
    objects: Mapping[str, int]
    memory: int

    @classmethod
    def now(cls) -> Footing:
        """Count."""
        gc.collect()
        kinds = Counter(type(thing) for thing in gc.get_objects())
        ours = {
            f"{kind.__module__}.{kind.__qualname__}": count
            for kind, count in kinds.items()
            if kind.__module__.startswith("pytest_smtp4d")
        }
        process = psutil.Process()
        counted = getattr(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")  # Windows
        return cls(threading.active_count(), counted(), ours, process.memory_info().rss)

    def leaks_since(self, before: Footing) -> list[str]:
        """Return what there is more of than before, in words."""
        found = []
        if self.threads > before.threads:
            found.append(f"{self.threads - before.threads} threads")
        if self.descriptors > before.descriptors:
            found.append(f"{self.descriptors - before.descriptors} descriptors")
        found += [
            f"{count - before.objects.get(name, 0)} x {name}"
            for name, count in sorted(self.objects.items())
            if count > before.objects.get(name, 0) + CACHED
        ]
        return found


# -- loads ---------------------------------------------------------------------------------------------------


def send_messages(count: int) -> None:
    """Send so many messages over one session with TLS and a login, cleared now and then."""
    with SMTPServer(users={"ada": "secret"}) as server:
        with SMTPTransporter(**server.client_options()) as transporter:
            for number in range(1, count + 1):
                status = transporter.send(MAIL)
                assert status.success, status
                if number % CLEARED_EVERY == 0:
                    server.clear()
        assert len(server.messages) == count % CLEARED_EVERY


def hold_sessions(count: int) -> None:
    """Hold so many sessions, each of another kind: in order, with TLS, cut, silent, hung up on."""
    with SMTPServer() as server:
        kinds = (_in_order, _secured, _cut, _silent, _hung_up)
        for number in range(count):
            kinds[number % len(kinds)](server)
            if number % CLEARED_EVERY == 0:
                server.clear()


def _in_order(server: SMTPServer) -> None:
    with smtplib.SMTP(*server.address, timeout=30) as client:
        client.sendmail("ada@example.com", ["bob@example.org"], "Subject: x\r\n\r\nx\r\n")


def _secured(server: SMTPServer) -> None:
    with SMTPTransporter(**server.client_options(), keep_alive=False) as transporter:
        assert transporter.send(MAIL).success


def _cut(server: SMTPServer) -> None:
    """Leave in the middle of content."""
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n")
        sock.recv(65536)


def _silent(server: SMTPServer) -> None:
    """Connect, say nothing and leave."""
    socket.create_connection(server.address, timeout=30).close()


def _hung_up(server: SMTPServer) -> None:
    """Be dropped by the server."""
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.recv(65536)
        server.drop_connections(abort=True)


def run_servers(count: int) -> None:
    """Start so many servers, send one message to each, and stop them."""
    for number in range(count):
        with (
            SMTPServer(tls=("none", "starttls", "implicit")[number % 3]) as server,
            SMTPTransporter(**server.client_options()) as transporter,
        ):
            assert transporter.send(MAIL).success
            assert len(server.messages) == 1


LOADS: Mapping[str, tuple[Callable[[int], None], int]] = {
    "messages": (send_messages, 50_000),
    "sessions": (hold_sessions, 10_000),
    "servers": (run_servers, 2_000),
}
"""What can be run, and how often by default."""

_WARM_UP = 15


def endure(load: Callable[[int], None], count: int) -> tuple[Footing, Footing, list[str]]:
    """Run a load, and return the footing before and after it, and what leaked."""
    load(_WARM_UP)
    before = _settled()
    load(count)
    after, leaks = before, ["?"]
    for after in _footings():
        leaks = after.leaks_since(before)
        if not leaks:
            break
    return before, after, leaks


def _settled() -> Footing:
    """Return the footing when nothing is being closed any more."""
    last = Footing.now()
    for footing in _footings():
        if not last.leaks_since(footing):
            break
        last = footing
    return last


def _footings() -> Iterator[Footing]:
    """Yield footings until patience ends."""
    deadline = time.monotonic() + PATIENCE
    yield Footing.now()
    while time.monotonic() < deadline:
        threading.Event().wait(0.05)
        yield Footing.now()


def main(arguments: list[str]) -> int:
    """Run the loads and print a line for each; return 1 where something leaked."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=about)
    for name, (load, count) in LOADS.items():
        about = (load.__doc__ or "").rstrip(".")
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"{about} ({count:,})")
    counts = vars(parser.parse_args(arguments))
    failed = False
    for name, (load, _) in LOADS.items():
        began = time.monotonic()
        before, after, leaks = endure(load, counts[name])
        failed |= bool(leaks)
        print(  # noqa: T201
            f"{counts[name]:>7,} {name:8}  "
            f"memory {before.memory / 2**20:.1f} -> {after.memory / 2**20:.1f} MiB, "
            f"threads {before.threads} -> {after.threads}, "
            f"descriptors {before.descriptors} -> {after.descriptors}, "
            f"objects {sum(before.objects.values())} -> {sum(after.objects.values())}, "
            f"{time.monotonic() - began:.0f} s; leaked: {', '.join(leaks) or 'nothing'}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
