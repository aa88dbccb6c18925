#!/usr/bin/env bash
# Rolls a manifest out, one workload after the other, and takes every one back as soon as one does not become healthy.
# Usage: k8s/rollout.sh MANIFEST      (made by k8s/manifest.sh; kubectl's own context says to which cluster)
set -euo pipefail

manifest=${1:?usage: k8s/rollout.sh MANIFEST}
# from what disturbs least to what matters most; "stage namespace deployment", as the label paylake/stage says
stages=(
  "1 fraud-detection anomaly-detector"
  "2 paylake score-transactions-driver"
  "3 paylake publish-scores-driver"
  "4 paylake alert-transactions-driver"
  "5 paylake reconcile-ledgers-driver"
)

healthy() { # NAMESPACE DEPLOYMENT
  # the deployment's own progressDeadlineSeconds ends the wait; this is for a cluster that does not answer
  kubectl --namespace "$1" rollout status "deployment/$2" --timeout 1200s
}

take_back() { # "stage namespace deployment" ...
  local stage namespace deployment failed=0
  for stage in "$@"; do
    read -r _ namespace deployment <<< "$stage"
    echo "rollout.sh: taking $deployment back." >&2
    { kubectl --namespace "$namespace" rollout undo "deployment/$deployment" && healthy "$namespace" "$deployment"; } || failed=1
  done
  if [ "$failed" = 1 ]; then
    echo "rollout.sh: not everything could be taken back; look at kubectl get pods --all-namespaces." >&2
  fi
}

# a finished job cannot be changed
kubectl --namespace paylake delete job topics --ignore-not-found
kubectl apply --filename "$manifest" --selector '!paylake/stage'
kubectl --namespace paylake wait --for condition=complete job/topics --timeout 600s

begun=()
for stage in "${stages[@]}"; do
  read -r number namespace deployment <<< "$stage"
  begun=("$stage" "${begun[@]}")
  if ! { kubectl apply --filename "$manifest" --selector "paylake/stage=$number" && healthy "$namespace" "$deployment"; }; then
    echo "rollout.sh: $deployment did not become healthy." >&2
    kubectl --namespace "$namespace" describe "deployment/$deployment" >&2 || true
    take_back "${begun[@]}"
    exit 1
  fi
done
echo "rollout.sh: everything is healthy."
