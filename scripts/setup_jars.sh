#!/usr/bin/env bash
# Fetches one set of jars of pom.xml, or of the one named, into jars/SET. The folder is replaced as a whole, so that no
# jar of an earlier version stays on the class path, and half a download never looks complete.
# Usage: scripts/setup_jars.sh SET [POM]
set -euo pipefail

set_name=$1 pom=${2:-pom.xml}
part=jars/.$set_name.part
rm -rf "$part"
mvn --quiet --batch-mode --file "$pom" --activate-profiles "$set_name" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$PWD/$part"
rm -rf "jars/$set_name"
mv "$part" "jars/$set_name"
