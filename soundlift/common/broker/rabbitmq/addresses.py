"""Parses the broker's URLs and loads the files for TLS."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pika

from soundlift.common.errors import SettingError

HEARTBEAT_SECONDS = 30
CONNECT_SECONDS = 5

logging.getLogger("pika").setLevel(logging.CRITICAL)  # pika also raises the errors that it logs


@dataclass(frozen=True)
class TlsFiles:
    """The files for amqps:// URLs; an empty CA means the system's own."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


def read_addresses(urls: str, files: TlsFiles) -> Sequence[pika.URLParameters]:
    """Return the connection parameters of each of the comma-separated URLs.

    Raises SettingError if a URL is malformed or a TLS file cannot be read.
    """
    return [_read_address(url.strip(), files) for url in urls.split(",")]


def _read_address(url: str, files: TlsFiles) -> pika.URLParameters:
    parts = urlsplit(url)
    try:
        if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
            raise ValueError
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError):
        url_format = "amqp:// or amqps://USER:PASSWORD@HOST:PORT/VHOST"
        message = f"Setting BROKER_URL must be {url_format}, or several of these, separated by commas."
        raise SettingError(message, setting="BROKER_URL") from None
    if "heartbeat" not in parse_qs(parts.query):
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.socket_timeout = CONNECT_SECONDS
    parameters.stack_timeout = 2 * CONNECT_SECONDS
    if parts.scheme == "amqps":
        parameters.ssl_options = pika.SSLOptions(_tls_context(files), parts.hostname)
    return parameters


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca or None)
        if files.certificate:
            context.load_cert_chain(files.certificate, files.key or None)
    except OSError as error:
        message = f"Settings BROKER_CA_FILE, BROKER_CERT_FILE and BROKER_KEY_FILE: a file cannot be used: {error}."
        raise SettingError(message, setting="BROKER_CA_FILE") from None
    return context
