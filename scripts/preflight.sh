#!/usr/bin/env bash
# Checks the three tools that paylake needs, before anything is set up or run with them.
# Usage: [PYTHON=python3.11] [JAVA_HOME=...] scripts/preflight.sh
# Prints nothing when all is well; else one sentence per missing or wrong tool, and exits with 1.
set -u

failed=0
complain() {
  echo "paylake: $*" >&2
  failed=1
}

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
  complain "$python was not found: install Python 3.11 or 3.12 (Debian: python3 and python3-venv)," \
    "or name one with PYTHON=/path/to/python3.11."
else
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
  case $version in
    3.11 | 3.12)
      "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        complain "$python cannot make virtual environments: install its venv module (Debian: python3-venv)."
      ;;
    *)
      complain "$python is Python ${version:-of an unknown version}: install Python 3.11 or 3.12," \
        "or name one with PYTHON=/path/to/python3.11."
      ;;
  esac
fi

# Spark, Kafka and Maven all look at JAVA_HOME before PATH, so this does too.
if [ -n "${JAVA_HOME:-}" ]; then
  java=$JAVA_HOME/bin/java
  where="JAVA_HOME ($JAVA_HOME)"
else
  java=java
  where="PATH"
fi
if ! command -v "$java" >/dev/null 2>&1; then
  complain "no java was found through $where: install a JDK, 17 or newer (Debian: openjdk-17-jdk-headless)" \
    "or set JAVA_HOME to one."
else
  shown=$("$java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1)
  major=${shown#1.} # Java 8 calls itself 1.8
  major=${major%%[!0-9]*}
  if [ -z "$major" ] || [ "$major" -lt 17 ]; then
    complain "the java found through $where is version ${shown:-unknown}: install a JDK, 17 or newer" \
      "(Debian: openjdk-17-jdk-headless), or set JAVA_HOME to one."
  fi
fi

command -v mvn >/dev/null 2>&1 ||
  complain "mvn was not found: install Apache Maven 3.6 or newer (Debian: maven), which fetches the jars."

exit "$failed"
