"""pytest-smtp4d: a real SMTP server and client as pytest fixtures."""
