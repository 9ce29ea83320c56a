"""Reads every environment variable and secret once, into one frozen dataclass."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from platformdirs import user_data_path

from soundlift.common.errors import SettingError
from soundlift.common.options.values import BITRATE, LOUDNESS, QUALITY, SAMPLE_RATE

SHORTEST_SECRET = 32
SECRETS_FOLDER = "/var/openfaas/secrets"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container is reached from outside; `soundlift up` says 127.0.0.1


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _whole_or_zero(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("must be an http:// or https:// address")
    return text.rstrip("/")


def _addresses_by_topic(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    addresses = {topic.strip(): _web_address(address.strip()) for topic, _, address in pairs}
    if len(addresses) < len(pairs) or not all(addresses):
        raise ValueError("must be TOPIC=ADDRESS, several with commas between, each topic once")
    return tuple(addresses.items())


def _bitrate(text: str) -> str:
    if not text.endswith("k"):
        raise ValueError(f"must be {BITRATE.allowed} followed by k, such as 192k")
    BITRATE.read(text)
    return text


def _kilobits(text: str) -> int:
    return int(_bitrate(text).removesuffix("k"))


def _level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return text.lower()


def _queue_type(text: str) -> str:
    if text not in ("quorum", "classic"):
        raise ValueError("must be quorum or classic")
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _secret_bytes(text: str) -> str:
    if len(text.encode()) < SHORTEST_SECRET:
        raise ValueError(f"must be at least {SHORTEST_SECRET} bytes long")
    return text


def _setting(about: str, default: Any = None, parse: Callable[[str], Any] = str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"about": about, "parse": parse, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Holds what the environment says; a field NAME is read from the variable of the same name in capitals.

    Sizes are in bytes and times in seconds, unless the name says otherwise. A setting marked secret may also
    be a file NAME (with dashes) in the secrets folder, alone or in a folder of its own name.
    """

    soundlift_data: Path = _setting("Folder of the embedded database, queue, media and mail", None, Path)
    embedded: bool = _setting(
        "Use this machine's own database, queue and folder where no server is named: true or false; images say false",
        True,
        _yes_or_no,
    )
    secrets_folder: Path = _setting("Folder of secret files", Path(SECRETS_FOLDER), Path)
    database_url: str = _setting(
        "Users and jobs: sqlite:///FILE or mysql://USER:PASSWORD@HOST:PORT/DATABASE", None, secret=True
    )
    mysql_host: str = _setting("MySQL or MariaDB server, where DATABASE_URL is not set", "")
    mysql_port: int = _setting("Its port", 3306, _whole)
    mysql_user: str = _setting("Its user", "soundlift", secret=True)
    mysql_password: str = _setting("Its user's password", "", secret=True)
    mysql_db: str = _setting("Its database", "soundlift")
    mysql_ssl_ca: str = _setting("File of the CA that its certificate must be signed by; empty is not checked", "")
    mysql_ssl_cert: str = _setting("File of our own certificate for it, if it wants one", "")
    mysql_ssl_key: str = _setting("File of our own certificate's key", "")
    media_url: str = _setting(
        "Videos and MP3s: file:///FOLDER, mongodb://HOST or s3://ACCESS_KEY:SECRET_KEY@BUCKET?endpoint=URL",
        None,
        secret=True,
    )
    broker_url: str = _setting(
        "Events: sqlite:///FILE, or amqp:// or amqps://USER:PASSWORD@HOST:PORT/VHOST, several with commas between; "
        "to publish only, http://SINK",
        None,
        secret=True,
    )
    k_sink: str = _setting("Sink for events that Knative names, where BROKER_URL is not set", "")
    broker_ca_file: str = _setting("File of the CA that the certificate of an amqps:// broker must be signed by", "")
    broker_cert_file: str = _setting("File of our own certificate for the broker, if it wants one", "")
    broker_key_file: str = _setting("File of our own certificate's key", "")
    queue_type: str = _setting("Kind of RabbitMQ's queues: quorum or classic", "quorum", _queue_type)
    smtp_url: str = _setting(
        "Mail server: smtp:// (STARTTLS where offered) or smtps://, USER:PASSWORD@HOST:PORT",
        "smtp://127.0.0.1:8025",
        secret=True,
    )
    smtp_ca_file: str = _setting("File of the CA that the mail server's certificate must be signed by", "")
    jwt_secret: str = _setting("Key of all tokens, at least 32 bytes", "", _secret_bytes, secret=True)
    public_url: str = _setting(
        "Where clients reach the functions; links begin with it", "http://127.0.0.1:8080", _web_address
    )
    gateway_url: str = _setting(
        "Where the connector and cron reach the functions", "http://127.0.0.1:8080", _web_address
    )
    subscribers: tuple[tuple[str, str], ...] = _setting(
        "Functions by topic, where there is no gateway to list them: video=http://…,mp3=http://…",
        (),
        _addresses_by_topic,
    )
    basic_auth_user: str = _setting("User of the gateway, if it wants one", "", secret=True)
    basic_auth_password: str = _setting("Password of the gateway's user", "", secret=True)
    basic_auth_calls: bool = _setting(
        "Log in to the gateway to call a function, too, as the gateway of `up` requires: true or false; "
        "false for OpenFaaS, which would hand the password to the functions",
        False,
        _yes_or_no,
    )
    stack_file: Path = _setting("stack.yml that the local gateway serves", Path("stack.yml"), Path)
    mail_from: str = _setting("Sender of every mail", "soundlift@localhost")
    video_queue: str = _setting("Queue and topic of uploaded videos", "video")
    mp3_queue: str = _setting("Queue and topic of finished and failed jobs", "mp3")
    accept_bare_messages: bool = _setting(
        "Make jobs of other programs' bare messages {video_fid, username}: true or false", False, _yes_or_no
    )
    max_upload_bytes: int = _setting("Largest upload", 4 * 2**30, _whole)
    max_stored_bytes: int = _setting(
        "Videos and MP3s that one user may have stored; an upload beyond that is answered 429; 0 is no limit",
        20 * 2**30,
        _whole_or_zero,
    )
    max_jobs_in_flight: int = _setting(
        "Jobs of one user that may be received, wait and run at once; one more is answered 429; 0 is no limit",
        20,
        _whole_or_zero,
    )
    max_mp3_bytes: int = _setting(
        "Largest MP3, in bytes without its tag; one of exactly this size is made", 2 * 2**30, _whole
    )
    max_memory_bytes: int = _setting("Address space of one FFmpeg (Linux)", 2**30, _whole)
    max_conversion_seconds: int = _setting("Longest conversion, on the clock and on the processor", 540, _whole)
    drain_seconds: int = _setting("How long a conversion may go on after SIGTERM before it is handed back", 540, int)
    convert_concurrency: int = _setting("Conversions at once in one process", os.cpu_count() or 1, _whole)
    long_polls: int = _setting("Requests with ?wait= held at once in one process; more are answered at once", 8, _whole)
    host: str = _setting("Address that a function's server listens on", EVERYWHERE)
    port: int = _setting("Port that a function's server listens on", 8080, _whole)
    lifeline_fd: int | None = _setting("File descriptor at whose end of file a process stops itself", None, int)
    threads: int = _setting("Requests in work at once in one process; more are answered 429", 32, _whole)
    connections_per_address: int = _setting(
        "Connections of one client address at once, of those that reach a function without a proxy; 0 is no limit",
        0,
        _whole_or_zero,
    )
    connector_concurrency: int = _setting("Deliveries at once per queue and connector", os.cpu_count() or 1, _whole)
    connector_attempts: int = _setting("Deliveries of one event before it is a dead letter", 10, _whole)
    connector_port: int = _setting("Port of the connector's /healthz, /readyz and /metrics; 0 is none", 0, int)
    audio_bitrate: str = _setting(
        "Constant bit rate such as 192k where an upload asks for none; empty is variable", "", _bitrate
    )
    audio_quality: int = _setting("Quality of a variable bit rate, LAME's V0 (best) to V9", 2, QUALITY.read)
    audio_normalize: float | None = _setting(
        "Loudness in LUFS of jobs whose upload says nothing of it; empty leaves the sound as it is", None, LOUDNESS.read
    )
    audio_loudness: float = _setting(
        "Loudness in LUFS that normalize=true means: -16 as podcasts have it, where broadcasters have -23",
        -16.0,
        LOUDNESS.read,
    )
    max_audio_bitrate: int = _setting("Highest bit rate that an upload may ask for", 320, _kilobits)
    max_sample_rate: int = _setting("Highest sample rate that an upload may ask for, in Hz", 48000, SAMPLE_RATE.read)
    token_seconds: int = _setting("Life of a sign-in token", 24 * 3600, _whole)
    link_seconds: int = _setting("Life of the download link in a mail", 24 * 3600, _whole)
    retention_seconds: int = _setting("How long video and MP3 are kept after the job ended", 7 * 24 * 3600, _whole)
    row_retention_seconds: int = _setting("How long an expired job stays in the list", 30 * 24 * 3600, _whole)
    log_level: str = _setting("Least urgent log to write: debug, info, warning or error", "info", _level)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read all settings, filling the embedded defaults in.

        Raises SettingError naming the first variable that is malformed.
        """
        folder = Path(environ.get("SECRETS_FOLDER", SECRETS_FOLDER))
        values = {}
        for item in fields(cls):
            name = item.name.upper()
            text = _given(environ, name) or (_secret_file(folder, name) if item.metadata["secret"] else None)
            if text is not None:
                values[item.name] = _parse(name, text, item.metadata["parse"], secret=item.metadata["secret"])
        data = values.setdefault("soundlift_data", user_data_path("soundlift", appauthor=False))
        embedded = values.get("embedded", True)
        own = {
            "database_url": f"sqlite:///{data}/soundlift.db",
            "broker_url": f"sqlite:///{data}/queue.db",
            "media_url": (data / "media").absolute().as_uri(),
        }
        named = {"database_url": _mysql_url(cls(**values)), "broker_url": values.get("k_sink")}
        for name, url in own.items():
            values.setdefault(name, named.get(name) or (url if embedded else ""))
        return cls(**values)


def _given(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable, unless it is Kubernetes': for a Service called mysql, it sets MYSQL_PORT=tcp://ADDRESS."""
    text = environ.get(name)
    return None if text and name.endswith("_PORT") and text.startswith("tcp://") else text


def _mysql_url(settings: Settings) -> str:
    """Return the URL that the MYSQL_ settings amount to, or nothing without a host."""
    if not settings.mysql_host:
        return ""
    user, password, database = (
        quote(text, safe="") for text in (settings.mysql_user, settings.mysql_password, settings.mysql_db)
    )
    files = {"ssl_ca": settings.mysql_ssl_ca, "ssl_cert": settings.mysql_ssl_cert, "ssl_key": settings.mysql_ssl_key}
    query = urlencode({name: file for name, file in files.items() if file})
    return f"mysql://{user}:{password}@{settings.mysql_host}:{settings.mysql_port}/{database}{query and '?' + query}"


def _parse(name: str, text: str, parse: Callable[[str], Any], *, secret: bool = False) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        shown = "its value" if secret else repr(text)
        raise SettingError(f"Setting {name}: {shown} is not usable: {error}.", setting=name) from None


def _secret_file(folder: Path, name: str) -> str | None:
    """Return a secret as OpenFaaS mounts it, FOLDER/NAME, or as faas-cli does on Knative, FOLDER/NAME/NAME."""
    file_name = name.lower().replace("_", "-")
    for path in (folder / file_name, folder / file_name / file_name):
        if path.is_file():
            return path.read_text().strip()
    return None
