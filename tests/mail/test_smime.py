from __future__ import annotations

import email
import email.policy
import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import mail_new_attachment
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import mail_convert_from_mime, text_body_of
from pytest_smtp4d.mail.smime import (
    CertificateError,
    ExpiredCertificateError,
    MissingKeyError,
    Signer,
    WrongPasswordError,
    certificate_store,
)
from tests.mail.identity import (
    NOW,
    Identity,
    entity_and_signature,
    make_identity,
    make_pss_identity,
    verified,
    verified_by_gpgsm,
)


@pytest.fixture(scope="module", params=["ec", "rsa"])
def identity(request: pytest.FixtureRequest) -> Identity:
    """A signer with a key of either kind."""
    return make_identity(rsa.generate_private_key(65537, 2048) if request.param == "rsa" else None)


@pytest.fixture(scope="module")
def elliptic() -> Identity:
    """A signer with an elliptic-curve key."""
    return make_identity()


MAILS: dict[str, Any] = {
    "text": {"textBody": "Hello"},
    "nothing": {},
    "fragile": {"textBody": "From here on\n\nblank at the end \n.\n..\nGrüße\n"},
    "everything": {
        "textBody": "Grüße\nFrom me ",
        "htmlBody": '<img src="cid:logo">' + "x" * 2000,
        "attachments": [
            mail_new_attachment(bytes(range(256)), "日本.bin"),
            mail_new_attachment(b"png", "l.png", "logo"),
        ],
    },
    "a message inside": {
        "attachments": [mail_new_attachment(b"Subject: x\n\nfr\xfc", "a.eml", type="message/rfc822")]
    },
}


def signed(mail: Any, signer: Signer, **options: Any) -> bytes:
    """Compose and sign, with a fixed clock and fixed ids."""
    numbers = itertools.count(1)
    mail = {"from": "shop@example.com", "to": "ann@example.org", "subject": "Größe", **mail}
    return Composer(mail).compose(
        **{"now": NOW, "unique": lambda: f"ID{next(numbers)}", "signer": signer, **options}
    )


@pytest.mark.parametrize("name", MAILS)
def test_openssl_verifies(name: str, identity: Identity, tmp_path: Path) -> None:
    """C5: a stranger verifies the signature up to the root: the chain is sent, the octets are as signed."""
    octets = signed(MAILS[name], Signer.load(identity.p12()))
    content = verified(octets, identity, tmp_path)
    assert content in octets
    assert octets.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?m)^From |[ \t]\r?$", content)


CURVES: dict[str, ec.EllipticCurve] = {
    "sha-256": ec.SECP256R1(),
    "sha-384": ec.SECP384R1(),
    "sha-512": ec.SECP521R1(),
}


@pytest.mark.parametrize("micalg", CURVES)
def test_the_hash_fits_the_curve(micalg: str, tmp_path: Path) -> None:
    """P-256 signs with SHA-256, P-384 with SHA-384, P-521 with SHA-512 (RFC 5480 4); openssl verifies it."""
    identity = make_identity(ec.generate_private_key(CURVES[micalg]))
    octets = signed(MAILS["everything"], Signer.load(identity.p12()))
    assert f"\r\n micalg={micalg};".encode() in octets
    assert _digests(octets) == {micalg}
    verified(octets, identity, tmp_path)


def _digests(octets: bytes) -> set[str]:
    """Return the hashes that a signature announces (RFC 5652 5.1, `digestAlgorithms`, at its beginning)."""
    announced = entity_and_signature(octets)[1][:60]
    oids = {256: "608648016503040201", 384: "608648016503040202", 512: "608648016503040203"}
    return {f"sha-{bits}" for bits, oid in oids.items() if bytes.fromhex(oid) in announced}


@pytest.mark.parametrize(
    ("options", "micalg"),
    [
        ((), "sha-256"),
        (
            (
                *("-pkeyopt", "rsa_pss_keygen_md:sha512", "-pkeyopt", "rsa_pss_keygen_mgf1_md:sha512"),
                *("-pkeyopt", "rsa_pss_keygen_saltlen:40"),
            ),
            "sha-512",
        ),
    ],
    ids=["any hash", "SHA-512 only"],
)
def test_a_pss_key_signs_pss(options: tuple[str, ...], micalg: str, tmp_path: Path) -> None:
    """A key that is for RSASSA-PSS alone makes such signatures, as its certificate wants them (RFC 4056)."""
    identity = make_pss_identity(tmp_path, *options)
    octets = signed(MAILS["text"], Signer.load(identity.pem()), now=datetime.now(timezone.utc))
    assert f"micalg={micalg};".encode() in octets
    verified(octets, identity, tmp_path, at=datetime.now(timezone.utc))


def test_a_pss_key_that_cannot_sign_is_refused(tmp_path: Path) -> None:
    """One whose parameters cannot be met is refused when it is loaded, with the way out."""
    identity = make_pss_identity(tmp_path, "-pkeyopt", "rsa_pss_keygen_md:sha512")
    with pytest.raises(
        CertificateError, match="its key cannot sign here: it is restricted to RSASSA-PSS with SHA-1"
    ):
        Signer.load(identity.pem())


GPGSM_KEYS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}  # not P-521: GnuPG 2.2 verifies no signature of that curve, whoever made it


@pytest.mark.parametrize("name", GPGSM_KEYS)
def test_gpgsm_verifies(name: str) -> None:
    """A second stranger says the same of the signature and of the way to the root."""
    identity = make_identity(GPGSM_KEYS[name]())
    said = verified_by_gpgsm(signed(MAILS["everything"], Signer.load(identity.p12())), identity)
    assert "GOODSIG" in said
    assert "TRUST_FULLY" in said


def test_gpgsm_verifies_pss(tmp_path: Path) -> None:
    """And of one made with RSASSA-PSS."""
    identity, now = make_pss_identity(tmp_path), datetime.now(timezone.utc)
    octets = signed(MAILS["text"], Signer.load(identity.pem()), now=now)
    assert "GOODSIG" in verified_by_gpgsm(octets, identity, at=now + timedelta(minutes=1))
    with pytest.raises(AssertionError, match="message digest attribute does not match"):
        verified_by_gpgsm(octets.replace(b"Hello", b"Hallo"), identity, at=now + timedelta(minutes=1))


def test_a_changed_octet_is_noticed(elliptic: Identity, tmp_path: Path) -> None:
    """The same check fails for a message that was altered, so it does check."""
    octets = signed(MAILS["text"], Signer.load(elliptic.p12()))
    with pytest.raises(AssertionError, match=r"digest failure|verification failure"):
        verified(octets.replace(b"Hello", b"Hallo"), elliptic, tmp_path)


def test_the_shape(elliptic: Identity) -> None:
    """A multipart/signed as RFC 8551 3.5.3 has it; header, addresses and texts are read as ever."""
    octets = signed(MAILS["everything"], Signer.load(elliptic.p12()), header_charset="US-ASCII_UTF8_B64")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message.get_content_type() == "multipart/signed"
    parameters = message["Content-Type"].params
    assert (parameters["protocol"], parameters["micalg"]) == ("application/pkcs7-signature", "sha-256")
    content, signature = message.iter_parts()
    assert content.get_content_type() == "multipart/mixed"
    assert (signature.get_content_type(), signature.get_filename()) == (
        "application/pkcs7-signature",
        "smime.p7s",
    )
    assert message["Subject"] == "Größe"
    mail = mail_convert_from_mime(octets)
    assert text_body_of(mail) == "Grüße\nFrom me "
    assert [item.name for item in mail["attachments"]] == ["l.png", "日本.bin", "smime.p7s"]


def test_no_boundary_is_in_what_is_signed(elliptic: Identity, tmp_path: Path) -> None:
    """Even where the source of ids gives what the text holds, the signature is found and verified."""
    octets = signed({"textBody": "--=_0_SAME\n"}, Signer.load(elliptic.pem()), unique=lambda: "SAME")
    assert text_body_of(mail_convert_from_mime(octets)) == "--=_0_SAME\n"
    verified(octets, elliptic, tmp_path)


def test_the_chain_is_sent_along(elliptic: Identity) -> None:
    """Signer and intermediate are in the signature; so they are when PEM gives them in any order."""
    from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

    for octets in (elliptic.p12(), elliptic.pem()):
        found = load_der_pkcs7_certificates(Signer.load(octets).sign(b"x", now=NOW))
        assert {each.subject for each in found} == {
            elliptic.certificate.subject,
            elliptic.intermediate.subject,
        }


def test_headers_outside_are_raw_with_smtputf8(elliptic: Identity) -> None:
    """With SMTPUTF8 only what is signed stays in 7 bits."""
    octets = signed(
        {"attachments": [mail_new_attachment(b"", "ä.bin")]}, Signer.load(elliptic.pem()), utf8=True
    )
    header, _, body = octets.partition(b"\r\n\r\n")
    assert "Größe".encode() in header
    assert body.isascii()


@pytest.mark.parametrize("password", ["", "secret", "pässword"])
@pytest.mark.parametrize("form", ["p12", "pem"])
@pytest.mark.parametrize("given", ["octets", "path", "text"])
def test_every_form(form: str, password: str, given: str, elliptic: Identity, tmp_path: Path) -> None:
    """C1, C3: PKCS#12 and PEM, as octets, Path or text, with and without a password."""
    octets = getattr(elliptic, form)(password)
    source: Any = octets
    if given != "octets":
        path = tmp_path / f"identity.{form}"
        path.write_bytes(octets)
        source = path if given == "path" else str(path)
    assert Signer.load(source, password=password).certificate == elliptic.certificate


def test_an_unneeded_password_is_let_pass(elliptic: Identity) -> None:
    """A password for a key that has none does no harm in PEM."""
    assert Signer.load(elliptic.pem(), password="unneeded").certificate == elliptic.certificate


def test_from_the_certificate_store(
    elliptic: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: a name is looked up in the variable's folder; an unknown one names the folder and what it holds."""
    monkeypatch.setenv("SMTP4D_CERTIFICATE_STORE", str(tmp_path))
    (tmp_path / "Shop.p12").write_bytes(elliptic.p12())
    (tmp_path / "Office.pem").write_bytes(elliptic.pem())
    (tmp_path / "notes.txt").write_text("no identity")
    assert certificate_store() == tmp_path
    for name in ("Shop", "Office"):
        assert Signer.load(certificate_name=name).certificate == elliptic.certificate
    for name in ("shop", "notes", "../Shop", ""):
        with pytest.raises(CertificateError) as caught:
            Signer.load(certificate_name=name)
        assert f"is not in the certificate store {tmp_path} (it holds: 'Office', 'Shop')" in str(caught.value)


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_DATA_HOME", "pytest-smtp4d/certificates"),
        ("win32", "APPDATA", "pytest-smtp4d/certificates"),
        ("darwin", "HOME", "Library/Application Support/pytest-smtp4d/certificates"),
    ],
)
def test_the_default_store(
    platform: str, variable: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable it is in the user's data folder, and a folder that is missing holds nothing."""
    monkeypatch.delenv("SMTP4D_CERTIFICATE_STORE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("sys.platform", platform)
    assert certificate_store() == tmp_path / folder
    with pytest.raises(CertificateError, match=r"\(it holds: none\)"):
        Signer.load(certificate_name="x")


def test_wrong_passwords(elliptic: Identity) -> None:
    """C3: a wrong or missing password is an error of its own, and the password is not in it."""
    for octets in (elliptic.p12("right"), elliptic.pem("right")):
        with pytest.raises(WrongPasswordError, match="certificatePassword does not open") as caught:
            Signer.load(octets, password="wrong-one")
        assert "wrong-one" not in str(caught.value)
        with pytest.raises(WrongPasswordError, match="is protected: give certificatePassword"):
            Signer.load(octets)


def test_missing_keys(elliptic: Identity) -> None:
    """A certificate without its private key is an error of its own."""
    with pytest.raises(MissingKeyError, match="holds no private key"):
        Signer.load(elliptic.pem(key=False))
    with pytest.raises(MissingKeyError, match="holds no private key"):
        Signer.load(elliptic.p12(key=False))
    with pytest.raises(MissingKeyError, match="belongs to none of its certificates"):
        Signer.load(make_identity().pem(key=True).partition(b"-----BEGIN CERT")[0] + elliptic.pem(key=False))


@pytest.mark.parametrize(
    ("days", "error", "words"),
    [
        ((-10, -1), ExpiredCertificateError, "the certificate of 'CN=Shop' expired on 2026-01-30: renew it"),
        ((1, 10), CertificateError, "the certificate of 'CN=Shop' is not valid before 2026-02-01"),
    ],
)
def test_dates_are_checked_when_signing(days: tuple[int, int], error: type[Exception], words: str) -> None:
    """An expired certificate, or one that is not valid yet, signs nothing; a naive clock is UTC."""
    signer = Signer.load(make_identity(days=days).p12())
    with pytest.raises(error, match=words):
        signed({}, signer, now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"rubbish", "neither PKCS#12 nor PEM"),
        (b"", "neither PKCS#12 nor PEM"),
        (b"\x30\x03\x02\x01\x03", "neither PKCS#12 nor PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n", "cannot be read"),
        ("nothing.p12", "certificate 'nothing.p12' cannot be read"),
        (5, "certificate 5 cannot be read"),
    ],
)
def test_what_is_no_identity(source: Any, words: str) -> None:
    """Anything else is a CertificateError that says where it came from."""
    with pytest.raises(CertificateError) as caught:
        Signer.load(source)
    assert words in str(caught.value)


def test_only_keys_that_cms_takes() -> None:
    """A key of another kind is refused by name."""
    identity = make_identity(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(
        CertificateError, match="its key must be RSA or elliptic-curve, not Ed25519PrivateKey"
    ):
        Signer.load(identity.p12())


@pytest.mark.parametrize("arguments", [{}, {"certificate": b"x", "certificate_name": "x"}])
def test_one_identity(arguments: Any) -> None:
    """C4: exactly one of certificate and certificate_name is given."""
    with pytest.raises(CertificateError, match="give one of the two"):
        Signer.load(**arguments)


def test_errors_are_mail_errors() -> None:
    """Whoever catches a MailError catches these too."""
    for error in (WrongPasswordError, MissingKeyError, ExpiredCertificateError):
        assert issubclass(error, CertificateError)
        assert issubclass(error, MailError)


def test_the_repr_shows_no_key(elliptic: Identity) -> None:
    """A signer shows whose it is, and neither key nor chain."""
    text = repr(Signer.load(elliptic.p12()))
    assert "CN=Shop" in text
    assert "key" not in text.lower()
