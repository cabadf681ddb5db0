#!/bin/sh
# Every figure in one go, into a file: scripts/measure.sh [FILE]
# Takes about a quarter of an hour. Measure on a machine that does nothing else.
set -eu
cd "$(dirname "$0")/.."

cargo build --release -p millwork -p millwork-bench
target=${CARGO_TARGET_DIR:-target}
out=${1:-$target/measure.txt}
bench="$target/release/millwork-bench"
server="--millwork $target/release/millwork --work-dir $target/bench"
# A thousand connections are a thousand files, on both sides.
ulimit -n "$(ulimit -Hn)"

failed=""
measure() {
  printf '\n## %s\n\n' "$*"
  # shellcheck disable=SC2086  # the server's options are several words
  command=$1 && shift && "$bench" "$command" $server "$@" 2>&1 || failed="$failed $command"
}

{
  echo "# Millwork, measured"
  echo
  date -u +'%Y-%m-%d %H:%M UTC'
  git log -1 --format='commit %h' 2>/dev/null || true
  uname -srm
  rustc --version
  grep -m1 'model name' /proc/cpuinfo || true
  echo "$(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), load $(cut -d' ' -f1 /proc/loadavg)"

  measure contract
  measure throughput --runs 20000 --steps 3
  measure shapes --runs 20
  measure throughput --runs 20000 --steps 1
  measure throughput --runs 20000 --steps 9
  measure delays --runs 2000 --seconds 1
  measure mix --users 1000
  measure triggers --connections 64,1000 --seconds 8 --steps 0,3
  measure triggers --connections 64 --seconds 8 --rate 5000
  measure sleepers --runs 100000 --seconds 60
  measure recovery --runs 100000 --seconds 20
  measure reads --runs 300000
  measure starts
  measure replace --plugin host/plugin/tests/frozen/1.0.0/witness.wasm
  measure crash --runs 10000 --kills 20
  echo
  echo "failed:${failed:- none}"
} >"$out"

cat "$out"
[ -z "$failed" ]
