#!/usr/bin/env bash
# Install the servers that scores are published to and Prometheus, where they are missing; the tests start their own.
set -euo pipefail

missing=() as_root=() policy=/usr/sbin/policy-rc.d refused=
command -v redis-server > /dev/null || missing+=(redis-server)
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null || command -v initdb > /dev/null || missing+=(postgresql)
command -v prometheus > /dev/null && command -v promtool > /dev/null || missing+=(prometheus)
if [ "${#missing[@]}" -eq 0 ]; then
    exit
fi
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2> /dev/null; then
        echo "paylake: only root may install what is missing: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi
# Debian's packages start their services at once, unless this says no
if [ ! -e "$policy" ]; then
    refused=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
"${as_root[@]}" apt-get -qq update > /dev/null || true
failed=0
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${missing[@]}" > /dev/null || failed=1
if [ -n "$refused" ]; then
    "${as_root[@]}" rm -f "$policy"
fi
if [ "$failed" -ne 0 ]; then
    echo "paylake: apt-get could not install ${missing[*]}." >&2
    exit 1
fi
