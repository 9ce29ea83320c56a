#!/bin/sh
# Replaces the pods whose Secrets or settings have changed: functions read both once, when they start.
#
#   deploy/roll-out-secrets.sh NAMESPACE
#
# Writes a checksum of them into the pod template of every function and of the connector, on Knative and OpenFaaS alike.
# Where nothing has changed, the checksum is the same and no pod is replaced.
set -eu

if [ $# != 1 ]; then
  echo "roll-out-secrets.sh: name the namespace of the functions, such as soundlift or openfaas-fn." >&2
  exit 1
fi
namespace=$1

data=$(kubectl get --namespace "$namespace" --ignore-not-found \
  --output jsonpath='{range .items[*]}{.kind}/{.metadata.name} {.data}{"\n"}{end}' \
  secret/database-url secret/broker-url secret/media-url secret/smtp-url secret/jwt-secret \
  secret/basic-auth-user secret/basic-auth-password configmap/settings)
if [ -z "$data" ]; then
  echo "roll-out-secrets.sh: $namespace has no Secrets of Soundlift; deploy/secrets.sh prints them." >&2
  exit 1
fi
checksum=$(printf %s "$data" | sha256sum | cut -c -16)

workloads=$(kubectl get --namespace "$namespace" --output name deployments --selector 'faas_function'
  kubectl get --namespace "$namespace" --output name deployments --selector 'app.kubernetes.io/name=soundlift-connector'
  if kubectl api-resources --api-group serving.knative.dev --output name | grep -q '^services\.'; then
    kubectl get --namespace "$namespace" --output name services.serving.knative.dev
  fi)
if [ -z "$workloads" ]; then
  echo "roll-out-secrets.sh: $namespace has no functions and no connector; deploy them first." >&2
  exit 1
fi
for workload in $workloads; do
  kubectl patch --namespace "$namespace" "$workload" --type merge --patch \
    '{"spec":{"template":{"metadata":{"annotations":{"soundlift.dev/secrets":"'"$checksum"'"}}}}}'
done
