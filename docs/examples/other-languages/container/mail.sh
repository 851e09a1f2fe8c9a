#!/bin/sh
# Tests a program that sends mail, here curl, against a server in a container: build, start, wait, send, ask, break,
# reset, stop. Needs docker, or another $ENGINE such as podman, and curl. $BASE is another image of Python.
set -eu
engine=${ENGINE:-docker}
shared=$(mktemp -d)
container=
trap '[ -z "$container" ] || "$engine" rm --force "$container" >/dev/null; rm -rf "$shared"' EXIT

"$engine" build --quiet --tag smtp4d ${BASE:+--build-arg BASE="$BASE"} "$(dirname "$0")" >/dev/null
container=$("$engine" run --detach --user "$(id -u):$(id -g)" --volume "$shared:/shared" \
    --publish 127.0.0.1::1025 --publish 127.0.0.1::8025 smtp4d --print nothing)
until [ -s "$shared/ready" ]; do
    [ "$("$engine" inspect --format '{{.State.Running}}' "$container")" = true ] ||
        { "$engine" logs "$container"; exit 1; }
    sleep 0.1
done
published() { "$engine" port "$container" "$1" | head -n 1; } # 127.0.0.1:PORT
api="http://$(published 8025)/api/v1"
smtp="smtp://localhost:$(published 1025 | cut -d : -f 2)"
ask() { curl --silent --show-error --fail "$@"; }

send() {
    printf 'From: shop@example.com\r\nTo: bob@example.org\r\nSubject: %s\r\n\r\n42\r\n' "$1" |
        curl --silent --ssl-reqd --cacert "$shared/ca/ca.pem" --url "$smtp" \
            --mail-from shop@example.com --mail-rcpt bob@example.org --upload-file -
}

send Invoice
ask "$api/messages?subject=invoice&wait=5" | grep -q '"subject":"Invoice"'

ask -X POST -d '{"stage": "RCPT", "reply": [451, "4.3.0 Try later"], "times": 1}' "$api/faults" >/dev/null
if send Refused; then echo "the fault did not act" >&2; exit 1; fi
send Again
ask "$api/messages?subject=again&wait=5" >/dev/null

ask -X POST "$api/check"
ask -X POST "$api/reset"
[ "$(ask "$api/messages")" = "[]" ]

"$engine" stop "$container" >/dev/null
[ "$("$engine" inspect --format '{{.State.ExitCode}}' "$container")" = 0 ]
[ ! -e "$shared/ready" ]
echo "ok"
