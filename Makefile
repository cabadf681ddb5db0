# The verbs. Each is thin: what it does can be done by hand, and CI does nothing else (.ci/run).

.DEFAULT_GOAL := help
.PHONY: help setup run test test-cluster test-languages cluster check fmt plugins fuzz bench chaos ui test-ui

# A shell that was open before rustup came does not know it yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

help: ## Show the verbs
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' $(firstword $(MAKEFILE_LIST)) | \
	while read -r verb what; do printf '  make %-15s %s\n' "$$verb" "$$what"; done

setup: ## Install what the build needs, or say plainly what is missing
	@scripts/setup.sh

run: setup ## Build and start it on 127.0.0.1:8002, with everything embedded
	@scripts/ui.sh || echo 'The console could not be built, and is left out; everything else works.'
	cargo run --release --locked --package millwork -- serve

ui: ## Build the console, where Node is there
	@scripts/ui.sh

test-ui: setup ## Test the console in Chromium
	@scripts/test-ui.sh

test: setup ## Run every test that needs no broker; starts a PostgreSQL of its own
	scripts/setup-tests.sh
	cargo test --workspace --locked

# The whole workspace is asked for here too, so that nothing is compiled again that `make test` has compiled.
test-cluster: setup ## Run the tests on a real Kafka, and break a small cluster of real processes
	scripts/setup-tests.sh
	scripts/setup-cluster.sh
	cargo test --workspace --features millwork-bus/cluster --test kafka --locked
	cargo build --workspace --bins --locked
	$${CARGO_TARGET_DIR:-target}/debug/millwork-bench cluster --runs 300 --faults 1

test-languages: setup ## Follow the guide to plugins for JavaScript and Python, word by word
	cargo build --workspace --bins --locked
	scripts/test-languages.sh

cluster: setup ## Start a PostgreSQL and a Kafka to try a cluster with, and print where they are
	@scripts/setup-tests.sh
	@scripts/setup-cluster.sh
	@cargo run --quiet --package millwork-servers --locked

# What is quick comes first. Clippy and the tests are asked about the whole workspace, and so about one set of features:
# nothing is compiled twice, and the last line leaves behind what `make test` goes on from.
check: setup ## Formatting, the rules of the house, licences, lints, pages, generated files
	cargo fmt --all --check
	cargo test --package millwork-tidy --locked --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny check; \
	else echo 'SKIPPED: licences and advisories, since cargo-deny is not installed (cargo install --locked cargo-deny)'; fi
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --package millwork-core --package millwork-sdk --no-deps --locked
	cargo test --workspace --lib --locked --quiet -- what_the_code_says

fmt: ## Format the code
	cargo fmt --all

plugins: setup ## Build the first-party plugins as components
	cargo build --lib --target wasm32-wasip2 --profile plugin --locked \
		--package millwork-plugin-delay --package millwork-plugin-email --package millwork-plugin-signal \
		--package millwork-plugin-slack --package millwork-plugin-template --package millwork-plugin-webhook
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld \
	cargo build --lib --target wasm32-unknown-unknown --profile plugin --locked --package millwork-plugin-transform
	@ls -l $${CARGO_TARGET_DIR:-target}/wasm32-*/plugin/*.wasm

fuzz: setup ## Try made-up files and answers on the plugin host for an hour, from a seed
	cargo build --release --locked --package millwork-fuzz
	for kind in loader manifest boundary; do \
		$${CARGO_TARGET_DIR:-target}/release/millwork-fuzz $$kind --minutes 20 --seed $${SEED:-1} || exit 1; \
	done

bench: setup ## Measure it: every figure in one go, half an hour (scripts/measure.sh quick: ten minutes)
	scripts/measure.sh

chaos: setup ## Kill it: 10,000 runs, 20 times kill -9, then a cluster part by part, and nothing is lost
	scripts/crash.sh
	scripts/cluster.sh
