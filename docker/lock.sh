#!/usr/bin/env bash
# Resolves the Python packages of both images from setup.py, for every architecture, and writes them down with their hashes.
# Usage: docker/lock.sh [file of constraints, such as `pip freeze` of the environment that the tests passed in]
# It needs uv: pip install uv
set -euo pipefail
cd "$(dirname "$0")/.."

constraints=()
if [ $# -gt 0 ]; then
  constraints=(--constraints "$1")
fi

lock() { # FILE SENTENCE [argument of uv ...]
  local file=$1 sentence=$2
  shift 2
  {
    echo "# $sentence Written by docker/lock.sh; never by hand."
    uv pip compile "$@" "${constraints[@]}" --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet
  } > "$file.new"
  mv "$file.new" "$file"
}

every="Every package of the image, with the hashes of what may be installed."
lock docker/streaming/requirements.txt "$every" setup.py --extra local --extra aws --extra fraud --extra sinks --extra serving
lock docker/batch/requirements.txt "$every" setup.py --extra aws --extra fraud --extra quality --extra serving
lock docker/build-requirements.txt "What builds the packages that come as source, with hashes." - <<< $'setuptools\nwheel'
