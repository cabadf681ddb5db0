#!/bin/sh
# Makes sure that the tests find a PostgreSQL: Debian's package, of which they start a throw-away cluster of their own. Says
# plainly what it cannot do. It changes nothing where the binaries are there, and needs no network then.
set -eu

say() { printf 'setup-tests: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
  [ -x "$initdb" ] && exit 0
done

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  fail "there is no PostgreSQL, of which the tests start a cluster of their own: on Debian, sudo apt-get install postgresql"
fi

say "installing PostgreSQL"
# The package would make and start a cluster of its own, which nobody here needs.
mkdir -p /etc/postgresql-common
grep -qs create_main_cluster /etc/postgresql-common/createcluster.conf ||
  echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql ||
  fail "apt-get could not install postgresql"
