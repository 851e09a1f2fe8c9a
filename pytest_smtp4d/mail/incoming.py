"""A message that is read only as far as it is asked about.

Tests ask most received messages for a subject or an address, which the header alone answers; the text of the
body needs the tree of parts, and of these only the texts. Whatever is asked, the answer is the one that
`mail_convert_from_mime` gives.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_smtp4d.mail.encoded_word import decode_words
from pytest_smtp4d.mail.field import field_value
from pytest_smtp4d.mail.parse import (
    addresses_of_header,
    joined_texts,
    leaves_of,
    mail_convert_from_mime,
    type_of_leaf,
    value_of_leaf,
)
from pytest_smtp4d.mail.tree import Header, Part, read_root_header, read_tree

if TYPE_CHECKING:
    from pytest_smtp4d.mail.attachment import MailAttachment
    from pytest_smtp4d.mail.email import Email, EmailAddress

__all__ = ["IncomingMail"]


class IncomingMail:
    """The views of one message; each is read when it is first asked for, and then kept.

    Args:
        octets: the message.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @cached_property
    def email(self) -> Email:
        """The whole mail object (4D: `MAIL Convert from MIME`)."""
        return mail_convert_from_mime(self._octets)

    @cached_property
    def subject(self) -> str | None:
        """The subject, decoded; None where there is none."""
        value = self._header.first.get("subject")
        return None if value is None else decode_words(value)

    def addresses(self, name: str) -> list[EmailAddress]:
        """Return the addresses in all fields called `name` ("from"), in order; case is ignored."""
        return addresses_of_header(self._header, name.lower())

    def header(self, name: str) -> list[str]:
        """Return what the fields called `name` hold, decoded and unfolded, in order; case is ignored."""
        return [field_value(name, value) for value in self._header.values_of(name.lower())]

    @cached_property
    def text(self) -> str | None:
        """The plain text of the body; None where there is none."""
        return self._text_of("text/plain")

    @cached_property
    def html(self) -> str | None:
        """The HTML of the body; None where there is none."""
        return self._text_of("text/html")

    @cached_property
    def attachments(self) -> list[MailAttachment]:
        """Every part that is not the body, inline pictures included."""
        return list(self.email["attachments"])

    @cached_property
    def _header(self) -> Header:
        """The message's own header."""
        return read_root_header(self._octets) if self.known_tree is None else self.known_tree.header

    @property
    def known_tree(self) -> Part | None:
        """The tree of parts where a view needed it; None: it was not read yet."""
        return self.__dict__.get("_tree")

    @cached_property
    def _tree(self) -> Part:
        """The tree of parts."""
        return read_tree(self._octets)

    def _text_of(self, media_type: str) -> str | None:
        """Return the texts of one media type in the order of the parts."""
        texts = [part for part in leaves_of(self._tree) if type_of_leaf(part) == media_type]
        return joined_texts([value_of_leaf(part, self._octets, is_text=False)["value"] for part in texts])
