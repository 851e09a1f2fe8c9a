"""pytest's door into the package: hooks and fixtures, and nothing else.

The one thing to know: everything of ours is imported inside the functions that need it, so a run that
sends no mail pays nothing for this plugin being installed.
"""

from __future__ import annotations
