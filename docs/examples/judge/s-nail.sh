# s-nail, which compares certificates with names only, not with addresses
exec python -m pytest_smtp4d judge "$@" -- s-nail -:/ -S v15-compat -S 'mta=smtp://{user}:{password}@localhost:{port}' \
    -S smtp-use-starttls -S smtp-auth=plain -S tls-verify=strict -S 'tls-ca-file={ca}' -S tls-ca-no-defaults \
    -S hostname=client.example.com -S from=ada@example.com -S socket-connect-timeout=2 -S sendwait -S nosave \
    -s Hello bob@example.org <mail.eml
