#!/bin/sh
# Posts a workflow, triggers it, waits for the end and prints the run.
#
#   examples/run.sh FILE [PAYLOAD]
#
# BASE_URL is where Millwork listens.
set -eu

url=${BASE_URL:-http://127.0.0.1:8002}
file=${1:?"which example? examples/run.sh examples/hello.json"}
payload=${2:-"{}"}

post() { curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' "$@"; }
field() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

created=$(post "$url/api/v1/workflows" --data-binary "@$file") || { echo "$created" >&2; exit 1; }
workflow=$(printf %s "$created" | field workflow_id)
# Triggered twice with one key, which makes one run: the first answer says which it is, the second comes when it has ended.
trigger() {
  post "$url/api/v1/trigger$1" --header "Idempotency-Key: example-$workflow" \
    --data "{\"workflow_id\": \"$workflow\", \"payload\": $payload}"
}
began=$(trigger "") || { echo "$began" >&2; exit 1; }
echo "RUN=$(printf %s "$began" | field run_id)" >&2
run=$(trigger "?wait=60s") || { echo "$run" >&2; exit 1; }
if command -v python3 >/dev/null; then printf %s "$run" | python3 -m json.tool; else printf '%s\n' "$run"; fi
