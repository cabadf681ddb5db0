#!/bin/sh
# Builds the console into ui/dist, from where the binary takes it. Without Node it says so, and nothing else changes.
set -eu
cd "$(dirname "$0")/../ui"
if ! command -v npm >/dev/null 2>&1; then
    echo "The console is not built: there is no npm here. Everything else works; install Node 20 or newer to have it." >&2
    exit 0
fi
# Not `npm ci`, which misses a package for Windows that npm itself leaves out of the lock file; what is installed is what the lock file says.
[ -d node_modules ] && [ node_modules -nt package-lock.json ] || { npm install --no-save; touch node_modules; }
npm run build
