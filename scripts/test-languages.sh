#!/bin/sh
# Follows the guide to plugins for JavaScript and Python, word by word: begins, builds, checks, tries out, installs and runs a plugin in
# each. Fetches componentize-qjs and componentize-py. Needs the binary of a debug build.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

say() { printf 'test-languages: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# need COMMAND PACKAGES WHAT-FOR
need() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $2"
    # Unquoted: several words.
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 ||
      fail "apt-get could not install $2"
  else
    fail "there is no $1, $3: on Debian, sudo apt-get install $2"
  fi
}

need npm "nodejs npm" "with which plugins in JavaScript are built"
need python3 "python3 python3-venv" "with which plugins in Python are built"
need curl curl "with which the guide asks a server"
[ -x "$target/debug/millwork" ] || fail "$target/debug/millwork is not there: build it first"

# A port that nobody has now.
GUIDE_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export GUIDE_PORT GUIDE_DIR="$target/tmp/guide" PATH="$target/debug:$PATH"
scripts/guide.sh JavaScript Python
ls -l "$target"/tmp/guide/*/hello-*/dist/*.wasm | awk '{ n = split($NF, path, "/"); print path[n] ": " int($5 / 1024) " KB" }'
