"""Logs, pools and the service itself."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from penstock.api.models.base import Answer, Ask, Time, Whole
from penstock.api.models.runs import RunSummary
from penstock.api.models.tasks import Approval
from penstock.api.models.workflows import Due


class LogEntry(Answer):
    """What an attempt wrote, usually a line."""

    run: str
    task: str
    generation: int
    attempt: int
    at: Time | None
    stream: str = Field(description="stdout, stderr, or log for the logger of current()")
    text: str
    position: str = Field(description="Where it ends in the logs of the run", examples=["1.204"])


class PoolUse(Answer):
    """What a run holds and wants of a pool."""

    run: str
    used: int
    wanted: int
    priority: int
    since: Time | None = Field(description="Since when it waits; null if it does not")


class Pool(Answer):
    """A number of slots that all runs share."""

    name: str
    slots: int
    used: int
    waiting: int = Field(description="How many runs want more slots than they hold")
    runs: list[PoolUse]


class PoolSize(Ask):
    """How many slots a pool is to have."""

    slots: Whole = Field(ge=0, le=1_000_000_000, examples=[4])


class Health(Answer):
    """How the service is."""

    status: str = Field(description="ok, or what is wrong", examples=["ok"])
    version: str
    started_at: Time | None
    store: str = Field(description="Whether the store answers, and what kind it is", examples=["sqlite"])
    durable: bool
    drives: bool = Field(description="Whether this server can have runs driven, and so resume, rerun and trigger them")
    details: dict[str, Any] = Field(default={}, description="What the scheduler says of itself")


class Failure(Answer):
    """A run that has failed, with the error that matters."""

    run: RunSummary
    task: str | None = Field(description="The first task that failed")
    error: str | None = Field(description="Its error, in one line")
    place: str | None = Field(description="The user's own line that failed", examples=["etl.py:31"])
    line: str | None = Field(description="What stands there", examples=["rows = read(day)"])
    attempts: int
    more: int = Field(description="How many other tasks of the run failed")


class Home(Answer):
    """Everything the first page shows."""

    health: Health
    unfinished: list[RunSummary] = Field(description="What runs or waits, newest first")
    late: list[RunSummary] = Field(description="Those of them that should have ended by now")
    failures: list[Failure] = Field(description="The newest failures")
    approvals: list[Approval] = Field(description="What waits for somebody's decision")
    recent: list[RunSummary] = Field(description="The newest runs")
    next: list[Due] = Field(description="What is due next, within a week")
    position: str = Field(description="Give it as Last-Event-ID to hear what comes after")
