#!/usr/bin/env bash
# Python of a driver, whose process number entrypoint.sh must know.
set -euo pipefail
echo "$$" > "$DRIVER_PID_FILE"
exec "$PYSPARK_PYTHON" "$@"
