#!/usr/bin/env bash
# Writes the digest that each base's tag has now into docker/versions.env. It needs docker buildx and the registries.
set -euo pipefail
cd "$(dirname "$0")"

while IFS='=' read -r name value; do
  tag=${value%@*}
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$tag")
  if [ "$value" != "$tag@$digest" ]; then
    echo "$name: $tag is now $digest"
    sed -i "s|^$name=.*|$name=$tag@$digest|" versions.env
  fi
done < <(grep -E '^[A-Z_]+=' versions.env)
