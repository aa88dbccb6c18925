#!/usr/bin/env bash
# Fetches Trino, whose family Athena belongs to, into jars/trino: the server, and of its plugins the one that reads Delta.
# What is there already stays; half a download never looks complete.
# Usage: [JAVA25_HOME=...] scripts/setup_trino.sh
set -euo pipefail

version=476
sha256=cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f
plugins=(delta-lake)

# before 821 MB come that nobody could run
scripts/find_java25.sh >/dev/null
if [ "$(cat jars/trino/FETCHED 2>/dev/null)" = "$version $sha256" ]; then
  exit
fi

part=jars/.trino.part
rm -rf "$part"
mkdir -p "$part/whole"
mvn --quiet --batch-mode dependency:copy \
  -Dartifact="io.trino:trino-server:$version:tar.gz" -DoutputDirectory="$PWD/$part"
archive=$part/trino-server-$version.tar.gz
if ! echo "$sha256  $archive" | sha256sum --check --quiet; then
  echo "paylake: what came as Trino $version has another SHA-256 than this script names; nothing was unpacked." >&2
  exit 1
fi
# whole, since a file that two plugins share lies in the first of them alone, and is a link in the other
tar -xzf "$archive" --directory "$part/whole" --strip-components=1
mkdir -p "$part/trino/plugin"
mv "$part/whole/lib" "$part/trino/lib"
for plugin in "${plugins[@]}"; do
  mv "$part/whole/plugin/$plugin" "$part/trino/plugin/$plugin"
done
echo "$version $sha256" >"$part/trino/FETCHED"
rm -rf jars/trino
mv "$part/trino" jars/trino
rm -rf "$part"
