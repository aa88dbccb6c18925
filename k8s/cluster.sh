#!/usr/bin/env bash
# Prints what a cluster needs once, before the first release: node autoscaling. Put it there with kubectl apply -f -.
# Usage: k8s/cluster.sh CLUSTER REGION REGISTRY/NAME@sha256:DIGEST
# The image is Kubernetes' cluster-autoscaler, which docker/mirror.sh copies: nodes reach no registry but AWS's.
set -euo pipefail

usage="usage: k8s/cluster.sh CLUSTER REGION IMAGE@sha256:DIGEST"
cluster=${1:?$usage} region=${2:?$usage} image=${3:?$usage}
cd "$(dirname "$0")"
if ! [[ $cluster =~ ^[a-z0-9-]+$ && $region =~ ^[a-z0-9-]+$ ]]; then
  echo "cluster.sh: '$cluster' in '$region' is no cluster of a region; for example paylake-dev eu-central-1." >&2
  exit 2
fi
if ! [[ $image =~ ^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]]; then
  echo "cluster.sh: $image names no digest; give REGISTRY/NAME@sha256:DIGEST, as docker/mirror.sh says it." >&2
  exit 2
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r cluster "$copy"
sed -i "s|/CLUSTER\$|/$cluster|; s|value: REGION}|value: $region}|; s|image: cluster-autoscaler\$|image: $image|" "$copy/cluster/autoscaler.yaml"
./kustomize.sh build "$copy/cluster"
