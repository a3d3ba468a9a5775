"""Workflows and their schedules."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from penstock.api.models.base import Answer, Ask, Interval, Moment, Seconds, Time
from penstock.api.models.runs import Graph, RunSummary


class Schedule(Answer):
    """When a workflow is due."""

    workflow: str
    source: str | None = Field(default=None, description="FILE or FILE:NAME")
    version: str | None = Field(default=None, description="Which version of its code was seen last")
    parameters: dict[str, Any] | None = Field(default=None, description="JSON Schema of its parameters")
    text: str | None = Field(description="The timetable in words", examples=["0 6 * * *, Europe/Berlin"])
    timezone: str
    catchup: str = Field(description="What becomes of missed times: all, latest or none")
    max_active_runs: int
    deadline: Seconds | None = Field(description="Within how long a run must have ended")
    paused: bool
    next_at: Time | None = Field(
        description="When it is due next; null for never, if paused, or if only its code knows"
    )
    upto: Time | None = Field(description="Up to when everything is decided")
    error: str | None = Field(description="Why the newest version of its code cannot be used")


class WorkflowSummary(Answer):
    """A workflow in a list."""

    name: str
    source: str | None = Field(description="FILE or FILE:NAME")
    version: str | None = Field(description="Which version of its code was seen last")
    description: str
    error: str | None
    schedule: Schedule | None = Field(description="null if nobody looks after this workflow, or it has none")
    paused: bool
    newest: RunSummary | None = Field(description="Its newest run")
    counts: dict[str, int] = Field(description="State -> how many runs on record")


class Version(Answer):
    """A plan that runs of the workflow have followed."""

    plan: str = Field(description="Its fingerprint")
    tasks: int
    runs: int = Field(description="How many of the newest runs began with it")
    first: Time | None
    last: Time | None


class WorkflowDetail(WorkflowSummary):
    """A workflow."""

    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters")
    traceback: str | None = Field(description="Of an error in its file")
    graph: Graph | None = Field(description="By its code as it is now, or else as its newest run had it")
    versions: list[Version] = Field(description="Newest first, of the newest runs")
    runs: list[RunSummary] = Field(description="The newest runs")


class Source(Answer):
    """The file that a workflow is in."""

    file: str
    text: str


class Cell(Answer):
    """A run in the grid of a workflow."""

    run: RunSummary
    states: list[str | None] = Field(description="Of each task of the grid, in its order; null if the run has no such")
    tries: list[int] = Field(description="Of each, how many attempts its last outcome took; of a map the most")
    counts: dict[str, dict[str, int]] = Field(description="Of maps: state -> how many instances")


class Grid(Answer):
    """Runs by tasks."""

    tasks: list[str]
    groups: list[str | None] = Field(description="The group of each task")
    runs: list[Cell] = Field(description="Newest first")
    next: str | None = None


class Trigger(Ask):
    """A run that is wanted."""

    params: dict[str, Any] = Field(default={}, description="Values by name; the others have their defaults")
    logical_time: Moment | None = Field(default=None, description="The time for which it is, if it is for one")
    by: str | None = Field(default=None, min_length=1, max_length=200)


class Tick(Answer):
    """What was decided about the times at which a workflow was due."""

    what: str = Field(description="created, collapsed or skipped")
    first: Time | None
    last: Time | None
    count: int
    run: str | None = Field(description="The run that was created, or that stands for those that were collapsed")
    decided_at: Time | None


class Due(Answer):
    """A time at which a workflow is due."""

    workflow: str
    logical_time: Time | None
    data_interval: Interval
    timezone: str
    starts_at: Time | None = Field(description="When its run would begin, by limits and pools; null if not known")
    ends_at: Time | None = Field(description="When it would end, by how long its runs take; null if not known")
