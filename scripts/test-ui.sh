#!/bin/sh
# Tests the console in a real browser, on a server of its own with an empty folder.
set -eu
cd "$(dirname "$0")/.."
command -v npm >/dev/null 2>&1 || { echo "Node 20 or newer is needed to test the console." >&2; exit 1; }
if ! command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "Chromium is needed: install it, or say where it is (CHROMIUM)." >&2; exit 1; }
    apt-get update && apt-get install -y chromium
fi
scripts/ui.sh
cargo build --workspace --bins --locked
data=$(mktemp -d)
port=${MILLWORK_TEST_PORT:-8473}
"${CARGO_TARGET_DIR:-target}/debug/millwork" serve --listen "127.0.0.1:$port" --data-dir "$data" >"$data/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || :; rm -rf "$data"' EXIT
for _ in $(seq 120); do
    [ -d "/proc/$server" ] || { cat "$data/log" >&2; exit 1; }
    node -e "fetch('http://127.0.0.1:$port/health').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))" && break
    sleep 1
done
cd ui
MILLWORK_CONSOLE="http://127.0.0.1:$port" node --test tests/*.test.mjs
