"""What happened on a server, and the words for it."""
