"""Whatever a server says: a status, never an exception, never a hang."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d import AsyncSMTPTransporter, Email, SMTPTransporter, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIL: Email = {"from": "ä@example.com", "to": "b@example.org; c@example.org", "textBody": "Grüße\r\n"}


class Babbler:
    """Says one piece after each thing that it hears, or when it hears nothing for a moment; then hangs up."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(OSError):
                self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(0.002)
        while self.pieces:
            sock.sendall(self.pieces.pop(0))
            with contextlib.suppress(TimeoutError):
                if not sock.recv(65536):
                    return

    def close(self) -> None:
        """End, and wait for it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture(scope="module")
def babbler() -> Iterator[Babbler]:
    """Return a server that says what a test puts into its mouth."""
    made = Babbler()
    yield made
    made.close()


DIGITS = st.one_of(
    st.integers(-1, 2000).map(str), st.sampled_from(["9" * 21, "1" * 5000, "\u0661", "0x10", "1_000", ""])
)
SCRAM = st.builds(
    "r={}{},s={},i={}".format,
    st.sampled_from(["nonce", "", "\x00"]),
    st.text(max_size=5),
    st.sampled_from(["c2FsdA==", "!", "", "é"]),
    DIGITS,
)
CHALLENGE = st.one_of(
    st.binary(max_size=30).map(lambda octets: base64.b64encode(octets).decode()),
    SCRAM.map(lambda text: base64.b64encode(text.encode()).decode()),
    st.sampled_from(["", "é", "Username:", "=", "AA", "A", "PDEyMz4= ", "\t"]),
    st.text(max_size=20),
)
KEYWORD = st.one_of(
    st.sampled_from(
        ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "STARTTLS", "DSN", "", " ", "AUTH", "SIZE"]
    ),
    st.lists(
        st.sampled_from(
            ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]
        )
    ).map(lambda names: "AUTH " + " ".join(names)),
    DIGITS.map("SIZE {}".format),
    st.text(max_size=10),
)
OFFER = st.lists(KEYWORD, max_size=6).map(
    lambda keywords: "".join(f"250-{one}\r\n" for one in ["mx", *keywords]) + "250 HELP\r\n"
)
LINE = st.sampled_from(
    [
        "220 mx\r\n",
        "250 OK\r\n",
        "250 2.1.5 OK\r\n",
        "354 go\r\n",
        "235 OK\r\n",
        "221 bye\r\n",
        "550 5.1.1 no\r\n",
        "451 later\r\n",
        "421 bye\r\n",
        "502 what\r\n",
        "250-more\r\n",
        "250",
        "\r\n",
        "\n",
        "999 x\r\n",
        "251\r\n",
        "250\x00\r\n",
        "5" * 600 + "\r\n",
    ]
)
PIECE = st.one_of(
    LINE.map(str.encode),
    OFFER.map(lambda text: text.encode("utf-8", "surrogatepass")),
    CHALLENGE.map(lambda text: f"334 {text}\r\n".encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
)
# Most openings are good ones, so that what comes later is reached.
GOOD = st.sampled_from([[b"220 mx\r\n"], [b"220-a\r\n220 b\r\n"]])
CONVERSATION = st.one_of(
    st.lists(PIECE, max_size=12),
    st.builds(
        lambda greeting, offer, rest: [*greeting, offer.encode("utf-8", "surrogatepass"), *rest],
        GOOD,
        OFFER,
        st.lists(PIECE, max_size=12),
    ),
)
LOGIN = st.sampled_from(
    [
        {},
        {"user": "me", "password": "pw"},
        {"user": "me", "access_token_oauth2": "t"},
        {"user": "me", "password": "pw", "authentication_mode": "LOGIN"},
        {"user": "me", "password": "pw", "authentication_mode": "CRAM-MD5"},
        {"user": "m\u00adé", "password": "p\u00a0w"},
    ]
)


def two_calls(options: dict[str, Any], asynchronous: bool) -> list[Status]:
    """Send twice, and say goodbye."""
    if not asynchronous:
        with SMTPTransporter(**options) as transporter:
            return [transporter.send(MAIL), transporter.check_connection()]

    async def main() -> list[Status]:
        async with AsyncSMTPTransporter(**options) as transporter:
            return [await transporter.send(MAIL), await transporter.check_connection()]

    return asyncio.run(main())


@given(conversation=CONVERSATION, login=LOGIN, asynchronous=st.booleans())
def test_any_conversation_ends_in_a_status(
    babbler: Babbler, conversation: list[bytes], login: dict[str, str], asynchronous: bool
) -> None:
    """Any octets as replies, in any order, cut anywhere."""
    babbler.pieces = list(conversation)
    options = {
        "host": "127.0.0.1",
        "port": babbler.port,
        "accept_unsecure_connection": True,
        "connection_time_out": 20,
        "send_time_out": 20,
        **login,
    }
    for status in two_calls(options, asynchronous):
        assert isinstance(status, Status)
        assert status.status // 100 == 2 or not status.success
        assert (status.status == 0) == bool(status.errors)
        codes = {error["errCode"] for error in status.errors}
        assert not codes & {1104, 1105, 1107}, "it hung until a time-out"
        assert len(repr(status)) <= 240
