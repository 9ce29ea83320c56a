#!/bin/sh
# Replaces the pods of all functions and of the connector if any Secret or setting has changed since the last run. Pods
# read both only once, when they start.
#
#   deploy/roll-out-secrets.sh NAMESPACE
#
# The script writes a checksum of all Secrets and settings to each pod template. If the checksum has not changed, no pod
# is replaced. The first run, and on OpenFaaS the first run after `faas-cli deploy`, always replaces the pods. Other
# functions in the namespace are not affected.
set -eu

if [ $# != 1 ]; then
  echo "roll-out-secrets.sh: the namespace of the functions is missing, such as soundlift or openfaas-fn." >&2
  exit 1
fi
namespace=$1

if command -v sha256sum >/dev/null; then
  sha256='sha256sum'
elif command -v shasum >/dev/null; then # macOS
  sha256='shasum -a 256'
else
  echo "roll-out-secrets.sh: neither sha256sum nor shasum was found; install GNU coreutils or Perl." >&2
  exit 1
fi

data=$(kubectl get --namespace "$namespace" --ignore-not-found \
  --output jsonpath='{range .items[*]}{.kind}/{.metadata.name} {.data}{"\n"}{end}' \
  secret/database-url secret/broker-url secret/media-url secret/smtp-url secret/jwt-secret \
  secret/basic-auth-user secret/basic-auth-password configmap/settings)
if [ -z "$data" ]; then
  echo "roll-out-secrets.sh: $namespace has no Secrets of Soundlift; deploy/secrets.sh prints them." >&2
  exit 1
fi
checksum=$(printf %s "$data" | $sha256 | cut -c -16)
if [ ${#checksum} != 16 ]; then
  echo "roll-out-secrets.sh: $sha256 has not printed a checksum; see its error message, and try again." >&2
  exit 1
fi

workloads=$(kubectl get --namespace "$namespace" --output name deployments \
    --selector 'faas_function in (login,validate,upload,download,jobs,hooks,web,fetch,convert,notify,webhook,cleanup)'
  kubectl get --namespace "$namespace" --output name deployments --selector 'app.kubernetes.io/name=soundlift-connector'
  if kubectl api-resources --api-group serving.knative.dev --output name | grep -q '^services\.'; then
    kubectl get --namespace "$namespace" --output name services.serving.knative.dev \
      --selector 'app.kubernetes.io/part-of=soundlift'
  fi)
if [ -z "$workloads" ]; then
  echo "roll-out-secrets.sh: $namespace has no functions and no connector; deploy them first." >&2
  exit 1
fi
for workload in $workloads; do
  kubectl patch --namespace "$namespace" "$workload" --type merge --patch \
    '{"spec":{"template":{"metadata":{"annotations":{"soundlift.dev/secrets":"'"$checksum"'"}}}}}'
done
