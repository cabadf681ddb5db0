#!/bin/sh
# Every figure in one go: scripts/measure.sh [quick]
#
# Takes about half an hour, and leaves its figures (CSV), what the commands said, and a summary in target/measure, and pictures in
# docs/images/performance. `quick` measures everything with small sizes in ten minutes, to see that it works; its figures and
# pictures are in target/measure/quick. Measure on a machine that does nothing else.
#
# MEASURE_DIR: where the servers' data goes, on the disk that is meant (target/bench). PostgreSQL and Kafka have theirs in TMPDIR.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case ${1:-full} in
  full) quick="" && out=$target/measure && pictures=docs/images/performance ;;
  quick) quick=yes && out=$target/measure/quick && pictures=$out/pictures ;;
  *) echo "measure: there is '$0' and '$0 quick', and no '$1'" >&2 && exit 2 ;;
esac

# The whole workspace, as the benches below ask for it: nothing is compiled twice.
cargo build --release --locked --workspace --bins
bench="$target/release/millwork-bench"
work=${MEASURE_DIR:-$target/bench}
# Figures of an earlier measurement stay beside this one's.
mkdir -p "$out"
log=$out/log.txt
: >"$log"
server="--millwork $target/release/millwork --work-dir $work"

failed=""
say() { printf '%s\n' "$*" | tee -a "$log"; }

# run COMMAND OPTION ...: with what goes to the file of figures.
run() {
  say "" && say "## $*" && say ""
  "$bench" --csv "$out/csv" "$@" >>"$log" 2>&1 || { failed="$failed $1" && say "failed: $*"; }
}

# measure COMMAND OPTION ...: the same with a server of its own.
measure() {
  # shellcheck disable=SC2086  # the server's options are several words
  command=$1 && shift && run "$command" $server "$@"
}

# pick FULL QUICK: the one for this measurement.
pick() { if [ -n "$quick" ]; then echo "$2"; else echo "$1"; fi; }

say "# Millwork, measured"
say "$(date -u +'%Y-%m-%d %H:%M UTC'), commit $(git log -1 --format=%h 2>/dev/null || echo unknown)"
say "$(uname -srm), $(rustc --version)"
say "$(grep -m1 'model name' /proc/cpuinfo || true)"
say "$(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), load $(cut -d' ' -f1 /proc/loadavg)"

# First what nobody can be faster than, then what is held against it.
run limits --work-dir "$work" --seconds "$(pick 4 1)"
if [ -n "$quick" ]; then
  cargo bench --workspace --locked --bench call -- --warm-up-time 1 --measurement-time 1 '^delay' >>"$log" 2>&1 || failed="$failed bench-call"
else
  cargo bench --workspace --locked --bench call -- '^delay' >>"$log" 2>&1 || failed="$failed bench-call"
fi
run calls --criterion "$target/criterion"

measure contract
measure mix --users 1000
measure mix --users "$(pick 10000 2000)"
measure triggers --connections "$(pick 1,64,1000,10000 1,64,1000)" --seconds "$(pick 6 1)" --rounds "$(pick 3 1)"
measure triggers --connections 64 --seconds "$(pick 8 1)" --rounds "$(pick 3 1)" --rate 5000
for steps in 1 3 9; do
  measure throughput --runs "$(pick 30000 2000)" --steps "$steps" --single-runs "$(pick 1000 100)"
done
measure shapes --runs "$(pick 20 3)"
measure delays --runs 2000 --seconds 1
# When the first is due: later than all can have been triggered.
sleepers() { measure sleepers --runs "$1" --seconds "$2" --spread "$3" --connections 256; }
for runs in $(pick "10000 100000 1000000" "2000 10000"); do
  case $runs in 1000000) ahead=120 ;; 100000) ahead=20 ;; *) ahead=5 ;; esac
  sleepers "$runs" "$ahead" "$(pick 60 5)"
  sleepers "$runs" "$ahead" 0
done
measure recovery --runs "$(pick 100000 2000)" --seconds "$(pick 20 3)"
measure reads --runs "$(pick 1000000 5000)" --seconds "$(pick 4 1)"
measure starts --starts "$(pick 10 3)"
measure growth --sizes "$(pick 10000,100000,1000000,10000000 1000,10000)" --runs "$(pick 20000 2000)" --seconds "$(pick 3 1)"
measure retention --seconds "$(pick 200 80)" --kept "$(pick 10 2)"
measure replace --plugin host/plugin/tests/frozen/1.0.0/witness.wasm --runs "$(pick 10000 4000)"
measure crash --runs "$(pick 10000 500)" --kills "$(pick 20 3)"

# The same workloads on PostgreSQL and Kafka, each on servers of its own.
scripts/setup-tests.sh && scripts/setup-cluster.sh || failed="$failed setup-cluster"
measure mix --cluster --users 1000
measure triggers --cluster --connections 64 --seconds "$(pick 6 1)" --rounds "$(pick 3 1)"
measure throughput --cluster --runs "$(pick 20000 2000)" --steps 3 --single-runs "$(pick 500 50)"
measure shapes --cluster --runs "$(pick 10 2)"
measure delays --cluster --runs 2000 --seconds 1
measure reads --cluster --runs "$(pick 100000 2000)" --seconds "$(pick 4 1)"

say "" && say "failed:${failed:- none}"
"$bench" pictures "$out/csv" --out "$pictures" >>"$log"
"$bench" summary "$out/csv" --out "$out/summary.md"
echo
echo "figures: $out/csv; pictures: $pictures; what was said: $log"
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
