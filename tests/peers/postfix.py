"""A Postfix of our own: every kind of port a Postfix can have, Maildirs to deliver to, and its log.

https://www.postfix.org/postconf.5.html and master.5.html name every setting used here.
Each port is a service of master.cf with settings of its own; they share the users
(Dovecot's), the mailboxes and the queue.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_smtp4d.server.certificates import authority
from tests.peers.daemon import LogTail, need_root, open_folder, reserved_ports
from tests.peers.dovecot import dovecot
from tests.peers.mailbox import Mailbox

DOMAIN = "example.org"
"""Whose mailboxes are here; mail to any other domain is relaying."""

MAILBOXES = ("ada", "bob", "bulk", "full", "jürgen")
PASSWORD = "correct horse, battery stäple"

SIZE_LIMIT = 200_000
RECIPIENT_LIMIT = 300

_LOGIN = "smtpd_sasl_auth_enable=yes"
_STARTTLS = "smtpd_tls_security_level=may"
_MAY_RELAY = "smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination"

SERVICES: Mapping[str, tuple[str, ...]] = {
    # an MX of old: no TLS, no AUTH
    "cleartext": (),
    # an MX of today: TLS for those who want it
    "starttls": (_STARTTLS,),
    # RFC 6409: TLS and a login, else nothing
    "submission": (
        "smtpd_tls_security_level=encrypt",
        _LOGIN,
        _MAY_RELAY,
        "smtpd_recipient_restrictions=permit_sasl_authenticated,reject",
    ),
    # RFC 8314: the same with TLS from the first octet
    "smtps": (
        "smtpd_tls_wrappermode=yes",
        "smtpd_tls_security_level=encrypt",
        _LOGIN,
        _MAY_RELAY,
        "smtpd_recipient_restrictions=permit_sasl_authenticated,reject",
    ),
    "tls12": (_STARTTLS, "smtpd_tls_protocols=>=TLSv1.2,<=TLSv1.2"),
    "tls11": (
        _STARTTLS,
        "smtpd_tls_protocols=>=TLSv1,<=TLSv1.1",
        "tls_medium_cipherlist=ALL:@SECLEVEL=0",
    ),
    "wrong_host": (_STARTTLS, "smtpd_tls_chain_files=$config_directory/wrong_host.pem"),
    "client_certificate": (
        "smtpd_tls_wrappermode=yes",
        "smtpd_tls_security_level=encrypt",
        "smtpd_tls_req_ccert=yes",
    ),
    # logins in cleartext, which only acceptUnsecureConnection allows
    "cleartext_login": (_LOGIN, "smtpd_tls_auth_only=no"),
    # one mechanism alone, to see that it works and not only the strongest
    "only_plain": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=plain"),
    "only_login": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=login"),
    "only_cram_md5": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=cram-md5"),
    "only_scram_sha_1": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=scram-sha-1"),
    "only_scram_sha_256": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=scram-sha-256"),
    "only_oauthbearer": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=oauthbearer"),
    "only_xoauth2": (_STARTTLS, _LOGIN, "smtpd_sasl_mechanism_filter=xoauth2"),
    # extensions taken away
    "no_8bitmime": ("smtpd_discard_ehlo_keywords=8bitmime,smtputf8",),
    "no_smtputf8": ("smtpd_discard_ehlo_keywords=smtputf8",),
    "no_pipelining": ("smtpd_discard_ehlo_keywords=pipelining",),
    "no_chunking": ("smtpd_discard_ehlo_keywords=chunking",),
    "no_size": ("smtpd_discard_ehlo_keywords=size",),
    "bare": (
        "smtpd_discard_ehlo_keywords=pipelining,size,8bitmime,smtputf8,chunking,dsn,enhancedstatuscodes",
    ),
    # a server that does not wait
    "impatient": ("smtpd_timeout=1s",),
    # refusals as they come, not all at RCPT
    "no_delay": ("smtpd_delay_reject=no",),
    # a greeting of no (RFC 5321 3.1)
    "refusing": (
        "smtpd_delay_reject=no",
        "smtpd_client_restrictions=check_client_access,static:{554 5.7.1 Not today}",
    ),
}

_QUEUE = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"),
    *("maildrop", "private", "public", "saved", "trace"),
)
"""What Postfix's user owns in the queue; `postfix check` would make it."""

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
maillog_file = {log}
maillog_file_prefixes = {folder}
postlog_service_name = postlog
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG
multi_instance_enable = no
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.org
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
local_header_rewrite_clients =
smtpd_peername_lookup = no
disable_dns_lookups = yes
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_soft_error_limit = 10000
smtpd_hard_error_limit = 10000

enable_original_recipient = no
virtual_mailbox_domains = {domain}
virtual_alias_domains = bulk.{domain}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_alias_maps = texthash:{folder}/aliases
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1

message_size_limit = {size_limit}
smtpd_recipient_limit = {recipient_limit}
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = check_sender_access inline:{{ {{ spammer@example.com = REJECT }} }},
  reject_non_fqdn_sender
smtpd_recipient_restrictions = check_recipient_access
  inline:{{ {{ full@{domain} = 452 4.2.2 Mailbox full }} }}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_end_of_data_restrictions =
strict_rfc821_envelopes = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl_port}
smtpd_sasl_security_options = noanonymous
smtpd_sasl_authenticated_header = yes
smtpd_tls_chain_files = $config_directory/chain.pem
smtpd_tls_CAfile = $config_directory/ca.pem
smtpd_tls_security_level = none
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_security_level = none
relayhost =
# mail of the tests does not leave this machine
default_transport = discard:
"""

_MASTER = """\
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix.

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
        settings = SERVICES[service]
        with_identity = "smtpd_tls_req_ccert=yes" in settings
        return {
            "host": "127.0.0.1",
            "port": self.ports[service],
            "ssl_context": authority().client_context(identity=with_identity),
            "implicit_tls": "smtpd_tls_wrappermode=yes" in settings,
            "accept_unsecure_connection": not any("tls_security_level" in setting for setting in settings),
            "connection_time_out": 10,
            "send_time_out": 20,
        }

    def wait_for_quiet(self) -> None:
        """Wait until Postfix has logged the end of every session."""
        LogTail(self.log, 0).wait_for_quiet(r"\]: connect from ", r"\]: disconnect from ")

    def log_from_now(self) -> LogTail:
        """Return what will be logged after this moment."""
        return LogTail(self.log, self.log.stat().st_size if self.log.exists() else 0)


@contextmanager
def running_postfix(foreign: Callable[[str], str]) -> Iterator[Postfix]:
    """Run a Postfix with the user ada and the mailboxes `MAILBOXES`; `foreign` finds programs.

    Whatever is sent to bulk.example.org is delivered, once, into the mailbox "bulk".
    """
    need_root("Postfix")
    control = foreign("postfix")
    with (
        dovecot(foreign("dovecot"), {"ada": PASSWORD}) as sasl_port,
        open_folder("smtp4d-postfix-") as folder,
        reserved_ports(tuple(SERVICES)) as ports,
    ):
        running = Postfix(ports, folder / "mail", folder / "mail.log")
        configuration = _configure(folder, running, sasl_port)
        _control(control, configuration, "start")  # returns when the ports are listening
        try:
            yield running
        finally:
            _control(control, configuration, "stop")


def _control(program: str, configuration: Path, what: str) -> None:
    done = subprocess.run(
        [program, "-c", configuration, what], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"postfix {what} failed: {done.stdout}"


def _configure(folder: Path, postfix: Postfix, sasl_port: int) -> Path:
    """Write everything that Postfix reads, and return the folder of its configuration."""
    configuration = folder / "etc"
    configuration.mkdir()
    nobody = pwd.getpwnam("nobody")
    _make_folder(postfix.mail, "nobody")
    _make_folder(folder / "data", "postfix")
    _make_folder(folder / "queue", "root")
    _make_folder(folder / "queue" / "pid", "root")
    for name in _QUEUE:
        _make_folder(folder / "queue" / name, "postfix")
    # All is in place: Postfix need not look.
    (folder / "queue" / "quick-start").touch()
    addresses = "".join(f"{name}@{DOMAIN} {name}/\n" for name in MAILBOXES)
    (folder / "mailboxes").write_text(addresses, encoding="utf-8")
    (folder / "aliases").write_text(f"@bulk.{DOMAIN} bulk@{DOMAIN}\n")
    leaf = authority().issue_cert("localhost", "127.0.0.1")
    (configuration / "chain.pem").write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    wrong = authority().issue_cert("mx.example.net")
    (configuration / "wrong_host.pem").write_bytes(wrong.private_key_and_cert_chain_pem.bytes())
    (configuration / "ca.pem").write_bytes(authority().pem)
    main = _MAIN.format(
        folder=folder,
        log=postfix.log,
        mail=postfix.mail,
        domain=DOMAIN,
        uid=nobody.pw_uid,
        gid=nobody.pw_gid,
        size_limit=SIZE_LIMIT,
        recipient_limit=RECIPIENT_LIMIT,
        sasl_port=sasl_port,
    )
    (configuration / "main.cf").write_text(main)
    services = [
        f"127.0.0.1:{port} inet n - n - - smtpd\n  -o syslog_name={name}\n"
        + "".join(f"  -o {{ {setting} }}\n" for setting in SERVICES[name])
        for name, port in postfix.ports.items()
    ]
    (configuration / "master.cf").write_text(_MASTER + "".join(services))
    # A file written a moment ago might not be whole: Postfix would read it again and again for two seconds.
    for file in (*configuration.iterdir(), folder / "mailboxes", folder / "aliases"):
        os.utime(file, (0, 0))
    return configuration


def _make_folder(path: Path, owner: str) -> None:
    path.mkdir()
    shutil.chown(path, owner)
