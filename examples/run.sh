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

created=$(post "$url/api/v1/workflows" --data-binary "@$file") || { echo "$created" >&2; exit 1; }
workflow=$(printf %s "$created" | sed -n 's/.*"workflow_id" *: *"\([^"]*\)".*/\1/p')
run=$(post "$url/api/v1/trigger?wait=30s" --data "{\"workflow_id\": \"$workflow\", \"payload\": $payload}") || {
  echo "$run" >&2
  exit 1
}
if command -v python3 >/dev/null; then printf %s "$run" | python3 -m json.tool; else printf '%s\n' "$run"; fi
