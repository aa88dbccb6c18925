#!/usr/bin/env bash
# Adds fetched jars to those of a Spark, once each: what Spark brings itself, in whatever version, stays Spark's.
# Usage: docker/jars/merge.sh FETCHED SPARK_JARS
set -euo pipefail

fetched=${1:?usage: merge.sh FETCHED SPARK_JARS} spark=${2:?no folder of Spark\'s jars}
for jar in "$fetched"/*.jar; do
  name=$(basename "$jar")
  artifact=$(sed -E 's/-[0-9].*//' <<< "$name")
  # jcl-over-slf4j, which Spark brings, has the same classes
  if compgen -G "$spark/$artifact-[0-9]*.jar" > /dev/null || [ "$artifact" = commons-logging ]; then
    continue
  fi
  install -m 0644 "$jar" "$spark/$name"
done
