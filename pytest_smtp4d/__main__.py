"""`python -m pytest_smtp4d`: the command line (see `server.serve`)."""

from __future__ import annotations

import sys

from pytest_smtp4d.server.serve import main

if __name__ == "__main__":
    sys.exit(main())
