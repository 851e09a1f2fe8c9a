"""Mail objects to octets and back; knows nothing of SMTP (RFC 5322, 2045 to 2049, 8621)."""
