"""webhook: signed messages to the endpoints of a job's owner, on schedule until one is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event, Thread

import pytest
from flask.testing import FlaskClient
from standardwebhooks import WebhookVerificationError

from devservers.mail_server import MailServer
from devservers.waiting import wait_for
from devservers.webhook_receiver import Answer, WebhookReceiver
from soundlift.common.events import DELIVERY_DUE, delivery_event, to_http, webhook_failing_event
from soundlift.common.jobs.model import Job
from soundlift.common.options.audio_options import TAGS, AudioOptions
from soundlift.common.services import Services
from soundlift.common.webhooks.model import (
    CLAIM_SECONDS,
    JITTER,
    MAX_ATTEMPTS,
    MAX_RETRY_AFTER_SECONDS,
    PAUSES,
    ROTATION_SECONDS,
    EndpointState,
    Failure,
)
from tests.factories.jobs import MP3_SOUND, claimed_job, claimed_mail, failed_job, job_now, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.factories.publishers import RecordingPublisher
from tests.factories.webhooks import (
    age_webhooks,
    claimed_delivery,
    deliveries,
    endpoint,
    endpoint_now,
    only_delivery,
)
from tests.fixtures.functions import Call
from tests.outbound.servers import RawServer
from tests.webhooks.conftest import Webhook

HOUR = 3600


def wait_seconds(services: Services, delivery_id: str) -> float:
    wait = services.deliveries.wait_seconds(delivery_id=delivery_id)
    assert wait is not None
    return wait


@pytest.mark.parametrize(("make", "kind"), [(ready_job, "job.ready"), (failed_job, "job.failed")])
def test_an_endpoint_gets_one_message_that_an_outside_library_verifies(
    webhook: Webhook, services: Services, receiver: WebhookReceiver, make: Callable[[Services], Job], kind: str
) -> None:
    added = endpoint(services, receiver.url)
    job = make(services)
    assert [webhook(job).status_code for _ in range(2)] == [204, 204]
    (message,) = receiver.messages
    document = message.verified(added.secret)
    assert document["type"] == kind
    assert document["data"]["job_id"] == job.id
    assert document["data"]["state"] == job.state
    assert "notifications" not in document["data"]
    assert message.headers["content-type"] == "application/json"
    assert message.id == only_delivery(services, added).id
    with pytest.raises(WebhookVerificationError):
        message.verified(endpoint(services).secret)
    (_, shown) = services.notifications.by_job([job.id])[job.id]
    assert (shown.channel, shown.webhook, shown.error) == ("webhook", added.id, None)
    assert shown.delivered_at is not None


def test_only_the_owner_s_endpoints_for_all_jobs_and_the_named_one_get_a_message(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    everything = endpoint(services, f"{receiver.url}/all")
    named = endpoint(services, f"{receiver.url}/named", all_jobs=False)
    endpoint(services, f"{receiver.url}/other", all_jobs=False)
    foreign = endpoint(services, f"{receiver.url}/foreign", "bob@example.org", all_jobs=False)
    for name, paths in ((named.id, {"all", "named"}), (foreign.id, {"all"})):
        receiver.messages.clear()
        job = queued_job(services, options=AudioOptions(webhook=name))
        claim = services.jobs.claim(job)
        assert claim is not None
        assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=3, length=1.0)
        assert webhook(job_now(services, job.id)).status_code == 204
        assert {message.path.rpartition("/")[2] for message in receiver.messages} == paths
    assert len(deliveries(services, everything)) == 2


def test_a_cancelled_job_is_not_announced(webhook: Webhook, services: Services, receiver: WebhookReceiver) -> None:
    added = endpoint(services, receiver.url)
    job, _ = claimed_job(services)
    assert services.jobs.cancel(job.id)
    assert webhook(job).status_code == 204
    assert deliveries(services, added) == receiver.messages == []


def test_failed_attempts_are_repeated_on_schedule_with_one_id_and_then_the_owner_gets_one_mail(
    webhook: Webhook, services: Services, receiver: WebhookReceiver, mail_server: MailServer, function: Call,
    mailing_services: Services,
) -> None:  # fmt: skip
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(500)]
    job = ready_job(services)
    first = webhook(job)
    assert_problem(first, 429, code="busy")  # the next attempt is due in five seconds, so the event is retried
    assert 5 <= int(first.headers["Retry-After"]) <= 6
    for attempt in range(1, MAX_ATTEMPTS):
        delivery = only_delivery(services, added)
        assert (delivery.status, delivery.attempts, delivery.last_status) == ("pending", attempt, 500)
        wait = wait_seconds(services, delivery.id)
        assert PAUSES[attempt] - 1 <= wait <= PAUSES[attempt] * (1 + JITTER)
        assert services.deliveries.due() == []
        assert webhook(job).status_code == (204 if wait > CLAIM_SECONDS else 429)
        assert len(receiver.messages) == attempt
        age_webhooks(services, wait + 0.01, "due_at", "resend_at")
        (due,) = services.deliveries.due()
        assert endpoint_now(services, added).state == "active"
        webhook(delivery_event(due))
    assert len(receiver.messages) == MAX_ATTEMPTS
    assert len({(message.id, message.body) for message in receiver.messages}) == 1
    assert only_delivery(services, added).status == "failed"
    assert services.deliveries.due() == []
    failing = endpoint_now(services, added)
    assert failing.state == EndpointState.FAILING
    assert "given up after 10 attempts" in str(failing.detail)
    _notify(function("notify"), services)
    assert [str(mail["Subject"]).partition(":")[0] for mail in mail_server.messages] == ["A webhook does not work"]
    assert mail_server.recipients == [["ada@example.org"]]
    assert services.webhook_alerts.due() == []
    _replay(services, added.id, only_delivery(services, added).id)
    receiver.answers = [Answer(204)]
    webhook(job)
    assert endpoint_now(services, added).state == "active"
    assert receiver.messages[-1].id == receiver.messages[0].id


def _notify(notify: FlaskClient, services: Services) -> None:
    """Deliver the events of the mails about endpoints that are due, each twice."""
    for webhook_id, since in services.webhook_alerts.due():
        headers, body = to_http(webhook_failing_event(webhook_id, failing_since=since))
        for _ in range(2):
            assert notify.post("/", data=body, headers=headers).status_code == 204


def _replay(services: Services, webhook_id: str, delivery_id: str) -> None:
    added = services.webhooks.find(webhook_id)
    assert added is not None
    assert services.delivery_list.replay(added, delivery_id) is not None


def test_a_410_disables_the_endpoint_whose_owner_gets_one_mail_and_which_gets_no_further_messages(
    webhook: Webhook, services: Services, receiver: WebhookReceiver, mail_server: MailServer, function: Call,
    mailing_services: Services,
) -> None:  # fmt: skip
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(410)]
    waiting, job = ready_job(services), ready_job(services)
    claimed = services.deliveries.claim_of_job(waiting.id)
    assert claimed is not None
    assert webhook(job).status_code == 204
    assert endpoint_now(services, added).state == EndpointState.DISABLED
    age_webhooks(services, CLAIM_SECONDS + 1)
    assert webhook(waiting).status_code == 204
    assert {delivery.status for delivery in deliveries(services, added)} == {"failed"}
    webhook(ready_job(services))
    assert len(receiver.messages) == 1
    assert len(deliveries(services, added)) == 2
    _notify(function("notify"), services)
    (mail,) = mail_server.messages
    assert str(mail["Subject"]).startswith("A webhook was disabled")
    assert added.secret not in mail.as_string()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("600", 600), ("99999999999999999999", MAX_RETRY_AFTER_SECONDS), ("1", 5), ("-1", 5), ("tomorrow", 5)],
)
def test_retry_after_postpones_the_next_attempt_within_bounds(
    webhook: Webhook, services: Services, receiver: WebhookReceiver, header: str, seconds: float
) -> None:
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(503, {"Retry-After": header})]
    webhook(ready_job(services))
    wait = wait_seconds(services, only_delivery(services, added).id)
    assert seconds - 1 <= wait <= seconds * (1 + JITTER)


def test_a_redirect_is_a_failure_and_is_not_followed(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(307, {"Location": f"{receiver.url}/elsewhere"})]
    webhook(ready_job(services))
    assert [message.path for message in receiver.messages] == ["/hook"]
    delivery = only_delivery(services, added)
    assert (delivery.status, delivery.last_status) == ("pending", 307)
    assert "redirects are not followed" in str(delivery.last_error)


def test_an_address_that_is_not_permitted_gets_no_request(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url.replace("127.0.0.1", "[::1]"))
    webhook(ready_job(services))
    delivery = only_delivery(services, added)
    assert (delivery.status, delivery.last_status) == ("pending", None)
    assert delivery.last_error
    assert receiver.messages == []


def test_an_endless_response_is_not_read_to_its_end(webhook: Webhook, services: Services) -> None:
    def endless(head: str) -> object:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(2**16)

    with RawServer(endless).running() as server:  # type: ignore[arg-type]
        added = endpoint(services, server.url)
        assert webhook(ready_job(services)).status_code == 204
    assert only_delivery(services, added).status == "delivered"


def test_a_body_is_below_20_kilobytes_and_long_texts_are_cut_the_same_way_each_time(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(500), Answer(204)]
    tags = dict.fromkeys(TAGS, "🎵" * 1000)
    job = queued_job(services, name="é" * 200, options=AudioOptions(tags=tags))
    claim = services.jobs.claim(job)
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="no_audio", message="ß" * 1000)
    webhook(job_now(services, job.id))
    age_webhooks(services, 6, "due_at")
    webhook(job_now(services, job.id))
    first, second = receiver.messages
    assert first.body == second.body
    assert 10_000 < len(first.body) < 20_000
    data = first.verified(added.secret)["data"]
    assert set(data["options"]["tag.title"]) == {"🎵", "…"}
    assert data["job_id"] == job.id


def test_during_a_day_after_a_rotation_both_secrets_verify(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    old = endpoint(services, receiver.url)
    new = services.webhooks.rotate(old)
    assert new is not None
    assert new.previous_secret == old.secret
    webhook(ready_job(services))
    for secret in (old.secret, new.secret):
        receiver.messages[-1].verified(secret)
    age_webhooks(services, ROTATION_SECONDS + 1)
    webhook(ready_job(services))
    receiver.messages[-1].verified(new.secret)
    with pytest.raises(WebhookVerificationError):
        receiver.messages[-1].verified(old.secret)
    assert services.webhooks.forget_previous_secrets() == 1
    assert endpoint_now(services, old).previous_secret is None


def test_a_message_of_a_worker_that_died_before_it_recorded_the_delivery_is_sent_again_with_the_same_id(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url)
    job = ready_job(services)
    claim = claimed_delivery(services, only_delivery(services, added))
    assert_problem(webhook(job), 429, code="busy")  # its worker may have died, so the event is retried
    assert services.deliveries.due() == []
    age_webhooks(services, CLAIM_SECONDS + 1)
    (due,) = services.deliveries.due()
    assert webhook(delivery_event(due)).status_code == 204
    assert [message.id for message in receiver.messages] == [claim.delivery.id]
    assert not services.deliveries.mark_delivered(claim, status=200)
    assert only_delivery(services, added).attempts == 2


def test_the_deliveries_of_a_job_that_is_retried_or_deleted_are_gone(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url)
    job = failed_job(services)
    claim = claimed_delivery(services, only_delivery(services, added))
    assert services.jobs.retry(job, services.limits.of(job.username, services.settings))
    assert deliveries(services, added) == []
    assert not services.deliveries.mark_delivered(claim, status=200)
    other = ready_job(services)
    assert services.jobs.delete(other.id)
    assert deliveries(services, added) == []
    assert webhook(other).status_code == 204
    assert receiver.messages == []


def test_a_slow_endpoint_of_one_user_leaves_workers_for_other_users(
    function: Call, webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    released = Event()
    slow = endpoint(services, receiver.url)
    with WebhookReceiver() as quick:
        other = endpoint(services, quick.url, "bob@example.org")
        receiver.answers = [Answer(hold=released)]
        jobs = [ready_job(services) for _ in range(5)]
        limit = services.settings.webhook_concurrency
        workers = [Thread(target=webhook, args=[job]) for job in jobs[:limit]]
        for worker in workers:
            worker.start()
        wait_for(lambda: len(receiver.messages) == limit, "the workers of the slow endpoint wait")
        assert [webhook(job).status_code for job in jobs[limit:]] == [204] * (len(jobs) - limit)
        assert len(receiver.messages) == limit
        assert webhook(ready_job(services, email="bob@example.org")).status_code == 204
        assert only_delivery(services, other).status == "delivered"
        receiver.answers = [Answer(204)]
        released.set()
        for worker in workers:
            worker.join()
    # Whoever had a worker has gone on with the rest.
    assert {delivery.status for delivery in deliveries(services, slow)} == {"delivered"}
    assert len(receiver.messages) == len(jobs)


def test_a_test_is_one_attempt_that_says_nothing_about_the_endpoint(
    webhook: Webhook, services: Services, receiver: WebhookReceiver
) -> None:
    added = endpoint(services, receiver.url)
    receiver.answers = [Answer(500)]
    delivery = services.delivery_list.add_test(added)
    assert delivery is not None
    assert services.delivery_list.add_test(added) is None
    (due,) = services.deliveries.due()
    assert webhook(delivery_event(due)).status_code == 204
    assert json.loads(receiver.messages[0].body)["type"] == "webhook.test"
    assert only_delivery(services, added).status == "failed"
    assert endpoint_now(services, added).state == "active"
    assert services.webhook_alerts.due() == []


def test_cleanup_sends_the_events_of_overdue_deliveries_and_of_failing_endpoints(
    function: Call, services: Services, receiver: WebhookReceiver
) -> None:
    added, job = endpoint(services, receiver.url), ready_job(services)
    services.publisher = publisher = RecordingPublisher()
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    cleanup = function("cleanup")
    assert cleanup.post("/").json["sent"] == 1
    assert cleanup.post("/").json["sent"] == 0
    (due,) = publisher.events
    assert (due.get_type(), due.get_subject()) == (DELIVERY_DUE, job.id)
    claim = claimed_delivery(services, only_delivery(services, added))
    assert services.deliveries.give_up(claim, Failure("No."), endpoint_state=EndpointState.FAILING)
    assert cleanup.post("/").json["sent"] == 1
    assert publisher.events[-1].get_data() == {"webhook_id": added.id}
