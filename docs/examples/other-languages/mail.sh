#!/bin/sh
# Tests a program that sends mail, here curl, from a shell script: start, wait, send, ask, break, reset, stop.
# Needs Python with `pytest-smtp4d[serve]` (as $PYTHON, else python3), curl and mktemp.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

"$python" -m pytest_smtp4d serve --port 0 --http 0 --ready-file "$folder/ready" --ca-dir "$folder/ca" \
    --print nothing 2>"$folder/log" &
server=$!
until [ -s "$folder/ready" ]; do
    kill -0 "$server" || { cat "$folder/log"; exit 1; }
    sleep 0.05
done
ready() { "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$folder/ready" "$1"; }
api="$(ready http)/api/v1"
ask() { curl --silent --show-error --fail "$@"; }

send() {
    printf 'From: shop@example.com\r\nTo: bob@example.org\r\nSubject: %s\r\n\r\n42\r\n' "$1" |
        curl --silent --ssl-reqd --cacert "$(ready caFile)" --url "smtp://localhost:$(ready port)" \
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
echo "ok"
