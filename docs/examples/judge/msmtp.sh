# msmtp
exec python -m pytest_smtp4d judge "$@" -- msmtp --file=/dev/null --host='{host}' --port='{port}' --timeout=2 \
    --tls=on --tls-trust-file='{ca}' --auth=on --user='{user}' --passwordeval='echo {password}' \
    --domain=client.example.com --from=ada@example.com bob@example.org <mail.eml
