"""Traces of requests, deliveries and conversions, sent to an OpenTelemetry collector if one is configured."""
