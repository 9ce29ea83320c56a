"""A run of Schemathesis, and what it found."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema

from soundlift.common.audio.output_formats import REQUESTABLE, known_options
from soundlift.common.options.audio_options import OPTIONS, TAG_PREFIX
from tests.fuzz.users import PEERS
from tests.openapi.document import read_document

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# Settings that offer everything, and under which limits of users do not end a run: everything would soon be refused.
UNLIMITED = {
    **{"sign_up": True, "password_reset": True, "account_emails": 0, "account_emails_per_network": 0},
    **{"max_jobs_in_flight": 0, "max_uploads_per_hour": 0, "max_minutes_per_day": 0},
    **{"sign_in_failures": 0, "sign_in_failures_per_network": 0},
}
LONGEST_WAIT = 1  # seconds: a job that nothing converts would make each request wait for a minute


@dataclass
class Report:
    """The number of cases per operation and status, and the failures, each with a command that repeats it."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, event: events.EngineEvent) -> None:
        """Add what an event of the engine tells."""
        if isinstance(event, events.ScenarioFinished):
            self._add_cases(event)
        elif isinstance(event, events.NonFatalError):
            self.failures[f"{event.label}: {type(event.value).__name__}"] = str(event.value)
        elif isinstance(event, events.FatalError):
            self.failures["The run ended early"] = str(event.exception)

    def _add_cases(self, event: events.ScenarioFinished) -> None:
        recorder = event.recorder
        for case_id, node in recorder.cases.items():
            label = node.value.operation.label
            self.cases[label] += 1
            interaction = recorder.interactions.get(case_id)
            if interaction is None or interaction.response is None:
                continue
            self.statuses[interaction.response.status_code] += 1
            if interaction.response.status_code < 400 and node.value.method == node.value.operation.method.upper():
                self.accepted.add(label)
            for check in recorder.checks.get(case_id, ()):
                self.checks[check.name] += 1
                if found := check.failure_info:
                    title = f"{label}: {check.name}: {found.failure.title}"
                    self.failures.setdefault(
                        title, f"{found.failure.message}\n{found.code_sample}\n{interaction.response.text[:500]}"
                    )

    def merge(self, other: Report) -> None:
        """Add the counts and the failures of another run."""
        self.cases += other.cases
        self.statuses += other.statuses
        self.checks += other.checks
        self.accepted |= other.accepted
        self.failures |= other.failures

    def __str__(self) -> str:
        """Return the failures, each with a command that repeats it."""
        return "\n".join(f"{title}\n{text}\n" for title, text in self.failures.items())

    def never_accepted(self) -> set[str]:
        """Return the operations of which only the refusals were tested."""
        return set(self.cases) - self.accepted


def fuzz(
    base_url: str,
    users: Path,
    *,
    paths: str = ".*",
    phases: Collection[str] = ("examples", "coverage", "fuzzing", "stateful"),
    examples: int,
    seed: int,
) -> Report:
    """Test the operations whose paths match with `examples` generated requests each, besides the systematic ones."""
    schema = _open_schema(base_url, users, paths=paths, phases=phases, examples=examples, seed=seed)
    report = Report()
    for event in from_schema(schema).execute():
        report.add(event)
    return report


def _open_schema(
    base_url: str, users: Path, *, paths: str, phases: Collection[str], examples: int, seed: int
) -> BaseSchema:
    settings: dict[str, Any] = tomllib.loads(CONFIGURATION.read_text())
    settings |= {"base-url": base_url, "seed": seed}
    settings["auth"] = {"wfc": {"path": str(users), "peers": list(PEERS)}}
    settings["generation"] |= {"max-examples": examples}
    settings["phases"] = {name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")}
    root = deepcopy(dict(read_document().root))  # Schemathesis changes it
    root["paths"] = {path: item for path, item in root["paths"].items() if re.match(paths, path)}
    schema = schemathesis.openapi.from_dict(root, config=SchemathesisConfig.from_dict(settings))
    schema.hook("map_query")(_adapt_query)
    return schema


def _adapt_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replace a valid time to wait by a short one; leave out `state=`, which is an empty array, not a wrong state."""
    if query and query.get("state") in ("", [""]):
        query = {name: value for name, value in query.items() if name != "state"}
    if query and str(query.get("wait", "")).isdigit() and LONGEST_WAIT < int(query["wait"]) < 10**9:
        return {**query, "wait": LONGEST_WAIT}
    return query


@schemathesis.hook("before_call")
def _complete_upload(context: Any, case: Any, kwargs: Any) -> None:
    """Make an upload consistent where OpenAPI cannot, or most would be refused before their file is looked at.

    Schemathesis sends the key without the quotes of its pattern. It gives options that exclude each other, and gives
    them in the query and in the form. An invalid value is not changed.
    """
    if case.operation.label != "POST /upload":
        return
    if case.headers and case.headers.get("Idempotency-Key") == "0":
        case.headers["Idempotency-Key"] = f'"{uuid4()}"'
    parts = [part for part in (case.body, case.query) if isinstance(part, dict)]
    given = {name: value for part in reversed(parts) for name, value in part.items()}
    excluded = _excluded(given)
    for number, part in enumerate(parts):
        earlier = parts[0] if number else {}
        for name in [name for name in part if name in earlier or name in excluded]:
            if _is_valid(name, part[name]):
                del part[name]


def _excluded(given: Mapping[str, Any]) -> set[str]:
    """Return the names of options that the others exclude, or that the requested format does not know."""
    audio_format = given.get("format", "mp3")
    if audio_format not in REQUESTABLE:
        return set()
    excluded = set(OPTIONS) - known_options(audio_format) - {name for name in OPTIONS if name.startswith(TAG_PREFIX)}
    if audio_format != "mp3":
        excluded.add("bitrate")  # the ranges differ
    if "bitrate" in given:
        excluded.add("quality")
    if given.get("copy") == "always":
        excluded |= {"bitrate", "quality", "normalize"}
    return excluded


def _is_valid(name: str, value: Any) -> bool:
    try:
        OPTIONS[name].value.read(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True
