#!/bin/sh
# Makes the frozen components of a version of the contract, once, right before it is released: host/plugin/tests/frozen/README.md.
# Needs Node.js for the witness in JavaScript, and fetches componentize-qjs.
#
#   scripts/freeze.sh VERSION
set -eu

cd "$(dirname "$0")/.."
version=${1:?"which version of the contract? scripts/freeze.sh 1.1.0"}
folder=$PWD/host/plugin/tests/frozen/$version
target=${CARGO_TARGET_DIR:-$PWD/target}

if [ -e "$folder/DIGESTS" ]; then
	echo "freeze: $version is frozen already, and what is frozen is never built again" >&2
	exit 1
fi
mkdir -p "$folder"

# The build script of this crate knows how components are built; it leaves the bundled ones there.
cargo build --locked --package millwork --package millwork-bundled --features millwork-bundled/test-guests
built=$target/plugins/wasm32-wasip2/plugin
cp "$built/millwork_plugin_delay.wasm" "$folder/delay.wasm"
cp "$built/millwork_plugin_webhook.wasm" "$folder/webhook.wasm"
cargo build --locked --lib --target wasm32-wasip2 --profile plugin --package millwork-guest-witness
cp "$target/wasm32-wasip2/plugin/millwork_guest_witness.wasm" "$folder/witness.wasm"

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(
	cd "$place"
	"$target/debug/millwork" plugin new witness-js --lang javascript
	cd witness-js
	sed -i 's#// import millwork:\(http\|kv\)#import millwork:\1#' wit/world.wit
)
cp host/plugin/guests/witness-js/index.js "$place/witness-js/src/index.js"
(cd "$place/witness-js" && npm install --no-audit --no-fund && npm run build)
cp "$place/witness-js/dist/witness-js.wasm" "$folder/"

for wasm in "$folder"/*.wasm; do
	printf '%s  %s\n' "$(sha256sum <"$wasm" | cut -d' ' -f1)" "$(basename "$wasm" .wasm)"
done >"$folder/DIGESTS"
cat "$folder/DIGESTS"
