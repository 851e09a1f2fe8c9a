"""Outgoing mail of this process: where a connection is redirected to, or why it is refused."""
