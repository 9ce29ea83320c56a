#!/bin/sh
# Prints the Secrets of a deployment for `kubectl create -n NAMESPACE -f -`, which never overwrites existing ones.
#
#   DATABASE_URL=mysql://… BROKER_URL=amqp://… MEDIA_URL=mongodb://… SMTP_URL=smtp://… ADMIN_EMAIL=you@example.org \
#     deploy/secrets.sh | kubectl create -n openfaas-fn -f -
#
# JWT_SECRET and ADMIN_PASSWORD are random unless set. With GATEWAY_PASSWORD (and GATEWAY_USER; default: admin), it also
# prints the Secrets with which the connector logs in to OpenFaaS's gateway.
set -eu

random() { head -c 32 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }

secret() { # NAME VALUE
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\ndata:\n  %s: %s\n' "$1" "$1" \
    "$(printf %s "$2" | base64 | tr -d '\n')"
}

for name in DATABASE_URL BROKER_URL MEDIA_URL SMTP_URL ADMIN_EMAIL; do
  eval "value=\${$name:-}"
  if [ -z "$value" ]; then
    echo "secrets.sh: set $name; see the comment at the top of this file." >&2
    exit 1
  fi
done

secret database-url "$DATABASE_URL"
secret broker-url "$BROKER_URL"
secret media-url "$MEDIA_URL"
secret smtp-url "$SMTP_URL"
secret jwt-secret "${JWT_SECRET:-$(random)}"
secret admin-email "$ADMIN_EMAIL"
secret admin-password "${ADMIN_PASSWORD:-$(random)}"
if [ -n "${GATEWAY_PASSWORD:-}" ]; then
  secret basic-auth-user "${GATEWAY_USER:-admin}"
  secret basic-auth-password "$GATEWAY_PASSWORD"
fi
