#!/bin/sh
# Runs examples, and says what was seen.
#
#   examples/run.sh                 all ten workflows
#   examples/run.sh NAME…           these of them: examples/run.sh order-fulfilment
#
# A server of its own is started for them, with data in a temporary folder, and ended afterwards; with MILLWORK_URL the one there is
# used (and MILLWORK_TOKEN, where it asks for a token). What the workflows call is played on loopback. Ends with 1, and
# says what, where something is not as it should be.
#
#   examples/run.sh FILE [PAYLOAD]  a first step: posts the file, triggers it, waits for the end and prints the run
#
# BASE_URL is where Millwork listens, for these.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

# They are played by millwork-bench, which lies beside the server's binary.
play() {
  target=${CARGO_TARGET_DIR:-$here/../target}
  tool=
  for built in "$here/.." "$target/release" "$target/debug"; do
    if [ -x "$built/millwork-bench" ] && [ -x "$built/millwork" ]; then tool=$built/millwork-bench && break; fi
  done
  if [ -z "$tool" ]; then
    echo 'neither millwork nor millwork-bench is built yet; building both (this takes minutes, once)' >&2
    (cd "$here/.." && cargo build --release --locked --workspace --bin millwork --bin millwork-bench)
    tool=$target/release/millwork-bench
  fi
  if [ -n "${MILLWORK_URL:-}" ]; then
    address=${MILLWORK_URL#http://}
    exec "$tool" examples --folder "$here" --address "${address%%/*}" "$@"
  fi
  exec "$tool" examples --folder "$here" "$@"
}

if [ $# -eq 0 ] || [ ! -f "$1" ]; then play "$@"; fi

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
