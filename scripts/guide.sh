#!/usr/bin/env bash
# Follows docs/guide/plugins.md word by word: scripts/guide.sh SECTION ...
#
# Runs the commands of a section in their order, writes the files that it shows, and looks for the lines that it promises, each
# behind the one before. Prints what each block took. Needs `millwork` on the PATH; works in a folder of its own below GUIDE_DIR;
# listens on GUIDE_PORT where the guide says 8002.
set -euo pipefail
guide=$(cd "$(dirname "$0")/.." && pwd)/docs/guide/plugins.md
dir=${GUIDE_DIR:-${CARGO_TARGET_DIR:-target}/tmp/guide}
port=${GUIDE_PORT:-18002}

# One section as a script: commands as they are, files as here-documents, promises as calls of `expect`.
script() {
  awk -v section="## $1" '
    /^## / { inside = ($0 == section); next }
    !inside { next }
    /^```sh$/ { kind = "sh"; print "begin"; next }
    /^```text$/ { kind = "text"; next }
    /^```rust file=/ { kind = "file"; sub(/^```rust file=/, ""); print "cat >" $0 " <<\"END OF THE FILE\""; next }
    /^```$/ { if (kind == "file") print "END OF THE FILE"; if (kind == "sh") print "end"; kind = ""; next }
    kind == "text" { gsub(/\047/, "\047\\\047\047"); print "expect \047" $0 "\047"; next }
    kind != "" { print }
  ' "$guide" | sed "s/127\.0\.0\.1:8002/127.0.0.1:$port/g"
}

cat_functions() {
  cat <<'FUNCTIONS'
set -euo pipefail
line=1
begin() { began=${EPOCHREALTIME/./}; }
end() { echo "block: $(( (${EPOCHREALTIME/./} - began) / 1000 )) ms" >&3; }
expect() {
  local found
  found=$(awk -v from="$line" -v text="$1" 'NR >= from && index($0, text) { print NR; exit }' "$log")
  if [ -z "$found" ]; then
    echo "the guide promises, and it did not come: $1" >&3
    exit 1
  fi
  line=$found
}
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
FUNCTIONS
}

for section in "$@"; do
  place=$dir/$(echo "$section" | tr 'A-Z ' 'a-z-')
  rm -rf "$place"
  mkdir -p "$place"
  place=$(cd "$place" && pwd)
  { cat_functions && script "$section"; } >"$place/script"
  grep -q '^begin$' "$place/script" || { echo "guide: there is no section \"$section\" with commands in $guide" >&2; exit 1; }
  echo "guide: $section"
  if ! (cd "$place" && log=$place/log MILLWORK_URL=http://127.0.0.1:$port bash script 3>&1 >log 2>&1); then
    echo "guide: $section does not hold; what was printed:" >&2
    cat "$place/log" >&2
    exit 1
  fi
done
