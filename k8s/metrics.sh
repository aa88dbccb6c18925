#!/usr/bin/env bash
# Prints the agent that brings paylake's metrics to CloudWatch, for one stack. Put it there with kubectl apply -f -.
# Usage: k8s/metrics.sh STACK REGION IMAGE
# STACK is Terraform's name of it, such as paylake-dev. IMAGE is the one that the add-on's own agents run, which nodes can pull:
#   kubectl -n amazon-cloudwatch get daemonset cloudwatch-agent -o jsonpath='{.spec.template.spec.containers[0].image}'
set -euo pipefail

usage="usage: k8s/metrics.sh STACK REGION IMAGE"
stack=${1:?$usage} region=${2:?$usage} image=${3:?$usage}
cd "$(dirname "$0")"
if ! [[ $stack =~ ^[a-z0-9-]+$ && $region =~ ^[a-z0-9-]+$ ]]; then
  echo "metrics.sh: '$stack' in '$region' is no stack of a region; for example paylake-dev eu-central-1." >&2
  exit 2
fi
if ! [[ $image =~ ^[a-zA-Z0-9./:@_-]+$ ]]; then
  echo "metrics.sh: '$image' is no image; ask the add-on's own agents for theirs, as this script's first lines say." >&2
  exit 2
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r metrics "$copy"
sed -i "s|STACK|$stack|; s|\"REGION\"|\"$region\"|" "$copy/metrics/cwagentconfig.json"
sed -i "s|image: cloudwatch-agent\$|image: $image|" "$copy/metrics/agent.yaml"
./kustomize.sh build "$copy/metrics"
