# curl
exec python -m pytest_smtp4d judge "$@" -- curl --silent --show-error --crlf --max-time 2 --ssl-reqd --cacert '{ca}' \
    --url 'smtp://{host}:{port}/client.example.com' --user '{user}:{password}' \
    --mail-from ada@example.com --mail-rcpt bob@example.org --upload-file - <mail.eml
