#!/bin/sh
# Makes the component: the connector, the SDK and a Python in one file.
set -eu
cd "$(dirname "$0")"
[ -x venv/bin/componentize-py ] || {
	python3 -m venv venv
	venv/bin/pip install --quiet -r requirements.txt
}
mkdir -p dist
venv/bin/componentize-py -d wit -w plugin-world componentize app -p . -p millwork -s -o dist/{{name}}.wasm
