#!/usr/bin/env bash
# One command for each thing that is done with a stack on AWS. Credentials come from where AWS's tools look for them.
# Usage: infra/stack.sh bootstrap | infra/stack.sh up|rest|down|plan|topics|nightly dev|prod [Terraform's arguments]
set -euo pipefail
cd "$(dirname "$0")/terraform"

fail() {
    echo "stack: $1" >&2
    exit 2
}

action=${1:-} environment=${2:-}
if [ "$action" = bootstrap ]; then
    terraform -chdir=bootstrap init -input=false
    terraform -chdir=bootstrap apply "${@:2}"
    exit
fi
case $action in up | rest | down | plan | topics | nightly) ;; *) fail "say bootstrap, or one of up, rest, down, plan, topics, nightly with dev or prod." ;; esac
[ -d "live/$environment" ] || fail "'$environment' is no stack: say dev or prod."
root=live/$environment
[ -f "$root/$environment.s3.tfbackend" ] ||
    fail "infra/terraform/$root/$environment.s3.tfbackend is missing: copy the example beside it and put your account in."

value() { # of an output of the stack, at a path of keys
    terraform -chdir="$root" output -json stack | python3 -c 'import functools, json, sys
print(functools.reduce(lambda found, key: found[key], sys.argv[1:], json.load(sys.stdin)))' "$@"
}

start() { # a state machine, with an input
    aws stepfunctions start-execution --state-machine-arn "$(value machine_arns "$1")" --input "${2:-{\}}"
}

terraform -chdir="$root" init -input=false -backend-config="$environment.s3.tfbackend" >/dev/null
case $action in
    plan) terraform -chdir="$root" plan "${@:3}" ;;
    # What costs by the hour stands; the topics follow, since the brokers make none by themselves.
    up)
        terraform -chdir="$root" apply "${@:3}"
        start topics
        ;;
    # What costs by the hour goes, what holds data stays.
    rest) terraform -chdir="$root" apply -var=running=false -var=schedule_enabled=false "${@:3}" ;;
    # Everything goes. In production the plan refuses.
    down) terraform -chdir="$root" destroy "${@:3}" ;;
    topics) start topics ;;
    nightly)
        [ -n "${3:-}" ] || fail "which business date? For example infra/stack.sh nightly $environment 2026-03-31."
        start nightly "{\"business_date\": \"$3\"}"
        ;;
esac
