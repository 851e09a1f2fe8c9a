#!/bin/sh
# Send by swaks: sh swaks.sh careful_starttls HOST PORT [CA_FILE [SECONDS]]. Without CA_FILE, what the system trusts.
set -eu
host=$2 port=$3 ca_file=${4:-} seconds=${5:-10}

send() { # what all four have in common
    swaks --silent 2 --server "$host" --port "$port" --helo client.example.com --from a@example.com --to b@example.org \
        --auth PLAIN --auth-user me --auth-password secret "$@"
}

careful_starttls() { # --tls demands STARTTLS, --tls-verify a certificate of an authority; see its limits below
    send --tls --tls-verify ${ca_file:+--tls-ca-path "$ca_file"} --timeout "${seconds}s"
}

careful_implicit() { # --tlsc is TLS from the first octet
    send --tlsc --tls-verify ${ca_file:+--tls-ca-path "$ca_file"} --timeout "${seconds}s"
}

plain_starttls() { # any certificate will do
    send --tls
}

plain_implicit() {
    send --tlsc
}

"$1"
