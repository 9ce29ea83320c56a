"""The accounts and the job that the examples of the OpenAPI document name, and the users that Schemathesis acts as."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import Purpose
from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.auth.scopes import Scope
from soundlift.common.db.clock import now
from soundlift.common.db.tables import (
    api_keys,
    jobs,
    password_links,
    resumable_uploads,
    sessions,
    webhook_deliveries,
    webhooks,
)
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.upload_keys import UploadKey, insert_key
from soundlift.common.services import Services
from tests.factories.api_keys import new_key
from tests.factories.jobs import failed_job, ready_job
from tests.factories.media import store
from tests.factories.resumable_uploads import begun_upload
from tests.factories.webhooks import endpoint
from tests.fuzz.direct_store import add_direct_uploads
from tests.openapi.document import read_document

PEERS = {"you": "you@example.org", "bob": "bob@fuzz.example.org"}  # must never see each other's jobs
ADMIN = "admin@fuzz.example.org"
NEW = "new@fuzz.example.org"  # signs up
READY, OTHER_READY = "66e7c99ee44ca06f4f48bf61", "66e7c9a2e44ca06f4f48bf75"
SESSION_SECONDS = 24 * 3600


def example(name: str) -> Any:
    return read_document().root["components"]["examples"][name]["value"]


def add_examples(services: Services) -> None:
    """Add what the examples refer to, so that they are valid requests."""
    hashed = services.passwords.hash("correct horse battery")
    for email in PEERS.values():
        services.users.add(email, hashed)
    services.users.add(ADMIN, hashed, admin=True)
    mp3_id = example("readyJob")["mp3_fid"]
    store(services.mp3s, mp3_id, b"mp3")
    _rename(services, ready_job(services, email=PEERS["you"]), READY, mp3_fid=mp3_id, waveform=bytes(10))
    _rename(services, ready_job(services, email=PEERS["you"]), OTHER_READY)
    key = read_document().root["components"]["parameters"]["UploadKey"]["example"].strip('"')
    upload_key = UploadKey(PEERS["you"], key, fingerprint="that of another upload")
    services.database.transact(lambda connection: insert_key(connection, upload_key, OTHER_READY))
    _rename(services, failed_job(services, email=PEERS["you"]), example("failedJob")["job_id"])
    add_direct_uploads(services, PEERS["you"])
    token = RefreshToken.parse(example("accessOfProgram")["refresh_token"])
    assert token is not None
    values = {"id": token.id, "username": PEERS["you"], "token_hash": token.hash}
    services.database.change(sa.insert(sessions).values(**values, created_at=now(), expires_at=now() + SESSION_SECONDS))
    _add_password_link(services)
    _add_resumable_upload(services)
    _add_webhook(services)
    services.database.change(sa.insert(api_keys).values(**_key_values(ApiKey(example("newKey")["key"])), id=_key_id()))


def _key_values(key: ApiKey) -> dict[str, Any]:
    """Return what a row has about a key of `you` with all scopes of ordinary users."""
    scopes = " ".join(scope for scope in Scope if scope != Scope.ADMIN)
    values = {"username": PEERS["you"], "name": "example", "scopes": scopes, "created_at": now()}
    return {**values, "start": key.start, "key_hash": key.hash}


def _key_id() -> str:
    """Return the id in the example of revoking a key."""
    (parameter,) = read_document().root["paths"]["/login/keys/{key_id}"]["delete"]["parameters"]
    return str(parameter["example"])


def _add_password_link(services: Services) -> None:
    """Add the link of a sign-up that the examples of its routes name."""
    body = read_document().root["paths"]["/login/link"]["post"]["requestBody"]["content"]["application/json"]
    token = OpaqueToken.parse(body["examples"]["link"]["value"]["token"])
    assert token is not None
    values = {"id": token.id, "token_hash": token.hash, "email": NEW, "purpose": Purpose.SIGN_UP}
    times = {name: now() + SESSION_SECONDS for name in ("token_expires_at", "delete_after")}
    services.database.change(sa.insert(password_links).values(**values, **times, created_at=now()))


def _add_resumable_upload(services: Services) -> None:
    """Begin the upload in parts that the examples continue."""
    job = begun_upload(services, PEERS["you"])
    upload_id = read_document().root["components"]["parameters"]["UploadId"]["example"]
    _rename(services, job, upload_id)
    change = sa.update(resumable_uploads).where(resumable_uploads.c.id == job.id)
    services.database.change(change.values(id=upload_id, length=None))


def _add_webhook(services: Services) -> None:
    """Add the webhook that the examples name, with a delivery that was given up."""
    api = read_document().root
    webhook_id = api["components"]["parameters"]["WebhookId"]["example"]
    parameters = api["paths"]["/hooks/{webhook_id}/deliveries/{delivery_id}/replay"]["parameters"]
    (delivery_id,) = (each["example"] for each in parameters if each.get("name") == "delivery_id")
    added = endpoint(services, email=PEERS["you"])
    services.database.change(sa.update(webhooks).where(webhooks.c.id == added.id).values(id=webhook_id))
    values = {"id": delivery_id, "webhook": webhook_id, "username": PEERS["you"], "job": READY, "type": "job.ready"}
    row = sa.insert(webhook_deliveries).values(**values, created_at=now(), attempts=10, last_error="no answer")
    services.database.change(row)


def _rename(services: Services, job: Job, new_id: str, **values: Any) -> None:
    services.database.change(sa.update(jobs).where(jobs.c.id == job.id).values(id=new_id, **values))


def write_users(services: Services, file: Path, *, gateway_login: str, gateway_first: bool = False) -> None:
    """Write the users in the format of Web Fuzzing Commons, in the order in which each operation tries them."""
    bearers = {
        **{name: services.tokens.sign_in(email, admin=False) for name, email in PEERS.items()},
        "admin": services.tokens.sign_in(ADMIN, admin=True),
        "key": new_key(services, email=PEERS["you"]).text,
    }
    credentials = {name: f"Bearer {token}" for name, token in bearers.items()}
    gateway = {"gateway": f"Basic {b64encode(gateway_login.encode()).decode()}"}
    credentials = {**gateway, **credentials} if gateway_first else {**credentials, **gateway}
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": value}]}
        for name, value in credentials.items()
    ]
    file.write_text(json.dumps({"schemaVersion": "0.3.0", "auth": users}))
