#!/bin/sh
# The proof by kill -9: 10,000 runs, 20 kills, and nothing that was acknowledged is lost or done twice.
# What is given to this script goes to the proof too: scripts/crash.sh --seed 7 --busy-share 0.1
set -eu
cd "$(dirname "$0")/.."

cargo build --release -p millwork -p millwork-bench
target=${CARGO_TARGET_DIR:-target}
# Beside the build and not in /tmp, which may be memory: the disk's part in the proof is what matters.
exec "$target/release/millwork-bench" crash --millwork "$target/release/millwork" --work-dir "$target/bench" "$@"
