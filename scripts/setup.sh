#!/bin/sh
# Checks that this machine can build Millwork, and installs what is missing where it may. Says plainly what it cannot do.
# It changes nothing where everything is there, and needs no network then.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# rustup puts cargo here, and a shell that was open before does not know it yet.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

command -v rustup >/dev/null || fail "Rust is not installed by rustup, which knows the toolchain that this project pins: see https://rustup.rs"

channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
targets=$(sed -n 's/^targets = \["\(.*\)"\]/\1/p' rust-toolchain.toml | sed 's/", "/ /g')
[ -n "$channel" ] && [ -n "$targets" ] || fail "rust-toolchain.toml names no channel or no target: this script has to be told where they are now"

if ! rustup toolchain list | grep -q "^$channel"; then
  say "installing Rust $channel"
  rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt --no-self-update ||
    fail "rustup could not install Rust $channel: is the network there?"
fi

# What rustup lists is what it installed; what counts is what the compiler finds.
for target in $targets; do
  if [ ! -d "$(rustc "+$channel" --print target-libdir --target "$target" 2>/dev/null)" ]; then
    say "adding the target $target, for which plugins are compiled"
    rustup target add "$target" --toolchain "$channel" ||
      fail "rustup could not add the target $target: is the network there?"
  fi
done

for tool in clippy rustfmt; do
  case $tool in clippy) command=clippy-driver ;; *) command=$tool ;; esac
  if ! rustup which --toolchain "$channel" "$command" >/dev/null 2>&1; then
    say "adding $tool"
    rustup component add "$tool" --toolchain "$channel" || fail "rustup could not add $tool: is the network there?"
  fi
done

# SQLite, librdkafka and OpenSSL come as sources and are compiled with the rest: by a C compiler; librdkafka's own configure also
# tries a C++ compiler; both build with make, and OpenSSL is configured by perl. Nothing of them is looked for on the machine.
missing=
for tool in cc:gcc c++:g++ make:make perl:perl; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
if [ -n "$missing" ]; then
  packages="libc6-dev$missing"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing what C is compiled with:$missing"
    # Unquoted: several words.
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages ||
      fail "apt-get could not install $packages"
  else
    fail "there is no$missing, which SQLite, librdkafka and OpenSSL are compiled with: on Debian, sudo apt-get install $packages"
  fi
fi
