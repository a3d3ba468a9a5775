"""Runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from penstock.api.models.base import Answer, Ask, Interval, RunState, Seconds, Time
from penstock.api.models.tasks import Approval, Attempt, Task, Why

RUN = "7f3c7f37fe50"


class RunBase(Answer):
    """What a list and a run itself both tell."""

    id: str = Field(examples=[RUN])
    workflow: str = Field(examples=["daily"])
    state: RunState
    params: dict[str, Any] = Field(description="As JSON has them; what JSON lacks, as text")
    started_at: Time | None = Field(description="When a driver first took the run")
    ended_at: Time | None
    wakes_at: Time | None = Field(description="When a parked run is to go on; null if only a message wakes it")
    duration: Seconds | None = Field(description="From start to end; null while it has not ended")
    error: str | None = Field(description="Why it failed or was cancelled, in one line")
    file: str | None = Field(description="Where the workflow came from: FILE or FILE:NAME")
    parent: str | None = Field(description="The run that this one is a part of")
    part: str | None = Field(description="Which task of it this run is")
    trigger: str = Field(description="What began it: manual, schedule or workflow", examples=["schedule"])
    logical_time: Time | None = Field(description="When it was due; null for a run that is for no time")
    data_interval: Interval | None = Field(description="null where no schedule says so")
    timezone: str | None = Field(description="The zone of its workflow, in which these are meant")
    zone: str = Field(default="UTC", description="The zone of its workflow, whether it is for a time or not")
    ends_by: Time | None = Field(default=None, description="When it must have ended, by the deadline of its workflow")
    created_at: Time | None
    counts: dict[str, int] = Field(description="State of tasks -> how many", examples=[{"success": 12}])


class RunSummary(RunBase):
    """A run in a list."""

    tasks: int = Field(description="How many tasks the plan has")
    approvals: list[str] = Field(default=[], description="The tasks that wait for somebody's decision")


class Driver(Answer):
    """Who drives a run."""

    pid: int
    host: str
    since: Time | None
    heard_at: Time | None = Field(description="When it last gave a sign of life")


class Notices(Answer):
    """What callbacks and notifiers are told of a run."""

    undelivered: int
    dropped: dict[str, str] = Field(description="Notices that were given up, and why")


class Node(Answer):
    """A task in the graph; of a map the whole of it."""

    id: str
    group: str | None
    kind: str | None = Field(description="setup, teardown, branch, short circuit or workflow")
    rule: str
    upstreams: list[str]
    inputs: list[str] = Field(description="Those of the upstreams whose values it takes")
    setups: list[str] = Field(description="Of a teardown, its setups")
    where: str = Field(description="file:line")
    mapped: bool
    layer: int = Field(description="How many tasks come before it on the longest way: its column in a drawing")
    order: int = Field(description="Its place in the column, in which few edges cross")
    state: str | None
    counts: dict[str, int] | None = Field(description="Of a map: state -> how many of its instances")
    error: str | None = Field(default=None, description="Its error, or the first of its instances'")


class GroupNode(Answer):
    """A group in the graph, which may be folded."""

    id: str
    group: str | None = Field(description="The group around it")
    mapped: bool
    state: str | None = Field(description="The worst of what is in it")
    counts: dict[str, int] | None = Field(description="State -> how many tasks in it")


class Graph(Answer):
    """What depends on what, and where it stands."""

    workflow: str
    tasks: list[Node]
    groups: list[GroupNode]


class RunDetail(RunBase):
    """A run with its tasks; with `include`, its graph, its attempts and why it stands where it does."""

    driver: Driver | None
    notices: Notices
    tasks: list[Task]
    folded: int = Field(default=0, description="How many instances of maps `maps=fold` leaves out")
    critical_path: list[str] = Field(description="The tasks that determined when it ended")
    approvals: list[Approval]
    children: list[str] = Field(description="The runs that its tasks have begun")
    topics: list[Topic] = Field(description="What its tasks wait to be sent now")
    position: int = Field(description="Where its journal ends: give it as Last-Event-ID to hear what comes after")
    graph: Graph | None = None
    attempts: list[Attempt] | None = None
    why: Why | None = None


class By(Ask):
    """Who asks."""

    by: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Who asks; by default the user that serves",
        examples=["anna"],
    )


_CHOSEN: dict[str, Any] = {
    "anyOf": [
        *({"required": [name], "properties": {name: {"minItems": 1}}} for name in ("only", "from", "where")),
        {"required": ["failed"], "properties": {"failed": {"const": True}}},
    ],
    "examples": [{"failed": True}, {"from": ["load"]}],
}


class Choice(Ask):
    """What to run again."""

    model_config = ConfigDict(json_schema_extra=_CHOSEN)

    only: list[str] = Field(default=[], max_length=10_000, description="These tasks, instances or groups")
    from_: list[str] = Field(default=[], alias="from", max_length=10_000, description="These, and all that follows")
    failed: bool = Field(default=False, description="What failed, and what that held up")
    where: list[str] = Field(default=[], max_length=20, description="What is in these states", examples=[["skipped"]])


class Rerun(Choice):
    """What to run again, and who asks."""

    by: str | None = Field(default=None, min_length=1, max_length=200)


class Again(Answer):
    """A task that would run again, or stay as it is."""

    id: str
    map_index: int | None
    state: str = Field(description="As it is now")
    because: str = Field(description="Why it would, or would not", examples=["it failed"])


class Preview(Answer):
    """What would run again, in order, and what would be kept. Nothing has been done."""

    id: str
    workflow: str
    current: bool = Field(description="Whether this is by the code as it is now, or by the code that the run followed")
    tasks: list[Again] = Field(description="What would run again")
    kept: list[Again] = Field(description="What would stay as it is")
    command: str = Field(description="The same on the command line")


class Marks(Ask):
    """What tasks are to be taken for, without running them."""

    tasks: list[str] = Field(
        min_length=1, max_length=10_000, description="Tasks, instances or groups, by their names", examples=[["load"]]
    )
    state: Literal["success", "failed", "skipped"] = Field(alias="as", examples=["success"])


class Mark(Marks):
    """The same, with who says it and why."""

    note: str = Field(default="", max_length=10_000, description="Why, for those who look at the run later")
    by: str | None = Field(default=None, min_length=1, max_length=200)


class MarkPreview(Answer):
    """What would become of tasks. Nothing has been done."""

    id: str
    workflow: str
    tasks: list[Again] = Field(description="What would be marked")
    follows: list[Again] = Field(description="What would be weighed anew by that, and what becomes of it")
    goes_on: bool = Field(description="Whether the run would then have something to do")
    command: str = Field(description="The same on the command line")


class Letter(Ask):
    """A message to a run."""

    topic: str = Field(min_length=1, max_length=200, description="What the task receives", examples=["rates"])
    value: Any = Field(default=None, description="Anything that JSON has", examples=[{"eur": 1.08}])
    by: str | None = Field(default=None, min_length=1, max_length=200)


class Topic(Answer):
    """What a task waits to be told."""

    topic: str = Field(examples=["rates"])
    task: str = Field(description="The task, or the instance, that waits for it", examples=["load"])


class Deletion(Answer):
    """What would be forgotten with a run. Nothing has been done."""

    id: str
    runs: list[str] = Field(description="It, and the runs that its tasks are")
    tasks: int = Field(description="How many tasks they have")


class Verdict(Ask):
    """A decision about what a task waits for."""

    task: str = Field(min_length=1, examples=["publish"])
    values: dict[str, Any] = Field(default={}, description="What it asks for, by name")
    note: str = Field(default="", max_length=10_000)
    by: str | None = Field(default=None, min_length=1, max_length=200)


class Accepted(Answer):
    """What was asked is on record, and will be done."""

    run: str = Field(examples=[RUN])
    state: RunState
    told: str = Field(description="What becomes of it", examples=["the run is asked to end"])
