#!/usr/bin/env bash
# Prints all that an environment gets, with the image named by its digest, so that what was tested and signed is what runs.
# Usage: k8s/manifest.sh dev|prod REGISTRY/NAME@sha256:DIGEST [FOLDER]
# A FOLDER's paylake.env and serving.env count in place of the environment's own: addresses that no repository should hold.
set -euo pipefail

environment=${1:?usage: k8s/manifest.sh dev|prod IMAGE@sha256:DIGEST} image=${2:?no image} settings=${3:-}
settings=${settings:+$(realpath "$settings")}
cd "$(dirname "$0")"
if [ ! -f "overlays/$environment/kustomization.yaml" ]; then
  echo "manifest.sh: there is no environment $environment in k8s/overlays." >&2
  exit 2
fi
if ! [[ $image =~ ^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]]; then
  echo "manifest.sh: $image names no digest; give REGISTRY/NAME@sha256:DIGEST, since a tag may come to mean another image." >&2
  exit 2
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/k8s"
cp -r base overlays components "$copy/k8s"
sed -i "s|^    newTag: local\$|    newName: ${image%@*}\n    digest: ${image#*@}|" "$copy/k8s/overlays/$environment/kustomization.yaml"
if [ -n "$settings" ]; then
  cp "$settings/paylake.env" "$settings/serving.env" "$copy/k8s/overlays/$environment/"
fi
replicas=()
if ! grep -Eq '^PAYLAKE_(REDIS|POSTGRES)_URL=.' "$copy/k8s/overlays/$environment/paylake.env"; then
  echo "manifest.sh: $environment has neither Redis nor PostgreSQL, so publish-scores gets no pod." >&2
  replicas+=('{name: publish-scores-driver, count: 0}')
fi
if ! grep -q '^PAYLAKE_REDIS_URL=.' "$copy/k8s/overlays/$environment/serving.env"; then
  echo "manifest.sh: $environment has no Redis, so the API gets no pod." >&2
  replicas+=('{name: anomaly-detector, count: 0}')
fi
if [ "${#replicas[@]}" -gt 0 ]; then
  { echo replicas: && printf '  - %s\n' "${replicas[@]}"; } >> "$copy/k8s/overlays/$environment/kustomization.yaml"
fi
./kustomize.sh build "$copy/k8s/overlays/$environment" > "$copy/manifest.yaml"
if grep -n '\.invalid' "$copy/manifest.yaml" >&2; then
  echo "manifest.sh: these addresses of $environment are still to be filled in: see k8s/overlays/$environment/*.env." >&2
  exit 1
fi
cat "$copy/manifest.yaml"
