# What the scripts share that install what they need; read by them, not run: `. scripts/need.sh`.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# need COMMAND PACKAGES WHAT-FOR
need() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $2"
    # Unquoted: several words.
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 ||
      fail "apt-get could not install $2"
  else
    fail "there is no $1, $3: on Debian, sudo apt-get install $2"
  fi
}
