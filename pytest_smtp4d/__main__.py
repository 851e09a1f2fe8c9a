"""`python -m pytest_smtp4d`: the command line (see `server.commandline`)."""

from __future__ import annotations

import sys

from pytest_smtp4d.server.commandline import main

if __name__ == "__main__":
    sys.exit(main())
