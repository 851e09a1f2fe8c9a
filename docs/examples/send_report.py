"""A program that sends a mail, told by its environment where: the code under test in another process."""

from __future__ import annotations

import os
import smtplib
import ssl
import sys


def main() -> int:
    """Send the report to whom the first argument names; return the exit status."""
    host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
    try:
        with smtplib.SMTP(host, port, timeout=5) as client:
            client.starttls(context=ssl.create_default_context())
            client.sendmail("cron@example.com", [sys.argv[1]], "Subject: Report\r\n\r\nAll is well.\r\n")
    except smtplib.SMTPException as problem:
        sys.stderr.write(f"no report: {problem}\n")
        return 75  # EX_TEMPFAIL
    return 0


if __name__ == "__main__":
    sys.exit(main())
