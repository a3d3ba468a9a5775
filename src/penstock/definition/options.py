"""What a task may be told of how it runs: its options, as editors and type checkers see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Union

from penstock.policy import Callback, RetryRule, TriggerRule, WeightRule

if TYPE_CHECKING:
    from penstock.definition.task import Task

Duration: TypeAlias = Union[float, timedelta]  # noqa: UP007  (read at run time on 3.11 by editors' hints)

TriggerRuleName: TypeAlias = Literal[
    "all_success",
    "all_failed",
    "all_done",
    "all_done_min_one_success",
    "all_done_setup_success",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "all_skipped",
    "always",
]
"""The values of TriggerRule, for who would rather write a text."""

Condition: TypeAlias = Callable[..., object]
"""A function without arguments, or with one: what `current()` is in the attempt that asks."""


class TaskOptions(TypedDict, total=False):
    """How the attempts of a task are made. What is left out comes from the `defaults` of the groups around the task,
    the innermost first, and of the workflow."""

    retries: int
    """How many times a failed attempt is followed by another. Default 0."""
    retry_delay: Duration
    """Pause before the first retry: seconds or timedelta. Default 0."""
    retry_backoff: float
    """Each further pause is this many times the one before. Default 1."""
    max_retry_delay: Duration | None
    """No pause is longer. Default: no bound."""
    retry_jitter: float
    """A pause is stretched by a factor between 1 and 1 + this, drawn anew for each attempt. Default 0."""
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    """Only these exceptions are retried. Default Exception."""
    retry_policy: Sequence[RetryRule]
    """What follows after certain exceptions; the first rule that fits counts. Default: `retry_on` says it all."""
    timeout: Duration | None
    """How long one attempt may run. Default: no bound."""
    trigger_rule: TriggerRule | TriggerRuleName
    """What the task asks of its direct upstreams. Default "all_success"."""
    run_if: Condition | None
    """Skip the task, before its body, unless this returns something true."""
    skip_if: Condition | None
    """Skip the task, before its body, if this returns something true."""
    allow_failure: bool
    """Do not let the run fail because this task does. Default False."""
    share: bool
    """Give the task's value to all its consumers as one object, whatever its type. Default False."""
    at_most_once: bool
    """Begin one attempt and no other by itself, even if it was lost or the run is resumed: only a rerun by hand tries
    again. Not with retries. Default False."""
    commit_first: bool
    """Begin an attempt only when its start is on disk, so that a power cut cannot make it forgotten. Default False."""
    branch: bool
    """The task returns the names of those of its direct downstreams that are to run; the others are skipped."""
    short_circuit: bool
    """The task returns something true, or all that is below it is skipped."""
    ignore_downstream_trigger_rules: bool
    """Let a short circuit skip all that is below it, whatever the rules there; if False, only its direct downstreams,
    and then their rules say what follows. Default True."""
    sensor: bool
    """The task looks for something, and is called again and again until it has seen it."""
    poll_interval: Duration
    """Seconds between two looks of a sensor. Default 60."""
    poll_backoff: float
    """Each pause of a sensor is so many times the one before. Default 1."""
    max_poll_interval: Duration | None
    """The longest of these pauses. Default: a year."""
    poll_timeout: Duration | None
    """How long after its first look a sensor gives up; None for never. Default 7 days."""
    soft_fail: bool
    """A sensor that gives up is skipped, and has not failed. Default False."""
    waits_for: str | None
    """What the task waits for when it comes too early, for those who ask why: "the file {path}" stands for its argument
    `path`. Default: nothing is said."""
    approval: bool
    """The task asks a person for those of its arguments that its call leaves open, before its body is called."""
    deadline: Duration | None
    """How long after it has asked an approval waits for the answer. Default: for ever."""
    default: Mapping[str, Any] | None
    """The answer that counts when nobody has answered an approval by its deadline. Default: it fails then."""
    setup: bool
    """The task makes what others need: if one of those fails, its teardowns still run."""
    teardown: bool
    """The task clears away what its setups made, whatever became of the tasks in between."""
    on_failure_fail_run: bool
    """Let the run fail if this teardown does. Default False."""
    max_active_instances: int | None
    """How many instances of a mapped task may be under way at once. Default: no bound."""
    pool: str | None
    """The pool of which each attempt takes slots while it runs; others wait until slots are free. Default: none."""
    pool_slots: int
    """How many slots of its pool an attempt takes. Default 1."""
    concurrency: int | None
    """How many attempts of this task may run at once, in all runs of the store together. Default: no bound."""
    priority_weight: int | None
    """Where not all that is ready can run at once, what weighs more goes first. Default: what is farther from the end
    does; where other tasks are given a weight, 1."""
    weight_rule: WeightRule | None
    """Whether a task weighs with all that is below it ("downstream", the default), above it ("upstream") or alone
    ("absolute")."""
    map_name: str | None
    """What each instance of a mapped task is called: "{region}" stands for its argument `region`."""
    on_success: Callback | None
    """Called with a Notice when the task has succeeded."""
    on_failure: Callback | None
    """Called with a Notice when the task has failed for good."""
    on_retry: Callback | None
    """Called with a Notice when an attempt has failed and will be followed by another."""
    on_skip: Callback | None
    """Called with a Notice when the task was skipped, by itself or because of what became of others."""
    on_execute: Callback | None
    """Called with a Notice when an attempt has begun."""
    on_ask: Callback | None
    """Called with a Notice when an approval has begun to wait for what a person decides."""


NO_OPTIONS: TaskOptions = {}


def options_of(task: Task, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """All that is said of a task: by itself, by the groups around it and, last, by the `defaults` of its workflow."""
    if task.group is not None and task.group.all_defaults:
        return {**defaults, **task.group.all_defaults, **task.options}
    return {**defaults, **task.options} if defaults else task.options
