#!/usr/bin/env bash
# Before Kubernetes takes an executor away: it hands over what it stores, and this ends once it has ended.
set -euo pipefail
executor=${1:-1} patience_s=${2:-75}
kill -s PWR "$executor"
timeout "$patience_s" tail --pid="$executor" -f /dev/null || true
