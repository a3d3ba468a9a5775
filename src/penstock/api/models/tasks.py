"""Tasks of runs, and their attempts."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from penstock.api.models.base import Answer, Seconds, TaskState, Time


class Decision(Answer):
    """What somebody has decided."""

    approved: bool
    by: str | None = Field(description="Who has; null if nobody did in time, so that the default counts")
    at: Time | None
    note: str
    inputs: dict[str, Any]


class Task(Answer):
    """A task of a run, or an instance of a mapped one."""

    id: str = Field(description="The task's name", examples=["load"])
    map_index: int | None = Field(description="Which instance of a map it is, from 0")
    map_name: str | None = Field(description="What this instance is called, where the task has a map_name")
    state: TaskState
    attempts: int = Field(description="How many attempts have begun")
    started_at: Time | None = Field(description="When the latest attempt began")
    ended_at: Time | None
    duration: Seconds | None
    error: str | None = Field(description="The last error, in one line", examples=["KeyError: 'day'"])
    reason: str | None = Field(description="Why it skipped itself, who marked it, or what kept it from running")
    traceback: str | None
    decision: Decision | None
    child: str | None = Field(description="The run that the task is, if it runs a workflow")
    usual: Seconds | None = Field(default=None, description="How long it takes as a rule, if that is known")


class Attempt(Answer):
    """One attempt of a task."""

    task: str = Field(description="The task's name, of an instance with its index", examples=["load[3]"])
    generation: int = Field(description="How often the task had been set going again by hand")
    attempt: int = Field(description="Counts from 1 in each generation")
    state: str = Field(description="running, success, failed, skipped, deferred, cancelled, lost or stopped")
    because: str | None = Field(description="Why it was made, if it is not simply the first")
    started_at: Time | None
    ended_at: Time | None
    duration: Seconds | None
    cpu: Seconds | None = Field(description="Seconds of processor time, where they were measured")
    memory: int | None = Field(description="Bytes in memory at most, where that was measured")
    error: str | None


class Try(Attempt):
    """One attempt, and how long it waited."""

    waited: Seconds | None = Field(
        description="Since it could begin, or since the attempt before had ended; null where that is not known"
    )


class Past(Answer):
    """A task, a map as a whole, or an instance of one, in one run: of several attempts what the last one took."""

    run: str
    state: TaskState
    created_at: Time | None = Field(description="When the run was put on record")
    logical_time: Time | None
    started_at: Time | None = Field(description="Of a map, when its first instance began")
    ended_at: Time | None
    duration: Seconds | None
    waited: Seconds | None = Field(description="How long it waited before it began, since it could")
    attempts: int = Field(description="How many have begun; of a map, of all its instances")
    cpu: Seconds | None = Field(description="Of a map, of all its instances together")
    memory: int | None = Field(description="Bytes; of a map, of the instance that took most")
    tries: list[Try] = Field(description="Its attempts; none for a map")


class Column(Answer):
    """A column of a table."""

    name: str
    type: str = Field(examples=["Int64"])


class Note(Answer):
    """What was noted of a value when it was written: at most 2 kB, whatever the value is."""

    type: str = Field(examples=["polars.DataFrame"])
    shape: list[int] = Field(
        description="Rows and columns, or elements of each dimension, items or characters; empty where there are none",
        examples=[[336776, 19]],
    )
    columns: list[Column] = Field(description="The first columns, of a table")
    rows: list[list[str]] = Field(description="The first rows, in these columns")
    text: str | None = Field(description="What it looks like, of what is no table")


class Value(Answer):
    """What is told of a value without reading it: the value itself may be anything, and is never unpickled here."""

    preview: str = Field(
        description="A line about it, made when it was written", examples=["polars.DataFrame 9,000 x 3, 1.2 MB"]
    )
    format: str | None = Field(description="How it is kept; null for None", examples=["json"])
    size: int = Field(description="Bytes that it takes")
    plain: Any = Field(default=None, description="The value itself, if it is small and plain")
    note: Note | None = Field(default=None, description="What was noted of it; null if it is small and plain")


class Input(Answer):
    """What a task takes from another."""

    task: str
    value: Value


class Approval(Answer):
    """What a task waits for somebody to decide."""

    run: str
    workflow: str
    task: str
    zone: str = Field(default="UTC", description="The zone of its workflow")
    question: str
    inputs: dict[str, Any] = Field(description="JSON Schema of the answer")
    asked_at: Time | None
    deadline: Time | None = Field(description="When nobody is waited for any longer")
    default: dict[str, Any] | None = Field(description="The answer that counts then; null if the task fails then")
    given: dict[str, str] = Field(description="What the task takes from others: names, and values in short")


class Step(Answer):
    """Why one task stands where it does."""

    task: str
    state: TaskState
    kind: str = Field(description="What sort of reason it is", examples=["not_chosen"])
    text: str = Field(examples=["was skipped, since 'choose' chose 'incremental'"])
    behind: list[str] = Field(description="The first few of the tasks that are right behind it")
    at: Time | None
    holds_up: int = Field(description="How many tasks have not run because of it, or not yet")


class Why(Answer):
    """Why a task or a run stands where it does, down to the first cause."""

    run: str
    task: str | None
    state: str
    text: str = Field(description="The answer in a sentence")
    steps: list[Step]
    first_causes: list[str] = Field(description="The tasks that nobody is behind")
    notes: list[str]
    attempts: list[Attempt]


class TaskDetail(Task):
    """A task with all that is known of it."""

    run: str
    workflow: str
    zone: str = Field(default="UTC", description="The zone of its workflow")
    name: str = Field(description="With its index, if it has one", examples=["load[3]"])
    generation: int
    rule: str = Field(description="What it asks of its upstreams", examples=["all_success"])
    upstreams: list[str]
    where: str = Field(description="file:line of its definition")
    inputs: list[Input]
    value: Value | None = Field(description="What it returned; null if it has not succeeded, and for maps")
    instances: dict[str, int] | None = Field(description="Of a map: state -> how many of its instances")
    tries: list[Attempt] = Field(description="Its attempts")
    why: Why
    approval: Approval | None
