#!/usr/bin/env bash
# Builds one image from docker/versions.env. What follows the image's name goes to `docker buildx build`.
# Usage: docker/build.sh streaming|batch [--tag NAME] [--platform linux/amd64,linux/arm64] [--push] ...
set -euo pipefail
cd "$(dirname "$0")/.."

image=${1:?usage: docker/build.sh streaming|batch [option of docker buildx build ...]}
shift
if [ ! -f "docker/$image/Dockerfile" ]; then
  echo "build.sh: there is no image $image; there are streaming and batch." >&2
  exit 2
fi

arguments=()
while IFS='=' read -r name value; do
  # compose's images are no arguments of a Dockerfile
  if ! grep -q "^ARG $name\$" "docker/$image/Dockerfile"; then
    continue
  fi
  if [[ $value != *@sha256:* ]]; then
    echo "build.sh: docker/versions.env names no digest for $value; run docker/pin.sh where its registry can be reached." >&2
    exit 1
  fi
  arguments+=(--build-arg "$name=$value")
done < <(grep -E '^[A-Z_]+=' docker/versions.env)

version=$(sed -n 's/^ *version="\(.*\)",$/\1/p' setup.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
exec docker buildx build --file "docker/$image/Dockerfile" "${arguments[@]}" \
  --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$@" .
