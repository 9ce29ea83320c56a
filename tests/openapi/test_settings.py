"""The OpenAPI document names every setting that clients of the API can notice, and no setting that does not exist."""

from __future__ import annotations

import re
from dataclasses import fields

from functions.web.api_files import API_FOLDER, DOCUMENT
from soundlift.common.settings import Settings

SETTINGS = {field.name.upper() for field in fields(Settings)}
DESCRIBED = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|THREADS)`", (API_FOLDER / DOCUMENT).read_text()))
PLACES_AND_SECRETS = {  # where the parts of a deployment are, and how they trust each other
    *("SOUNDLIFT_DATA", "EMBEDDED", "SECRETS_FOLDER", "DATABASE_URL", "MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER"),
    *("MYSQL_PASSWORD", "MYSQL_DB", "MYSQL_SSL_CA", "MYSQL_SSL_CERT", "MYSQL_SSL_KEY", "MEDIA_URL", "BROKER_URL"),
    *("K_SINK", "BROKER_CA_FILE", "BROKER_CERT_FILE", "BROKER_KEY_FILE", "QUEUE_TYPE", "SMTP_URL", "SMTP_CA_FILE"),
    *("JWT_SECRET", "GATEWAY_URL", "SUBSCRIBERS", "EXTRA_SUBSCRIBERS", "BASIC_AUTH_USER", "BASIC_AUTH_PASSWORD"),
    *(
        "BASIC_AUTH_CALLS",
        "STACK_FILE",
        "MAIL_FROM",
        "VIDEO_QUEUE",
        "IMPORT_QUEUE",
        "MP3_QUEUE",
        "HOST",
        "PORT",
        "LIFELINE_FD",
    ),
    *("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_CA_FILE"),
    "OUTBOUND_CA_FILE",
    *("CONNECTOR_PORT", "METRICS_PORT", "LOG_LEVEL", "TRUSTED_PROXIES", "PASSWORD_MEMORY_KIB", "PASSWORD_PASSES"),
}
PROCESSING = {  # how conversions and deliveries are run; clients see their outcome in the job
    *("MAX_AUDIO_BYTES", "MAX_MEMORY_BYTES", "MAX_CONVERSION_SECONDS", "DRAIN_SECONDS", "CONVERT_CONCURRENCY"),
    *("IMPORT_SECONDS", "IMPORT_LEAST_RATE", "IMPORT_CONCURRENCY"),
    *("WEBHOOK_CONCURRENCY", "CONNECTOR_CONCURRENCY", "CONNECTOR_ATTEMPTS", "SANDBOX"),
}
TRACES = {  # what operators see
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER"),
    "OTEL_TRACES_SAMPLER_ARG",
}


def test_every_setting_is_either_described_or_not_visible_to_clients() -> None:
    assert DESCRIBED | PLACES_AND_SECRETS | PROCESSING | TRACES == SETTINGS
    assert not DESCRIBED & (PLACES_AND_SECRETS | PROCESSING | TRACES)
