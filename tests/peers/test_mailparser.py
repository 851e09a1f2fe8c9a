"""What we compose, read by strangers: Node's mailparser and Perl's Email::MIME."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d.mail.attachment import mail_new_attachment
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.compose import Composer
from tests.peers.conftest import PROJECT, missing

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)

MAILPARSER = """
const {simpleParser} = require("mailparser");
const mails = JSON.parse(require("fs").readFileSync(0, "utf8"));
const addresses = field => (field ? [field].flat() : []).flatMap(part => part.value)
  .flatMap(box => box.group || [box]).map(box => [box.name, box.address]);
Promise.all(mails.map(mail => simpleParser(Buffer.from(mail, "base64"), {skipImageLinks: true}))).then(read =>
  console.log(JSON.stringify(read.map(mail => ({
    subject: mail.subject, from: addresses(mail.from), to: addresses(mail.to),
    text: mail.text ?? null, html: mail.html || null,
    attachments: mail.attachments.map(part =>
      [part.filename, part.contentType, part.content.toString("base64")]),
  })))));
"""

EMAIL_MIME = r"""
use strict; use warnings;
use Email::MIME; use Email::Address::XS; use JSON::PP; use MIME::Base64;
local $/; my $mails = decode_json(<STDIN>); my @read;
for my $octets (map { decode_base64($_) } @$mails) {
  my $mail = Email::MIME->new($octets);
  my %read = (subject => $mail->header_str("Subject"), text => undef, html => undef, attachments => []);
  for my $name ("From", "To") {
    my @boxes = map { Email::Address::XS->parse($_) } $mail->header_str($name);
    $read{lc $name} = [map { [defined $_->phrase ? $_->phrase : "", $_->address] } @boxes];
  }
  $mail->walk_parts(sub {
    my ($part) = @_;
    return if $part->subparts;
    my ($type) = split /;/, $part->content_type;
    if (defined $part->filename) {
      push @{$read{attachments}}, [$part->filename, $type, encode_base64($part->body, "")];
    } elsif ($type eq "text/plain") { $read{text} = $part->body_str; }
    else { $read{html} = $part->body_str; }
  });
  push @read, \%read;
}
print encode_json(\@read);
"""

TEXTS = {
    "latin": "Grüße aus Köln, déjà vu",
    "greek": "Καλημέρα κόσμε",
    "japanese": "日本語のメールです",
    "emoji": "👩‍👩‍👧‍👦 🇨🇭 👍🏽 done",
    "hebrew": "שלום עולם",
    "arabic": "مرحبا بالعالم",
    "combining": "e\u0301a\u0308o\u0302",
}
CASES = [
    (mode, script, length)
    for mode in MailMode
    for script in TEXTS
    for length in (1, 12)
    if mode is not MailMode.ISO88591 or script == "latin"
]


def mail_of(script: str, length: int) -> dict[str, Any]:
    """Return a mail that is full of a script."""
    text = " ".join([TEXTS[script]] * length)
    return {
        "from": {"name": f"{text}, Jr.", "email": "from@example.com"},
        "to": [{"name": text, "email": "to@example.org"}, "plain@example.org"],
        "subject": text,
        "textBody": f"{text}\n.\n..\nFrom {text}\nblank at the end \n" + "x" * 2000,
        "htmlBody": f'<p>{text} <img src="cid:logo"></p>',
        "attachments": [
            mail_new_attachment(bytes(range(256)), f"{TEXTS[script][:20]}.bin"),
            mail_new_attachment(b"png", "logo.png", "logo"),
        ],
    }


def composed(mode: MailMode, script: str, length: int) -> bytes:
    """Compose in one mode."""
    return Composer(mail_of(script, length)).compose(
        header_charset=mode, body_charset=mode, now=NOW, unique=lambda: "0123456789"
    )


def run(command: list[str], mails: list[bytes], folder: Path) -> list[dict[str, Any]]:
    """Give mails to a program and return what it read."""
    sent = json.dumps([base64.b64encode(mail).decode("ascii") for mail in mails])
    result = subprocess.run(
        command, input=sent, capture_output=True, text=True, cwd=folder, timeout=120, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    read: list[dict[str, Any]] = json.loads(result.stdout)
    return read


@pytest.fixture(scope="module", params=["mailparser", "Email::MIME"])
def readings(request: pytest.FixtureRequest, foreign: Callable[[str], str]) -> dict[Any, dict[str, Any]]:
    """What a stranger reads in all the mails, in one run of the program."""
    if request.param == "mailparser":
        node = foreign("node")
        if not (PROJECT / ".peers/node_modules/mailparser").is_dir():
            missing("mailparser", "npm install --prefix .peers mailparser@3")
        command = [node, "-e", MAILPARSER]
    else:
        perl = foreign("perl")
        if subprocess.run([perl, "-MEmail::MIME", "-e1"], capture_output=True).returncode:
            missing("Email::MIME", "apt-get install libemail-mime-perl")
        command = [perl, "-e", EMAIL_MIME]
    folder = PROJECT / ".peers" if (PROJECT / ".peers").is_dir() else PROJECT
    return dict(zip(CASES, run(command, [composed(*case) for case in CASES], folder), strict=True))


def lines(text: str) -> list[str]:
    """Return the lines of a text, however they end; a reader may add one line end at the end."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].name}-{case[1]}-{case[2]}")
def test_a_stranger_reads_what_was_written(case: Any, readings: dict[Any, dict[str, Any]]) -> None:
    """Same addresses, names, subject, texts and attachments, in every mode and every script."""
    _, script, length = case
    mail, read = mail_of(script, length), readings[case]
    assert read["subject"] == mail["subject"]
    assert read["from"] == [[mail["from"]["name"], "from@example.com"]]
    assert read["to"] == [[mail["to"][0]["name"], "to@example.org"], ["", "plain@example.org"]]
    assert lines(read["text"]) == lines(mail["textBody"])
    assert lines(read["html"]) == lines(mail["htmlBody"])
    assert sorted(
        (name, kind, base64.b64decode(content)) for name, kind, content in read["attachments"]
    ) == sorted((item.name, item.type, item.get_content()) for item in mail["attachments"])
