#!/usr/bin/env bash
# Fetches the jars of one image into a folder, and refuses any that docker/jars/IMAGE.sha256 does not know.
# Usage: docker/jars/fetch.sh streaming|batch FOLDER [--lock]
# With --lock the list is written anew; that is how a change of pom.xml is taken over.
set -euo pipefail
cd "$(dirname "$0")"

image=${1:?usage: fetch.sh streaming|batch FOLDER [--lock]} folder=$(realpath -m "${2:?no folder}") lock=${3:-}
case $image in
  streaming) sets=spark,s3,msk,checkpoints without=none ;;
  # EMR brings its own Delta, and a second one would hide it
  batch) sets=emr,msk without=io.delta ;;
  *) echo "fetch.sh: there is no image $image; there are streaming and batch." >&2; exit 2 ;;
esac

rm -rf "$folder"
mvn --quiet --batch-mode --activate-profiles "$sets" dependency:copy-dependencies \
  -DincludeScope=runtime -DexcludeGroupIds="$without" -DoutputDirectory="$folder"
list=$PWD/$image.sha256
cd "$folder"
if [ "$lock" = --lock ]; then
  LC_ALL=C sha256sum -- *.jar > "$list"
fi
sha256sum --quiet --check "$list"
unknown=$(comm -13 <(cut -c67- "$list" | LC_ALL=C sort) <(LC_ALL=C ls))
if [ -n "$unknown" ]; then
  echo "fetch.sh: $list does not know $unknown; look at it, then run fetch.sh $image FOLDER --lock." >&2
  exit 1
fi
