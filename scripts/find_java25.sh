#!/usr/bin/env bash
# Prints the java of a JDK 25 or newer, which Trino needs: of JAVA25_HOME, else of JAVA_HOME, PATH or where systems put JDKs.
# Usage: [JAVA25_HOME=...] scripts/find_java25.sh
set -u

if [ -n "${JAVA25_HOME:-}" ]; then
  candidates=("$JAVA25_HOME/bin/java")
  where="JAVA25_HOME ($JAVA25_HOME)"
else
  candidates=("${JAVA_HOME:-}/bin/java" "$(command -v java)" /usr/lib/jvm/*/bin/java)
  where="JAVA_HOME, PATH and /usr/lib/jvm"
fi
for java in "${candidates[@]}"; do
  if [ -x "$java" ]; then
    major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${major:-0}" -ge 25 ]; then
      echo "$java"
      exit
    fi
  fi
done
echo "paylake: no JDK 25 or newer, which Trino needs, is in $where: install one (Debian: temurin-25-jdk)," \
  "or let JAVA25_HOME name its folder." >&2
exit 1
