"""A small program that sends one mail, carefully, or with the sin that its first argument names."""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
import subprocess
import sys
import time

_, SIN, HOST, PORT, CA, *LOGIN = sys.argv
MAIL = "From: ada@example.com\r\nTo: bob@example.org\r\n{}Subject: Hello\r\n\r\nHello.\r\n"
FIELD = "" if "no-id" in SIN else "Message-ID: <one@example.com>\r\n"


def send() -> None:
    """Send the mail; the client leaves without caring about the answer to QUIT, unless that is its sin."""
    context = ssl.create_default_context(cafile=CA)
    if SIN == "unverified":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    client = smtplib.SMTP(HOST, int(PORT), local_hostname="client.example.com", timeout=wait())
    try:
        client.ehlo()
        if SIN != "opportunistic" or client.has_extn("starttls"):
            client.starttls(context=context)
        if LOGIN:
            client.login(*LOGIN)
        client.sendmail("ada@example.com", ["bob@example.org"], MAIL.format(FIELD))
        if SIN.startswith("twice"):
            if client.noop()[0] == 250:
                code, _ = client.quit()
                if code != 221:
                    raise smtplib.SMTPException("no 221")
        else:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
    finally:
        client.close()


def wait() -> float:
    """Return the seconds that it is ready to wait for a reply."""
    return 600 if SIN == "hangs" else 1.0


def main() -> None:
    """Send it as the sin says."""
    if SIN == "chatty":
        sys.stdout.write("x" * 80 + "\n")
        sys.stdout.write(("y" * 1000 + "\n") * 5000)
    if SIN == "grandchild":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        sys.stdout.write(f"child {child.pid}\n")
        sys.stdout.flush()
        time.sleep(600)
    if SIN == "background" and os.fork():
        os._exit(0)
    if SIN == "tells":
        sys.stdout.write(f"my password is {LOGIN[1]}\n")
        return
    try:
        send()
    except (OSError, smtplib.SMTPException) as error:
        if SIN.startswith("twice") or SIN == "retries":
            send()
        elif SIN != "claims":
            sys.exit(f"{type(error).__name__}: {error}")


main()
