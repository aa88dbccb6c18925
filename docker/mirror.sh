#!/usr/bin/env bash
# Copies Kubernetes' cluster-autoscaler, for every architecture, into a registry that the nodes reach, and prints what to deploy.
# It needs docker buildx, and a login to the registry. Usage: docker/mirror.sh REGISTRY/paylake-dev/cluster-autoscaler
set -euo pipefail

repository=${1:?usage: docker/mirror.sh REGISTRY/NAME}
# its minor release is that of the cluster (eks_version)
tag=v1.34.3
docker buildx imagetools create --tag "$repository:$tag" "registry.k8s.io/autoscaling/cluster-autoscaler:$tag" >&2
echo "$repository@$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$repository:$tag")"
