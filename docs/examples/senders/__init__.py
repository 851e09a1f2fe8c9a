"""One program for each client: how it is told to verify, and what it does at its defaults.

Each sends one mail, after a login, over STARTTLS or over TLS from the first octet. `careful_…` takes the
authority's file, or none, which means what the system trusts. `plain_…` is the shortest call that delivers.
"""
