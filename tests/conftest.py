"""What the whole suite shares: Ctrl-C as in a terminal, and the profiles of hypothesis."""

from __future__ import annotations

import signal

from tests import profiles

# A shell starts what runs in its background with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

profiles.register()
