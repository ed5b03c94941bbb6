"""Scheduler's jobs: kept as data, and fired by hand.

Limit that shaped it: Cloud Scheduler has no emulator, and a clock of ours would make tests and demos wait. So a job
runs when it is fired, at any moment one names: that is how a purge is tried with the clock past a contract's delay.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from emulators.graph import Resource, localised
from emulators.tokens import handed_on_token

SCHEDULE_TIME = "X-CloudScheduler-ScheduleTime"


class NoAnswer(RuntimeError):
    """The job's function cannot be reached, or takes longer than Scheduler would wait."""


class UnknownJob(LookupError):
    """No job of that name; the message lists those there are."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is fired: where to, as whom, how long Scheduler would wait (seconds)."""

    name: str
    url: str
    method: str
    email: str
    audience: str
    deadline_s: float


def wanted(resources: Iterable[Resource], addresses: Mapping[str, str]) -> dict[str, Job]:
    """The jobs by name, with local addresses. Pure."""
    return {
        resource.text("name"): Job(
            resource.text("name"),
            localised(resource.text("httpTarget", "uri"), addresses),
            resource.get("httpTarget", "httpMethod", default="POST"),
            resource.get("httpTarget", "oidcToken", "serviceAccountEmail", default=""),
            resource.get("httpTarget", "oidcToken", "audience", default=""),
            float(re.sub(r"s$", "", resource.get("attemptDeadline", default="180s"))),
        )
        for resource in resources
    }


def find(jobs: Mapping[str, Job], name: str) -> Job:
    """A job by its name, or by that of its function.

    Raises:
        UnknownJob: there is none.
    """
    job = jobs.get(name) or jobs.get(name.replace("_", "-"))
    if job is None:
        raise UnknownJob(f"there is no job {name!r}; there are {', '.join(sorted(jobs))}.")
    return job


def headers(job: Job, at: datetime) -> dict[str, str]:
    """What Cloud Scheduler sends, after Cloud Run has checked the identity. Pure.

    Args:
        at: the time the job was due; aware.
    """
    found = {
        "User-Agent": "Google-Cloud-Scheduler",
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": job.name,
        SCHEDULE_TIME: at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    if job.email:
        found["Authorization"] = f"Bearer {handed_on_token(job.email, job.audience, at)}"
    return found


def fire(job: Job, at: datetime) -> tuple[int, str]:
    """Calls the job's function once and waits for its answer, as long as Scheduler would.

    Returns:
        Status and body.

    Raises:
        NoAnswer: the function does not answer.
    """
    address = urlsplit(job.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=job.deadline_s)
    try:
        connection.request(job.method, address.path or "/", headers={**headers(job, at), "Content-Length": "0"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(
            f"the function of job {job.name!r} gave no answer ({type(error).__name__}: {error}); see its log, and "
            "`python -m emulators status`. Scheduler would try again later."
        ) from None
    finally:
        connection.close()
