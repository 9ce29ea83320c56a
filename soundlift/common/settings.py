"""The settings of every process, read from environment variables and secret files into one frozen dataclass.

pydantic-settings is not used because a start would take 0.27 s longer, of the 0.6 s within which a function must send
its first response, and each image would grow by 12 MB. The median of 20 starts was 0.38 s with 60 such fields in
pydantic-settings 2.16, and 0.11 s with this module: `python -c "import pydantic_settings"`, which takes most of that
time, against `python -c "from soundlift.common.settings import Settings; Settings.from_environment()"`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from platformdirs import user_data_path

from soundlift.common.errors import SettingError
from soundlift.common.options.values import LOUDNESS, QUALITY, SAMPLE_RATE
from soundlift.common.outbound.policy import Destination, destinations, ports
from soundlift.common.setting_types import (
    SAMPLERS,
    addresses_by_queue,
    between,
    bitrate,
    boolean,
    collector_address,
    collector_headers,
    domains,
    functions_by_topic,
    internal_setting,
    issuer,
    kilobits,
    level_name,
    networks,
    not_negative,
    optional_web_address,
    origins,
    positive,
    queue_kind,
    sampler,
    sandbox_mode,
    setting,
    share,
    signing_keys,
    web_address,
)

SECRETS_FOLDER = "/var/openfaas/secrets"
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - a container is reached from outside; `soundlift up` sets 127.0.0.1
LOOPBACK = "127.0.0.1,::1"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings; each field is read from the environment variable of the same name in upper case.

    Sizes are in bytes and times in seconds, unless the name says otherwise. A secret may also be a file in the secrets
    folder, named in lower case with dashes, either directly or in a folder of the same name.
    """

    soundlift_data: Path = setting("Folder of the embedded database, queue, media and mail", None, Path)
    embedded: bool = setting(
        "Use an embedded database, queue and media folder if no server is set: true or false; false in images",
        True,
        boolean,
    )
    secrets_folder: Path = setting("Folder with secret files", Path(SECRETS_FOLDER), Path)
    database_url: str = setting(
        "Users and jobs: sqlite:///FILE, or mysql:// or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        None,
        secret=True,
    )
    mysql_host: str = setting("MySQL or MariaDB server, used if DATABASE_URL is not set", "")
    mysql_port: int = setting("Port of the MySQL server", 3306, positive)
    mysql_user: str = setting("User of the MySQL server", "soundlift", secret=True)
    mysql_password: str = setting("Password of the MySQL user", "", secret=True)
    mysql_db: str = setting("Database on the MySQL server", "soundlift")
    mysql_ssl_ca: str = setting(
        "File with the CA of the MySQL server's certificate; if empty, the certificate is not verified", ""
    )
    mysql_ssl_cert: str = setting("File with the client certificate, if the MySQL server requires one", "")
    mysql_ssl_key: str = setting("File with the private key of the client certificate", "")
    media_url: str = setting(
        "Videos and audio files: file:///FOLDER, mongodb://HOST or s3://ACCESS_KEY:SECRET_KEY@BUCKET?endpoint=URL",
        None,
        secret=True,
    )
    media_endpoint: str = setting(
        "Address of the S3 server for clients, who send videos and get audio files there directly; if empty, that of "
        "MEDIA_URL",
        "",
        optional_web_address,
    )
    direct_uploads: bool = setting("Let clients send videos directly to a store in S3: true or false", True, boolean)
    download_redirect: bool = setting(
        "Answer downloads with a redirect to a store in S3: true or false", False, boolean
    )
    broker_url: str = setting(
        "Events: sqlite:///FILE, or one or more of amqp:// or amqps://USER:PASSWORD@HOST:PORT/VHOST, "
        "separated by commas; http://SINK only publishes",
        None,
        secret=True,
    )
    k_sink: str = setting("Sink for events that Knative sets, used if BROKER_URL is not set", "")
    broker_ca_file: str = setting("File with the CA of the certificate of an amqps:// broker", "")
    broker_cert_file: str = setting("File with the client certificate, if the broker requires one", "")
    broker_key_file: str = setting("File with the private key of the client certificate", "")
    queue_type: str = setting("Type of RabbitMQ's queues: quorum or classic", "quorum", queue_kind)
    smtp_url: str = setting(
        "Mail server: smtp:// (with STARTTLS if offered) or smtps://, USER:PASSWORD@HOST:PORT",
        "smtp://127.0.0.1:8025",
        secret=True,
    )
    smtp_ca_file: str = setting("File with the CA of the mail server's certificate", "")
    jwt_secret: tuple[str, ...] = setting(
        "Key that signs all tokens, at least 32 bytes; or several, one per line, of which the first signs",
        (),
        signing_keys,
        secret=True,
    )
    public_url: str = setting(
        "Address at which clients reach the functions; links begin with it", "http://127.0.0.1:8080", web_address
    )
    cors_origins: tuple[str, ...] = setting(
        "Origins whose pages may call the functions, such as https://app.example.org, separated by commas, or * for "
        "all; if empty, only PUBLIC_URL's own",
        (),
        origins,
    )
    gateway_url: str = setting(
        "Address at which the connector and cron reach the functions", "http://127.0.0.1:8080", web_address
    )
    subscribers: tuple[tuple[str, str], ...] = setting(
        "Functions by queue, if no gateway lists them: video=http://…,mp3=http://…",
        (),
        addresses_by_queue,
    )
    extra_subscribers: tuple[tuple[str, str], ...] = setting(
        "Additional functions that subscribe to a topic, each through a queue with the function's name: mp3=FUNCTION,…",
        (),
        functions_by_topic,
    )
    basic_auth_user: str = setting("User of the gateway, if it requires one", "", secret=True)
    basic_auth_password: str = setting("Password of the gateway's user", "", secret=True)
    basic_auth_calls: bool = setting(
        "Log in to the gateway to call functions too, as the gateway of `up` requires: true or false; "
        "false for OpenFaaS, which would pass the password to the functions",
        False,
        boolean,
    )
    stack_file: Path = setting("File that lists the functions of the local gateway", Path("stack.yml"), Path)
    mail_from: str = setting("Sender of every mail", "soundlift@localhost")
    video_queue: str = setting("Topic of uploaded videos, and convert's queue", "video")
    import_queue: str = setting("Topic of requested imports, and fetch's queue", "import")
    mp3_queue: str = setting("Topic of finished and failed jobs, and notify's queue", "mp3")
    accept_bare_messages: bool = setting(
        "Create jobs from other programs' bare messages {video_fid, username}: true or false", False, boolean
    )
    max_upload_bytes: int = setting("Maximum size of an upload", 4 * 2**30, positive)
    upload_seconds: int = setting("Maximum time of an upload, however fast it is", 12 * 3600, positive)
    # A delivery may take ten minutes: docs/connector.md.
    import_seconds: int = setting("Maximum time of one attempt to import a file from a URL", 540, positive)
    import_least_rate: int = setting(
        "Minimum rate of an import in bytes per second, on average over each 30 seconds", 10_000, positive
    )
    import_concurrency: int = setting("Maximum number of concurrent imports of one user", 3, positive)
    resume_seconds: int = setting(
        "How long a resumable upload is kept after the last bytes that arrived, at least 1800",
        24 * 3600,
        between(1800, 366 * 24 * 3600),
    )
    max_unfinished_uploads: int = setting(
        "Maximum number of unfinished resumable uploads of one user; further ones get a 429; 0 means no limit",
        10,
        not_negative,
    )
    max_stored_bytes: int = setting(
        "Maximum size of the stored videos and audio files of one user; further uploads get a 429; 0 means no limit",
        20 * 2**30,
        not_negative,
    )
    max_jobs_in_flight: int = setting(
        "Maximum number of unfinished jobs of one user; further uploads get a 429; 0 means no limit",
        20,
        not_negative,
    )
    max_uploads_per_hour: int = setting(
        "Maximum number of uploads of one user in an hour; further ones get a 429; 0 means no limit", 0, not_negative
    )
    max_minutes_per_day: int = setting(
        "Maximum length of the sound of one user that is converted in 24 hours, in minutes; 0 means no limit",
        0,
        not_negative,
    )
    max_webhooks: int = setting("Maximum number of webhooks of one user; 0 means that there are none", 10, not_negative)
    webhook_concurrency: int = setting(
        "Maximum number of concurrent deliveries to the webhooks of one user", 2, positive
    )
    # Jobs that have waited for a day are given up: in this time, one conversion after the other, each of 8.6 seconds,
    # ends 10,000 of them.
    max_waiting_jobs: int = setting(
        "Maximum number of jobs of all users that wait for conversion; further uploads get a 503; 0 means no limit",
        10_000,
        not_negative,
    )
    max_audio_bytes: int = setting("Maximum size of an audio file without its tags", 2 * 2**30, positive)
    max_memory_bytes: int = setting("Maximum address space of one FFmpeg process (Linux)", 2**30, positive)
    sandbox: str = setting(
        "Confinement of FFmpeg (Linux): auto if the system supports it, required to refuse to start otherwise, or off",
        "auto",
        sandbox_mode,
    )
    max_conversion_seconds: int = setting("Maximum time of a conversion, and maximum processor time", 540, positive)
    drain_seconds: int = setting(
        "How long a conversion may continue after SIGTERM before its job is released", 540, int
    )
    convert_concurrency: int = setting(
        "Maximum number of concurrent conversions per process",
        os.cpu_count() or 1,
        positive,
    )
    long_polls: int = setting(
        "Maximum number of concurrent requests with ?wait= and streams of /jobs/events per process; further ones "
        "return immediately",
        8,
        positive,
    )
    host: str = setting("Address on which a function listens", ALL_ADDRESSES)
    port: int = setting("Port on which a function listens", 8080, positive)
    lifeline_fd: int | None = internal_setting(
        "Read end of a pipe from the supervisor; the process stops when it is closed", None, int
    )
    threads: int = setting("Maximum number of concurrent requests per process; further ones get a 429", 32, positive)
    sign_in_failures: int = setting(
        "Failed sign-ins of one account before each further one locks it for a while; 0 means no limit",
        10,
        not_negative,
    )
    sign_in_failures_per_network: int = setting(
        "Failed sign-ins from one network (a /24 of IPv4, a /64 of IPv6) before each further one locks it for a while; "
        "0 means no limit",
        100,
        not_negative,
    )
    password_memory_kib: int = setting(
        "Memory of one Argon2id hash in KiB, at least 7168; existing hashes are replaced at the next sign-in",
        19 * 1024,
        between(7 * 1024, 256 * 1024),
    )
    password_passes: int = setting("Passes of one Argon2id hash over its memory", 2, between(1, 16))
    connections_per_address: int = setting(
        "Maximum number of concurrent connections of one client address without a trusted proxy; 0 means no limit",
        0,
        not_negative,
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        "Addresses and networks of the proxies whose X-Forwarded-For names the client, separated by commas; * for all",
        networks(LOOPBACK),
        networks,
    )
    connector_concurrency: int = setting(
        "Maximum number of concurrent deliveries per queue and connector",
        os.cpu_count() or 1,
        positive,
    )
    connector_attempts: int = setting("Deliveries of one event before it becomes a dead letter", 10, positive)
    connector_port: int = setting("Port of the connector's /healthz, /readyz and /metrics; 0 disables them", 0, int)
    metrics_port: int = setting(
        "Port on which a function, or the gateway of `up`, serves /metrics for Prometheus; 0 disables it",
        0,
        between(0, 65535),
    )
    audio_bitrate: str = setting(
        "Constant bit rate of MP3, such as 192k, for uploads that request none; if empty, variable", "", bitrate
    )
    audio_quality: int = setting("Quality of MP3 at a variable bit rate, from LAME's V0 (best) to V9", 2, QUALITY.read)
    audio_normalize: float | None = setting(
        "Loudness in LUFS for uploads that request none; if empty, the loudness is not changed", None, LOUDNESS.read
    )
    audio_loudness: float = setting(
        "Loudness in LUFS of normalize=true; podcasts use -16, broadcasters -23",
        -16.0,
        LOUDNESS.read,
    )
    max_audio_bitrate: int = setting("Maximum bit rate that an upload may request", 320, kilobits)
    max_sample_rate: int = setting("Maximum sample rate that an upload may request, in Hz", 48000, SAMPLE_RATE.read)
    token_seconds: int = setting("Lifetime of an access token, which signs a user in", 3600, positive)
    refresh_seconds: int = setting("How long a session lasts after its last use", 30 * 24 * 3600, positive)
    link_seconds: int = setting(
        "Lifetime of a signed download link, in an email or copied from the page", 24 * 3600, positive
    )
    sign_up: bool = setting("Let people create accounts with their email address: true or false", False, boolean)
    sign_up_domains: tuple[str, ...] = setting(
        "Domains whose addresses may sign up, also with a provider, separated by commas; if empty, all", (), domains
    )
    sign_up_link_seconds: int = setting("Lifetime of the link in the email of a sign-up", 24 * 3600, positive)
    password_reset: bool = setting(
        "Let users choose a new password with a link in an email: true or false", False, boolean
    )
    account_emails: int = setting(
        "Emails about a new account, and as many about a new password, to one address, before each further one has to "
        "wait for one to six hours; 0 means no limit",
        5,
        not_negative,
    )
    account_emails_per_network: int = setting(
        "The same for the requests from one network, a /24 of IPv4 or a /64 of IPv6, which have to wait for a minute "
        "to an hour; 0 means no limit",
        30,
        not_negative,
    )
    oidc_issuer: str = setting(
        "Address of an OpenID Connect provider at which people sign in on the page, exactly as it names itself; "
        "if empty, only passwords are used",
        "",
        issuer,
    )
    oidc_client_id: str = setting("Name of this deployment at the provider", "")
    oidc_client_secret: str = setting("Secret of this deployment, if the provider requires one", "", secret=True)
    oidc_name: str = setting("Name of the provider on the page; if empty, its host", "")
    oidc_sign_up: bool = setting(
        "Create an account when somebody with a verified address first signs in with the provider: true or false",
        False,
        boolean,
    )
    oidc_ca_file: str = setting("File with the CA of the provider's certificate", "")
    reset_link_seconds: int = setting("Lifetime of the link in the email of a password reset", 3600, positive)
    retention_seconds: int = setting(
        "How long the video and the audio file of an ended job are kept", 7 * 24 * 3600, positive
    )
    row_retention_seconds: int = setting("How long an expired job is listed", 30 * 24 * 3600, positive)
    outbound_allow: tuple[Destination, ...] = setting(
        "Hosts, addresses and networks that imports and webhooks may reach besides public addresses, separated by "
        "commas, such as files.example.org,10.1.0.0/16",
        (),
        destinations,
    )
    outbound_ports: tuple[int, ...] = setting(
        "Ports that imports and webhooks may reach, separated by commas, or * for all", ports("80,443"), ports
    )
    outbound_ca_file: str = setting(
        "File with further authorities for the certificates of servers that imports and webhooks reach", ""
    )
    otel_exporter_otlp_endpoint: str = setting(
        "Address of an OpenTelemetry collector for traces, such as http://collector:4318; if empty, none are recorded",
        "",
        collector_address,
    )
    otel_exporter_otlp_headers: tuple[tuple[str, str], ...] = setting(
        "Headers for the collector, such as a token: NAME=VALUE,…, percent-encoded", (), collector_headers, secret=True
    )
    otel_service_name: str = setting(
        "Name of the service in traces; if empty, soundlift- and the name of the function or `connector`", ""
    )
    otel_traces_sampler: str = setting(
        f"Which traces are recorded: {', '.join(SAMPLERS)}", "parentbased_always_on", sampler
    )
    otel_traces_sampler_arg: float = setting("Share of traces that traceidratio records, from 0 to 1", 1.0, share)
    log_level: str = setting("Minimum log level: debug, info, warning or error", "info", level_name)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Return all settings, with the embedded defaults for those that are not set.

        Raises SettingError, which names the first malformed variable.
        """
        settings, errors = cls.read(environ)
        if errors:
            raise errors[0]
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Settings, list[SettingError]]:
        """Return all settings, and an error for each malformed variable, which has its default instead."""
        folder = Path(environ.get("SECRETS_FOLDER", SECRETS_FOLDER))
        values, errors = {}, []
        for item in fields(cls):
            name, is_secret = item.name.upper(), item.metadata["secret"]
            try:
                text = _variable(environ, name) or (_secret_file(folder, name) if is_secret else None)
                if text is not None:
                    values[item.name] = _parse(name, text, item.metadata["parse"], secret=is_secret)
            except SettingError as error:
                errors.append(error)
        return cls(**_with_urls(cls, values)), errors


def _with_urls(cls: type[Settings], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with the addresses of the embedded services, or of those that other settings describe."""
    data = values.setdefault("soundlift_data", user_data_path("soundlift", appauthor=False))
    embedded = values.get("embedded", True)
    embedded_urls = {
        "database_url": f"sqlite:///{data}/soundlift.db",
        "broker_url": f"sqlite:///{data}/queue.db",
        "media_url": (data / "media").absolute().as_uri(),
    }
    server_urls = {"database_url": _mysql_url(cls(**values)), "broker_url": values.get("k_sink")}
    for name, url in embedded_urls.items():
        values.setdefault(name, server_urls.get(name) or (url if embedded else ""))
    return values


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable, unless Kubernetes set it: a Service named mysql defines MYSQL_PORT=tcp://ADDRESS."""
    text = environ.get(name)
    return None if text and name.endswith("_PORT") and text.startswith("tcp://") else text


def _mysql_url(settings: Settings) -> str:
    """Return the URL for the MYSQL_ settings, empty without a host."""
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
    """Return a secret file's text: FOLDER/NAME on OpenFaaS, or FOLDER/NAME/NAME as faas-cli mounts it on Knative."""
    file_name = name.lower().replace("_", "-")
    for path in (folder / file_name, folder / file_name / file_name):
        try:
            if path.is_file():
                return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            message = f"Setting {name}: the secret file {path} cannot be read: {cause}."
            raise SettingError(message, setting=name) from None
    return None
