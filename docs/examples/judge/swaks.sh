# swaks
exec python -m pytest_smtp4d judge "$@" -- swaks --server '{host}' --port '{port}' --timeout 2 \
    --tls --tls-verify --tls-ca-path '{ca}' --auth-user '{user}' --auth-password '{password}' \
    --helo client.example.com --from ada@example.com --to bob@example.org --data - <mail.eml
