#!/bin/sh
# The proof over a whole cluster: two APIs and three workers over PostgreSQL and Kafka, 10,000 runs, and faults from a seed.
# What is given to this script goes to the proof too: scripts/cluster.sh --seed 7 --runs 300 --faults 1
set -eu
cd "$(dirname "$0")/.."

scripts/setup-tests.sh
scripts/setup-cluster.sh
cargo build --release -p millwork -p millwork-bench
target=${CARGO_TARGET_DIR:-target}
exec "$target/release/millwork-bench" cluster --millwork "$target/release/millwork" --work-dir "$target/bench" "$@"
