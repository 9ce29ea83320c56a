"""What is printed about a violation: everything that happened to its upload and its job, and the faults around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from tests.chaos.accounts.books import Violation
from tests.chaos.history import Fact

AROUND_SECONDS = 10.0  # before the first and after the last fact of a job
SHOWN = 20  # violations with their whole history
UNSHOWN = ("at", "kind", "number", "choice")

JobHistory = Callable[[str], str]


def describe(violations: Sequence[Violation], facts: Sequence[Fact], job_history: JobHistory) -> str:
    """Return a text about all violations; `job_history` returns what an operator sees of a job, by its id."""
    texts = ["\n".join(_lines(violation, facts, job_history)) for violation in violations[:SHOWN]]
    texts += [_headline(violation) for violation in violations[SHOWN:]]
    return "\n\n".join(texts)


def _lines(violation: Violation, facts: Sequence[Fact], job_history: JobHistory) -> Iterator[str]:
    yield _headline(violation)
    own = [fact for fact in facts if _is_about(fact, violation)]
    if own:
        begin, end = own[0]["at"] - AROUND_SECONDS, own[-1]["at"] + AROUND_SECONDS
        around = [fact for fact in facts if _is_begin(fact) and begin <= fact["at"] <= end]
        for fact in sorted([*own, *around], key=lambda fact: float(fact["at"])):
            values = {name: value for name, value in fact.items() if name not in UNSHOWN and value is not None}
            yield f"  {fact['at']:9.3f} {fact['kind']:9} {json.dumps(values, ensure_ascii=False)}"
    if violation.job:
        yield f"  soundlift job history {violation.job}"
        yield from (f"    {line}" for line in job_history(violation.job).splitlines())


def _headline(violation: Violation) -> str:
    names = " ".join(name for name in (violation.upload, violation.job) if name)
    return f"VIOLATED: {violation.check}: {violation.detail}{f' ({names})' if names else ''}"


def _is_begin(fact: Fact) -> bool:
    return fact["kind"] == "fault" and fact["phase"] in ("begin", "failed")


def _is_about(fact: Fact, violation: Violation) -> bool:
    upload, job = fact.get("upload"), fact.get("job")
    return (upload is not None and upload == violation.upload) or (job is not None and job == violation.job)
