"""Imports what traces need, so that an image built with TRACES=true contains it compiled, or is not built."""

import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401 - only the import matters

import soundlift.common.tracing.recorder  # noqa: F401 - as above
