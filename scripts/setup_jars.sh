#!/usr/bin/env bash
# Fetches one set of jars of pom.xml into jars/SET. The folder is replaced as a whole, so that no
# jar of an earlier version stays on the class path, and half a download never looks complete.
# Usage: scripts/setup_jars.sh SET
set -euo pipefail

set_name=$1
part=jars/.$set_name.part
rm -rf "$part"
mvn --quiet --batch-mode --activate-profiles "$set_name" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$PWD/$part"
rm -rf "jars/$set_name"
mv "$part" "jars/$set_name"
