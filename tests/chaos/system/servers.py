"""The servers of a run, each behind a proxy, and the settings with which processes reach them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devservers.forwarder import Forwarder
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb, running_mariadb
from devservers.mongodb import MongoDb, running_mongodb
from devservers.rabbitmq import RabbitMq, running_rabbitmq
from devservers.s3 import S3, running_s3
from tests.chaos.system.machine import Clock, Hosts

DATABASE, BROKER, STORE, MAIL = "database", "broker", "store", "mail"
MONGODB_OPTIONS = "connectTimeoutMS=5000&serverSelectionTimeoutMS=10000&socketTimeoutMS=20000"
# A user without the right to write while the server is read-only. TLS would hide the COMMIT whose answer gets lost.
USER = "soundlift:chaos"
STATEMENTS = ("CREATE USER soundlift@'%' IDENTIFIED BY 'chaos'", "GRANT ALL ON {}.* TO soundlift@'%'")


@dataclass(frozen=True)
class Servers:
    """Running servers; `settings` go through the proxies, `direct` do not."""

    database: MariaDb
    broker: RabbitMq
    store: MongoDb | S3 | None
    mail: MailServer
    hosts: Hosts
    clock: Clock
    proxies: dict[str, Forwarder]
    settings: dict[str, str]
    direct: dict[str, str]


@contextmanager
def running_servers(folder: Path, store: str) -> Iterator[Servers]:
    """Run all servers in a folder, with `store` (gridfs, s3 or folder) for the media; raises NotInstalled."""
    folder.mkdir(parents=True)
    hosts = Hosts(folder, [f"{name}-host" for name in (DATABASE, BROKER, STORE, MAIL)])
    with ExitStack() as running:
        clock = running.enter_context(Clock(folder))
        places = {name: folder / name for name in (DATABASE, BROKER, STORE)}
        for place in places.values():
            place.mkdir()
        database = running.enter_context(
            running_mariadb(places[DATABASE], extra_options=["--skip-ssl"], environment=clock.environment)
        )
        broker = running.enter_context(running_rabbitmq(places[BROKER]))
        media = running.enter_context(_running_store(places[STORE], store))
        mail = running.enter_context(MailServer())
        name = database.new_database()
        database.execute(*(statement.format(name) for statement in STATEMENTS))
        direct = {
            "DATABASE_URL": f"mysql://{USER}@127.0.0.1:{database.port}/{name}",
            "BROKER_URL": broker.new_virtual_host(),
            "MEDIA_URL": _media_url(media, places[STORE]),
            "SMTP_URL": mail.url,
        }
        ports = {DATABASE: database.port, BROKER: broker.port, MAIL: int(mail.address.rpartition(":")[2])}
        if media is not None:
            ports[STORE] = media.port
        proxies = {name: running.enter_context(Forwarder(port)) for name, port in ports.items()}
        settings = dict(direct)
        for (setting, url), server in zip(direct.items(), (DATABASE, BROKER, STORE, MAIL), strict=True):
            if server in proxies:
                through = f"{hosts.of(f'{server}-host')}:{proxies[server].port}"
                settings[setting] = url.replace(f"127.0.0.1:{ports[server]}", through)
        yield Servers(database, broker, media, mail, hosts, clock, proxies, settings, direct)


@contextmanager
def _running_store(folder: Path, store: str) -> Iterator[MongoDb | S3 | None]:
    match store:
        case "gridfs":
            with running_mongodb(folder) as mongodb:
                yield mongodb
        case "s3":
            with running_s3(folder) as s3:
                yield s3
        case "folder":
            yield None
        case _:
            raise ValueError(f"STORE is gridfs, s3 or folder, not {store!r}.")


def _media_url(store: MongoDb | S3 | None, folder: Path) -> str:
    match store:
        case MongoDb():
            return f"{store.url}?{MONGODB_OPTIONS}"
        case S3():
            return f"{store.url()}&timeout=10"
        case _:
            return (folder / "media").as_uri()
