#!/usr/bin/env bash
# kustomize, wherever it is: its own command, kubectl's, or one built once from the Go module proxy into build/tools.
# Usage: k8s/kustomize.sh build FOLDER
set -euo pipefail

version=v5.8.1
tools=$(cd "$(dirname "$0")/.." && pwd)/build/tools

if [ "${1:-}" != build ] || [ $# -ne 2 ]; then
  echo "usage: k8s/kustomize.sh build FOLDER" >&2
  exit 2
fi
if [ -x "$tools/kustomize" ]; then
  exec "$tools/kustomize" build "$2"
elif command -v kustomize > /dev/null; then
  exec kustomize build "$2"
elif command -v kubectl > /dev/null && kubectl kustomize --help > /dev/null 2>&1; then
  exec kubectl kustomize "$2"
elif command -v go > /dev/null; then
  echo "kustomize.sh: building kustomize $version into build/tools, once; it takes a minute or two." >&2
  GOBIN=$tools GOFLAGS='' go install "sigs.k8s.io/kustomize/kustomize/v5@$version" >&2
  exec "$tools/kustomize" build "$2"
fi
echo "kustomize.sh: install kubectl or kustomize, or Go 1.24, which builds it." >&2
exit 1
