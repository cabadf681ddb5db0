#!/bin/sh
# Begins a plugin in JavaScript and one in Python, and builds, tests, checks and tries out both: every command of their READMEs. Then
# has a server run them. Fetches componentize-qjs and componentize-py.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
millwork=$target/debug/millwork
place=$target/tmp/languages

missing() {
	echo "test-languages: $1" >&2
	exit 1
}
command -v npm >/dev/null || missing "npm is missing: install Node.js 20 or later"
command -v python3 >/dev/null || missing "python3 is missing: install Python 3.10 or later, with venv"
[ -x "$millwork" ] || missing "$millwork is not there: build it first"

rm -rf "$place"
mkdir -p "$place"
cd "$place"
export PATH="$(dirname "$millwork"):$PATH"

# Runs a command and prints how long it took.
timed() {
	name=$1
	shift
	began=$(date +%s%N)
	"$@" >log 2>&1 || { cat log; missing "$name failed"; }
	echo "$name: $(( ($(date +%s%N) - began) / 1000000 )) ms"
}

# A component that was built is looked at, and tried out.
try_out() {
	timed "$1: check" millwork plugin check "$2"
	grep -q 'no problems' log || { cat log; missing "$1 has problems"; }
	timed "$1: run" millwork plugin run "$2" --action greet --config '{"name":"Ada"}'
	grep -q 'completed {"text": *"Hello, Ada!"}' log || { cat log; missing "$1 does not greet"; }
	head -1 log
	if millwork plugin run "$2" --config '{"name":""}' >log 2>&1; then missing "$1 greets nobody"; fi
	grep -q 'failed (Permanent) nobody' log || { cat log; missing "$1 says nothing of nobody"; }
	ls -l "$2" | awk '{ print "size: " int($5 / 1024) " KB" }'
}

millwork plugin new hello-js --lang javascript
(cd hello-js && timed "JavaScript: npm install" npm install --no-audit --no-fund)
(cd hello-js && timed "JavaScript: npm test" npm test)
(cd hello-js && timed "JavaScript: npm run build" npm run build)
try_out JavaScript hello-js/dist/hello-js.wasm

millwork plugin new hello-py --lang python
(cd hello-py && timed "Python: make venv" make venv)
(cd hello-py && timed "Python: make build" make build)
try_out Python hello-py/dist/hello-py.wasm

# The same on a server: installed while it runs, and used by a workflow.
mkdir data
millwork serve --listen 127.0.0.1:0 --data-dir data >server.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do
	url=$(sed -n 's/.* listens on \(http:.*\)/\1/p' server.log | head -1)
	[ -n "$url" ] && break
	sleep 0.2
done
[ -n "$url" ] || { cat server.log; missing "the server does not start"; }
export MILLWORK_URL=$url
for plugin in hello-js hello-py; do
	timed "$plugin: install" millwork plugin install $plugin/dist/$plugin.wasm
	workflow=$(curl -s "$url/api/v1/workflows" -H 'Content-Type: application/json' \
		-d "{\"name\":\"greets\",\"steps\":[{\"name\":\"a\",\"type\":\"$plugin\",\"config\":{\"name\":\"Ada\"}}]}" |
		sed 's/.*"workflow_id":"\([^"]*\)".*/\1/')
	run=$(curl -s "$url/api/v1/trigger?wait=30s" -H 'Content-Type: application/json' -d "{\"workflow_id\":\"$workflow\"}")
	case $run in
	*'"status":"success"'*'Hello, Ada!'*) echo "$plugin: a run succeeded" ;;
	*) echo "$run"; missing "$plugin does not run on a server" ;;
	esac
done
echo "test-languages: passed"
