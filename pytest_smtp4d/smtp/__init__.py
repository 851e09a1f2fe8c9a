"""The protocol without a socket, a clock or a thread (RFC 5321 and its extensions)."""
