#!/usr/bin/env bash
# Runs a command with its output in a log, which is shown only when the command fails.
# Usage: scripts/quietly.sh "what it does" LOG COMMAND...
set -uo pipefail

what=$1 log=$2
shift 2
mkdir -p "$(dirname "$log")"
echo "paylake: $what"
"$@" >"$log" 2>&1
status=$?
if [ "$status" -ne 0 ]; then
  tail -n 30 "$log" >&2
  echo "paylake: failed: $what (the whole log is in $log)." >&2
fi
exit "$status"
