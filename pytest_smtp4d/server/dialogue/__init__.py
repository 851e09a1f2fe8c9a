"""The server's side of a session, as generators without I/O."""
