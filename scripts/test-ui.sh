#!/bin/sh
# Tests the console in a real browser, on servers of its own with empty folders. Fetches npm's packages, and Debian's Node and Chromium
# where they are missing. The pictures that it takes are in ui/shots.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

. scripts/need.sh

need npm "nodejs npm" "with which the console is built"
[ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ] || fail "Node $(node --version) is too old: install Node 20 or newer"
# fonts: without any, a browser shows boxes.
[ -n "${CHROMIUM:-}" ] || need chromium "chromium fonts-dejavu-core" "in which the console is tested"
CHROMIUM=$(command -v "${CHROMIUM:-chromium}") || fail "there is no $CHROMIUM, which CHROMIUM names"
export CHROMIUM MILLWORK_BIN="$target/debug/millwork"
# The build makes components on the way: plugins/bundled/build.rs.
export MILLWORK_COMPONENTS="$target/plugins/wasm32-wasip2/plugin"

scripts/ui.sh
cargo build --workspace --bins --locked
cd ui
rm -rf shots
# One file after the other: they share the machine.
node --test --test-concurrency=1 tests/
