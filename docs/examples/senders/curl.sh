#!/bin/sh
# Send by curl: sh curl.sh careful_starttls HOST PORT [CA_FILE [SECONDS]]. Without CA_FILE, what the system trusts.
set -eu
host=$2 port=$3 ca_file=${4:-} seconds=${5:-10}
mail='From: a@example.com\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nHi.\r\n'

send() { # what all four have in common
    printf "$mail" | curl --silent --show-error --user me:secret --mail-from a@example.com --mail-rcpt b@example.org \
        --upload-file - "$@"
}

careful_starttls() { # --ssl-reqd demands STARTTLS
    send --url "smtp://$host:$port" --ssl-reqd ${ca_file:+--cacert "$ca_file"} --max-time "$seconds"
}

careful_implicit() { # smtps is TLS from the first octet
    send --url "smtps://$host:$port" ${ca_file:+--cacert "$ca_file"} --max-time "$seconds"
}

plain_starttls() { # --ssl verifies where STARTTLS is on offer, and goes on in clear where it is not
    send --url "smtp://$host:$port" --ssl
}

plain_implicit() {
    send --url "smtps://$host:$port"
}

"$1"
