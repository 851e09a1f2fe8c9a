"""Attachments: octets with a name, a media type and a place in the mail.

4D MailAttachment; RFC 2183 (disposition), RFC 2392 (cid). A file is read when the
attachment is made, so a missing file is an error at that line and not when the mail is sent.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import check_header_text
from pytest_smtp4d.mail.parameter import parse_media_type
from pytest_smtp4d.spelling import FourDSpelling
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    import os
    import zipfile
    from collections.abc import Callable
    from typing import TypeAlias

    Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | zipfile.Path"

__all__ = ["MEDIA_TYPES", "Disposition", "MailAttachment", "MissingFileError", "mail_new_attachment"]

# The table of 4D's `MAIL New attachment`; whatever it does not name is application/octet-stream.
MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "zip": "application/zip",
    "gz": "application/gzip",
    "json": "application/json",
    "js": "application/javascript",
    "ps": "application/postscript",
    "xml": "application/xml",
    "htm": "text/html",
    "html": "text/html",
    "mp3": "audio/mpeg",
}

_CID = re.compile(r"[!-;=?-~]{1,900}")


class Disposition(str, Enum):
    """How a part is meant to be shown (RFC 2183; 4D: `mail disposition inline` and its sister).

    Example:
        >>> mail_new_attachment(b"...", "logo.png", cid="logo").disposition is Disposition.INLINE
        True
    """

    ATTACHMENT = "attachment"
    INLINE = "inline"

    def __str__(self) -> str:
        return self.value


class MissingFileError(MailError, FileNotFoundError):
    """The file that an attachment was to be made from does not exist."""


@dataclass(frozen=True, eq=False)
class MailAttachment(FourDSpelling):
    """One attachment; make it with `MailAttachment.new` or `mail_new_attachment`. Every member is read-only.

    Two are equal when a message carries the same for them: content, name, type (whatever its parameters),
    disposition, cid, size.

    Args:
        name: the file name with its extension.
        type: the media type, with the parameters that it was made with; without any where it was parsed.
        disposition: "inline" (shown where the HTML says `cid:…`) or "attachment".
        cid: the Content-Id without angle brackets, or None.
        path: the POSIX path of the file behind it, or None.
        platform_path: the same in the system's own syntax, or None.
        size: octets as the `size` parameter of a parsed part says, else None; not the computed length.
        part_id: the leaf of `bodyStructure` that it was parsed from, or None (ours).
        parameters: those of the parsed part's Content-Type but its name, so that it can be sent on (ours).
        content: the octets, or a function that gives them.
        is_encoding_problem: whether a parsed part was damaged, or its transfer encoding unknown (ours).

    Example:
        >>> invoice = MailAttachment.new(b"%PDF-1.7", "invoice.pdf")
        >>> invoice.type, str(invoice.disposition), invoice.get_content()
        ('application/pdf', 'attachment', b'%PDF-1.7')
    """

    name: str
    type: str
    disposition: Disposition
    cid: str | None = None
    path: str | None = None
    platform_path: str | None = None
    size: int | None = None
    part_id: str | None = None
    content: bytes | Callable[[], bytes] = field(default=b"", repr=False)
    parameters: tuple[tuple[str, str], ...] = ()
    is_encoding_problem: bool = False

    def get_content(self) -> bytes:
        """Return the octets of the attachment, transfer encoding undone (4D: `getContent`).

        Example:
            >>> mail_new_attachment(b"a,b", "table.csv", type="text/csv").get_content()
            b'a,b'
        """
        return self.content if isinstance(self.content, bytes) else self.content()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MailAttachment):
            return NotImplemented
        return self._described() == other._described() and self.get_content() == other.get_content()

    def __hash__(self) -> int:
        return hash(self._described())

    def _described(self) -> tuple[object, ...]:
        """Return what two equal attachments share beside their content."""
        media_type = self.type.partition(";")[0].rstrip(" \t")
        return self.name, media_type, self.disposition, self.cid, self.size

    @classmethod
    def new(
        cls,
        source: Source,
        name: str = "",
        cid: str = "",
        type: str = "",  # noqa: A002 - 4D's name
        disposition: str = "",
    ) -> MailAttachment:
        """Make an attachment from a file or from octets (4D: `4D.MailAttachment.new`, `MAIL New attachment`).

        Args:
            source: a path (text or `Path`), octets, or a `zipfile.Path`.
            name: the file name to show; empty: the file's own, or a random one without extension for octets.
            cid: the Content-Id that the HTML refers to as `cid:…`; empty or blank: none.
            type: the media type, parameters allowed (`text/csv; charset=iso-8859-1`); empty: by the
                extension of the name, from 4D's table.
            disposition: "inline" or "attachment"; empty: inline with a cid, else attachment.

        Raises:
            MissingFileError: there is no such file (a `MailError` and a `FileNotFoundError`).
            MailError: the file cannot be read, or a value is of the wrong type or malformed.

        Example:
            >>> logo = MailAttachment.new(b"...", "logo.png", cid="logo")  # <img src="cid:logo">
            >>> logo.type
            'image/png'
        """
        for key, value in (("name", name), ("cid", cid), ("type", type), ("disposition", disposition)):
            if not isinstance(value, str):
                raise MailError(f"attachment {key} must be text, not {value.__class__.__name__}: {value!r}")
        content, own_name, path = _read(source)
        name = name or own_name or uuid.uuid4().hex.upper()
        check_header_text(name, "attachment name")
        cid = _checked_cid(cid)
        return cls(
            name=name,
            type=_checked_type(type, name),
            disposition=_checked_disposition(disposition, cid),
            cid=cid or None,
            path=path.as_posix() if path else None,
            platform_path=str(path) if path else None,
            content=content,
        )


def mail_new_attachment(
    source: Source,
    name: str = "",
    cid: str = "",
    type: str = "",  # noqa: A002 - 4D's name
    disposition: str = "",
) -> MailAttachment:
    """Make an attachment (4D: `MAIL New attachment`); see `MailAttachment.new`, which it is.

    Example:
        >>> mail_new_attachment(b"%PDF-1.7", "invoice.pdf").type
        'application/pdf'
    """
    return MailAttachment.new(source, name, cid, type, disposition)


def _read(source: object) -> tuple[bytes, str, Path | None]:
    """Return the octets of `source`, its own name ("" for octets) and its absolute path (None: no file)."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "", None
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        path = Path(source)
        try:
            path = path.absolute()
            return path.read_bytes(), path.name, path
        except FileNotFoundError as error:
            raise MissingFileError(
                f"attachment: there is no file {str(source)!r} (looked for {path})"
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise MailError(f"attachment: {source!r} cannot be read: {error}") from error
    if hasattr(source, "read_bytes") and hasattr(source, "name"):  # zipfile.Path, importlib.resources
        try:
            return source.read_bytes(), source.name, None
        except (FileNotFoundError, KeyError) as error:
            raise MissingFileError(f"attachment: there is no file {source.name!r} in the archive") from error
        except (OSError, ValueError) as error:
            raise MailError(f"attachment: {source.name!r} cannot be read: {error}") from error
    kind = source.__class__.__name__
    raise MailError(f"attachment: a source is a path, octets or a zipfile.Path, not {kind}: {source!r}")


def _checked_cid(cid: str) -> str:
    """Return `cid` without blanks around it and without angle brackets; "" for none."""
    cid = cid.strip(" \t")
    if cid.startswith("<") and cid.endswith(">"):
        cid = cid[1:-1]
    if cid and not _CID.fullmatch(cid):
        raise MailError(f"attachment cid must be printable ASCII without blanks and angle brackets: {cid!r}")
    return cid


def _checked_type(given: str, name: str) -> str:
    """Return the media type that was given, or else the one of the name's extension."""
    if not given.strip(" \t"):
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        return MEDIA_TYPES.get(extension, "application/octet-stream")
    given = given.strip(" \t")
    if not parse_media_type(given):
        raise MailError(
            "attachment type must be a media type such as 'text/csv' or 'text/csv; charset=utf-8', not "
            f"{given!r}"
        )
    if given.lower().startswith("multipart/"):
        raise MailError(
            f"attachment type cannot be a multipart: {given!r}; describe the parts in bodyStructure"
        )
    return given


def _checked_disposition(given: str, cid: str) -> Disposition:
    """Return the disposition that was given, or else the one that follows from having a cid."""
    if not given.strip(" \t"):
        return Disposition.INLINE if cid else Disposition.ATTACHMENT
    try:
        return Disposition(given.strip(" \t").lower())
    except ValueError:
        known = [disposition.value for disposition in Disposition]
        raise MailError(f"attachment disposition {given!r} does not exist{nearest(given, known)}") from None
