#!/usr/bin/env bash
# Makes (or updates) a virtual environment that holds paylake in editable form with some of its extras.
# Usage: scripts/setup_python.sh .venv local,dev
set -euo pipefail

venv=$1 extras=$2
"${PYTHON:-python3}" -m venv "$venv"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet --editable ".[$extras]"
