from __future__ import annotations

import copy
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import (
    Disposition,
    MailAttachment,
    MissingFileError,
    mail_new_attachment,
)


@pytest.mark.parametrize("convert", [str, Path])
def test_from_a_file(tmp_path: Path, convert: Any) -> None:
    """A2, A3: a path, as text or Path, gives the file's octets, name, type and both spellings of its path."""
    path = tmp_path / "Report.PDF"
    path.write_bytes(b"%PDF")
    attachment = mail_new_attachment(convert(path))
    assert attachment.get_content() == b"%PDF"
    assert (attachment.name, attachment.type) == ("Report.PDF", "application/pdf")
    assert (attachment.path, attachment.platform_path) == (path.as_posix(), str(path))
    assert (attachment.cid, attachment.disposition, attachment.size) == (None, "attachment", None)


def test_a_relative_path_is_looked_up_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare file name is looked up in the current folder; the path is absolute all the same."""
    (tmp_path / "a.txt").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert mail_new_attachment("a.txt").platform_path == str(Path.cwd() / "a.txt")


def test_the_file_is_read_when_the_attachment_is_made(tmp_path: Path) -> None:
    """What happens to the file afterwards does not matter to the mail."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    attachment = mail_new_attachment(path)
    path.unlink()
    assert attachment.get_content() == b"before"


def test_a_missing_file_is_an_error_at_once(tmp_path: Path) -> None:
    """The error names the file, and is what the standard library would raise as well as a MailError."""
    with pytest.raises(MissingFileError, match=r"there is no file '.*nothing\.pdf'") as caught:
        mail_new_attachment(tmp_path / "nothing.pdf")
    assert isinstance(caught.value, (MailError, FileNotFoundError))
    with pytest.raises(MailError, match="cannot be read"):
        mail_new_attachment(tmp_path)


@pytest.mark.parametrize("octets", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_from_octets(octets: Any) -> None:
    """A2, A3: octets have a random name without extension, and no path."""
    first, second = mail_new_attachment(octets), mail_new_attachment(octets)
    assert first.get_content() == b"abc"
    assert first.name != second.name
    assert "." not in first.name
    assert (first.type, first.path, first.platform_path) == ("application/octet-stream", None, None)


def test_from_a_zip_file() -> None:
    """A2: a member of an archive is read where it stands, and keeps its name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("folder/picture.png", b"png")
    with zipfile.ZipFile(archive) as reading:
        attachment = mail_new_attachment(zipfile.Path(reading, "folder/picture.png"))
        with pytest.raises(MissingFileError, match="there is no file"):
            mail_new_attachment(zipfile.Path(reading, "folder/nothing.png"))
    assert (attachment.name, attachment.type, attachment.get_content()) == (
        "picture.png",
        "image/png",
        b"png",
    )
    assert attachment.path is None


TABLE = """
    jpg jpeg image/jpeg | png image/png | gif image/gif | pdf application/pdf | doc application/msword
    xls application/vnd.ms-excel | ppt application/vnd.ms-powerpoint | zip application/zip
    gz application/gzip | json application/json | js application/javascript
    ps application/postscript | xml application/xml
    htm html text/html | mp3 audio/mpeg
    txt csv docx svg mp4 eml tar.bz2 application/octet-stream
"""
EXTENSIONS = [
    (extension, row.split()[-1])
    for line in TABLE.split("\n")
    for row in line.split("|")
    for extension in row.split()[:-1]
]


@pytest.mark.parametrize(("extension", "media_type"), EXTENSIONS)
def test_the_type_follows_from_the_extension(extension: str, media_type: str) -> None:
    """A5: 4D's table, in any letter case, and nothing else: the machine's own table has no say."""
    assert mail_new_attachment(b"", f"name.{extension}").type == media_type
    assert mail_new_attachment(b"", f"NAME.{extension.upper()}").type == media_type


def test_names_without_extension() -> None:
    """A name that only looks like an extension is none."""
    assert mail_new_attachment(b"", "pdf").type == "application/octet-stream"
    assert mail_new_attachment(b"", "x.").type == "application/octet-stream"


def test_the_name_given_wins(tmp_path: Path) -> None:
    """A3, A5: a name replaces the file's own and decides the type; an explicit type wins over both."""
    (tmp_path / "a.pdf").write_bytes(b"")
    assert mail_new_attachment(tmp_path / "a.pdf", "b.png").type == "image/png"
    assert mail_new_attachment(tmp_path / "a.pdf", "b.png", type="Text/CSV").type == "Text/CSV"
    assert mail_new_attachment(tmp_path / "a.pdf", "", "logo").name == "a.pdf"


@pytest.mark.parametrize(
    ("cid", "disposition", "expected"),
    [
        ("", "", (None, "attachment")),
        (" ", "", (None, "attachment")),
        ("logo", "", ("logo", "inline")),
        ("<logo@example.com>", "", ("logo@example.com", "inline")),
        ("logo", "attachment", ("logo", "attachment")),
        ("", "inline", (None, "inline")),
        ("", Disposition.INLINE, (None, "inline")),
        ("", "INLINE", (None, "inline")),
    ],
)
def test_disposition_follows_from_the_cid(
    cid: str, disposition: str, expected: tuple[str | None, str]
) -> None:
    """A4, A6: inline with a cid, else attachment, unless said otherwise; a blank cid is none."""
    attachment = MailAttachment.new(b"", "x.png", cid, disposition=disposition)
    assert (attachment.cid, attachment.disposition) == expected
    assert f"{attachment.disposition}" == expected[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5,), "a source is a path, octets or a zipfile.Path, not int: 5"),
        ((None,), "a source is a path, octets or a zipfile.Path, not NoneType"),
        ((b"", 5), "name must be text, not int: 5"),
        ((b"", "a\r\nb"), "name: CR, LF and NUL cannot stand in a header"),
        ((b"", "", b"logo"), "cid must be text, not bytes"),
        ((b"", "", "a b"), "cid must be printable ASCII without blanks"),
        ((b"", "", "logo\n"), "cid must be printable ASCII"),
        ((b"", "", "", "text/csv\n"), "type must be a media type"),
        ((b"", "", "", "", "inline\r\n"), "does not exist"),
        ((b"", "", "ä"), "cid must be printable ASCII"),
        ((b"", "", "a>b"), "cid must be printable ASCII"),
        ((b"", "", "", "csv"), "type must be a media type such as 'text/csv'"),
        ((b"", "", "", "text/csv; charset"), "type must be a media type such as 'text/csv'"),
        ((b"", "", "", "text/csv; charset=utf-8, x"), "type must be a media type"),
        ((b"", "", "", 'text/csv; charset="utf-8'), "type must be a media type"),
        ((b"", "", "", "text/csv; charset=utf-8\r\nX: y"), "type must be a media type"),
        ((b"", "", "", "multipart/mixed; boundary=x"), "type cannot be a multipart"),
        ((b"", "", "a,b c"), "cid must be printable ASCII without blanks"),
        ((b"", "", "", "text/csv\r\nX: y"), "type must be a media type"),
        ((b"", "", "", "multipart/mixed"), "type cannot be a multipart"),
        ((b"", "", "", "", "inlin"), "disposition 'inlin' does not exist (did you mean 'inline'?)"),
        (("a\0b",), "cannot be read"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], words: str) -> None:
    """A wrong argument is a MailError that names it and its value."""
    with pytest.raises(MailError) as caught:
        mail_new_attachment(*arguments)
    assert words in str(caught.value)


def test_members_in_both_spellings_and_read_only() -> None:
    """A7: an attachment answers to 4D's names too, and nothing of it can be changed."""
    attachment: Any = mail_new_attachment(b"abc", "x.png")
    assert attachment.getContent() == b"abc"
    assert attachment.platformPath is None
    for name in ("name", "cid", "platform_path", "platformPath", "content"):
        with pytest.raises(AttributeError):
            setattr(attachment, name, "other")


def test_a_value() -> None:
    """Equal where a message carries the same; copied, pickled and shown without its octets."""
    attachment = mail_new_attachment(b"abc", "x.png", "logo")
    assert attachment == mail_new_attachment(b"abc", "x.png", "logo")
    assert attachment != mail_new_attachment(b"abd", "x.png", "logo")
    assert attachment != "x.png"
    assert len({attachment, mail_new_attachment(b"abc", "x.png", "logo")}) == 1
    assert copy.deepcopy(attachment) == attachment
    assert pickle.loads(pickle.dumps(attachment)) == attachment
    assert "abc" not in repr(attachment)


def test_a_type_may_carry_parameters() -> None:
    """A5: they are kept in `type` as they were given; the content is what makes two equal, not they."""
    attachment = mail_new_attachment(b"a;b", "a.csv", type=" text/csv; charset=iso-8859-1 ")
    assert attachment.type == "text/csv; charset=iso-8859-1"
    assert attachment == mail_new_attachment(b"a;b", "a.csv", type="text/csv")
    assert hash(attachment) == hash(mail_new_attachment(b"a;b", "a.csv", type="text/csv"))
    assert attachment != mail_new_attachment(b"a;b", "a.csv", type="text/plain")
