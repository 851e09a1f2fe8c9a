"""The client: a server object in, a mail object in, a status object out."""
