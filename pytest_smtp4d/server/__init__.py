"""The fake server: real SMTP on loopback, recorded, and misbehaving on command."""
