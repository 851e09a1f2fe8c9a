# nodemailer, which trusts what NODE_EXTRA_CA_CERTS names
exec python -m pytest_smtp4d judge "$@" -- node nodemailer.cjs '{host}' '{port}' '{user}' '{password}' </dev/null
