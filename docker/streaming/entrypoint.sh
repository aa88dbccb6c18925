#!/usr/bin/env bash
# The process of a container of this image.
#   driver [option of spark-submit ...] JOB [flag ...]    a driver, which ends its batch when it is asked to stop
#   executor                                              what Spark on Kubernetes asks of an executor's image
#   COMMAND ...                                           anything else, such as paylake topics create
set -euo pipefail

driver() {
  # spark-submit tells Python nothing of a signal, and Python is what ends a batch in order
  local pid_file submit code=0 options=()
  # set by an operator, which has asked for deploy mode cluster: this is that driver
  if [ -n "${SPARK_DRIVER_BIND_ADDRESS:-}" ]; then
    options=(--deploy-mode client --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS")
  fi
  pid_file=$(mktemp -t driver.XXXXXX)
  export DRIVER_PID_FILE=$pid_file PYSPARK_DRIVER_PYTHON="${PAYLAKE_HOME}/bin/driver_python.sh"
  spark-submit "${options[@]}" "$@" &
  submit=$!
  # shellcheck disable=SC2329 # the trap calls it
  stop() {
    local pid
    pid=$(cat "$pid_file")
    kill -TERM "${pid:-$submit}" 2>/dev/null || true
  }
  trap stop TERM INT
  # a trapped signal ends `wait` before the process has ended
  while kill -0 "$submit" 2>/dev/null; do
    code=0
    wait "$submit" || code=$?
  done
  exit "$code"
}

executor() {
  local options=() name
  # Spark numbers the options from 0; compgen's order would be 0, 1, 10, 2
  for name in $(compgen -v SPARK_JAVA_OPT_ | sort -t_ -k4 -n); do
    options+=("${!name}")
  done
  exec java "${options[@]}" "-Xms${SPARK_EXECUTOR_MEMORY}" "-Xmx${SPARK_EXECUTOR_MEMORY}" \
    -cp "${PAYLAKE_HOME}/conf:${SPARK_HOME}/jars/*" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
}

case ${1:-} in
  driver) shift; driver "$@" ;;
  executor) executor ;;
  '') echo "entrypoint.sh: say driver, executor or a command; for example: paylake --help" >&2; exit 2 ;;
  *) exec "$@" ;;
esac
