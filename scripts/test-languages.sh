#!/bin/sh
# Follows the guide to plugins for JavaScript and Python, word by word: begins, builds, checks, tries out, installs and runs a plugin in
# each. Fetches componentize-qjs and componentize-py. Needs the binary of a debug build.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

. scripts/need.sh

need npm "nodejs npm" "with which plugins in JavaScript are built"
need python3 "python3 python3-venv" "with which plugins in Python are built"
need curl curl "with which the guide asks a server"
[ -x "$target/debug/millwork" ] || fail "$target/debug/millwork is not there: build it first"

# A port that nobody has now.
GUIDE_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export GUIDE_PORT GUIDE_DIR="$target/tmp/guide" PATH="$target/debug:$PATH"
scripts/guide.sh JavaScript Python

# A connector that waits, built with the SDK as it is now: the frozen witness's source in the project that the guide has begun.
witness=$target/tmp/guide/javascript/hello-js
cp host/plugin/guests/witness-js/index.js "$witness/src/index.js"
sed -i 's#// import millwork:\(http\|kv\)#import millwork:\1#' "$witness/wit/world.wit"
(cd "$witness" && npm run --silent build)
# promise TEXT ARGUMENTS: what `plugin run` prints has to hold the text.
promise() {
  text=$1
  shift
  printed=$("$target/debug/millwork" plugin run "$witness/dist/hello-js.wasm" "$@" 2>&1) || fail "plugin run $*: $printed"
  case $printed in *"$text"*) ;; *) fail "plugin run $* was to print '$text', and printed: $printed" ;; esac
}
promise 'completed {"calls":3}' --action poll --config '{"times":3,"every_ms":60000}'
promise 'for the signal "go"' --action wait-signal --config '{"timeout_ms":60000}'
promise '"payload":{"ok":true}' --action wait-signal --config '{"timeout_ms":60000}' --signal 'go={"ok":true}'
say "a connector that waits holds"
ls -l "$target"/tmp/guide/*/hello-*/dist/*.wasm | awk '{ n = split($NF, path, "/"); print path[n] ": " int($5 / 1024) " KB" }'
