"""Dovecot as what Postfix asks about logins: SASL over TCP, with the users of one file.

https://doc.dovecot.org: `auth_mechanisms`, `passdb`; draft-ietf-kitten OAuth2 by tokens that are JWTs
(RFC 7519), checked with a key that both know.
Nothing but its auth service runs; a refusal takes it half a second at the least.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.peers.daemon import answers, open_folder, reserved_ports, wait_until

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")

_KEY = b"the key that signs the tokens of this test run"

_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_debug = yes
default_internal_user = dovecot
default_login_user = dovenull

passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

_OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""


@contextmanager
def dovecot(program: str, users: Mapping[str, str]) -> Iterator[int]:
    """Run the auth service, and yield its port; `users` are names and passwords."""
    with open_folder("smtp4d-dovecot-") as folder, reserved_ports(("auth",)) as ports:
        configuration = folder / "dovecot.conf"
        words = {"folder": folder, "port": ports["auth"], "mechanisms": " ".join(MECHANISMS).lower()}
        configuration.write_text(_CONFIGURATION.format(**words))
        (folder / "oauth2.conf").write_text(_OAUTH2.format(folder=folder))
        (folder / "users").write_text("".join(f"{name}:{{PLAIN}}{users[name]}\n" for name in users))
        _write_key(folder / "keys")
        # In the foreground it is our own child: a second sooner gone than by `doveadm stop`.
        process = subprocess.Popen([program, "-F", "-c", configuration], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(ports["auth"]), "Dovecot's auth service")
            yield ports["auth"]
        finally:
            process.terminate()
            process.wait(30)


def _write_key(folder: Path) -> None:
    """Write the key where Dovecot looks for it: <authorised party>/<algorithm>/<key id>."""
    place = folder / "default" / "HS256" / "default"
    place.parent.mkdir(parents=True)
    place.write_bytes(base64.b64encode(_KEY))


def access_token(user: str, *, lifetime: float = 3600.0, key: bytes = _KEY, note: str = "") -> str:
    """Return an OAuth2 access token for a user (RFC 7519, HS256).

    Args:
        user: whose it is.
        lifetime: seconds from now until it ends.
        key: what it is signed with.
        note: carried in the token, and read by nobody.
    """
    now = int(time.time())
    claims = {"sub": user, "iat": now - 60, "nbf": now - 60, "exp": int(now + lifetime), "note": note}
    signed = ".".join(_encoded(json.dumps(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def _encoded(part: str | bytes) -> str:
    octets = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
