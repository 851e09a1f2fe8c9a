# git send-email
exec python -m pytest_smtp4d judge "$@" -- git -c sendemail.smtpServer='{host}' -c sendemail.smtpServerPort='{port}' \
    -c sendemail.smtpEncryption=tls -c sendemail.smtpSSLCertPath='{ca}' \
    -c sendemail.smtpUser='{user}' -c sendemail.smtpPass='{password}' \
    send-email --quiet --confirm=never --suppress-cc=all --smtp-domain=client.example.com \
    --from=ada@example.com --to=bob@example.org 0001-Say-hello.patch </dev/null
