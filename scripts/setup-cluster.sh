#!/bin/sh
# Fetches what the tests on a real Apache Kafka need: Java, and Kafka's jars from Maven Central. Says plainly what it cannot do.
# It changes nothing where everything is there, and needs no network then.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup-cluster: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

version=$(sed -n 's/^const VERSION: &str = "\(.*\)";/\1/p' servers/src/kafka.rs)
[ -n "$version" ] || fail "servers/src/kafka.rs names no version of Kafka: this script has to be told where it is now"

# need COMMAND PACKAGE WHAT-FOR
need() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $2"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" ||
      fail "apt-get could not install $2"
  else
    fail "there is no $1, $3: on Debian, sudo apt-get install $2"
  fi
}

need java openjdk-17-jre-headless "which Kafka runs on"
major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
[ "${major:-0}" -ge 17 ] || fail "Kafka $version needs Java 17 or later, and java is ${major:-of no known version}: on Debian, sudo apt-get install openjdk-17-jre-headless"

jars="${XDG_CACHE_HOME:-$HOME/.cache}/millwork/kafka-$version"
[ -e "$jars/complete" ] && exit 0

need mvn maven "which fetches Kafka's jars"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# 1.7: the interface that this Kafka logs through.
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millwork</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
say "fetching Apache Kafka $version into $jars"
mkdir -p "$jars"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" ||
  fail "Maven could not fetch Apache Kafka $version: is the network there, and does ~/.m2/settings.xml name a mirror that is?"
# Last: a fetch that was cut off is begun again.
: >"$jars/complete"
