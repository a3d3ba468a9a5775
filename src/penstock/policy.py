"""Values that definition, plan and engine share: how a task is to be treated, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar, get_args

T = TypeVar("T")


class TriggerRule(StrEnum):
    """What a task asks of its direct upstreams. What each comes to is told by the table of the law (engine/law.py)."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_DONE_SETUP_SUCCESS = "all_done_setup_success"
    """The rule of teardowns, and only of them."""
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALL_SKIPPED = "all_skipped"
    ALWAYS = "always"


EARLY_RULES = frozenset({TriggerRule.ONE_SUCCESS, TriggerRule.ONE_FAILED, TriggerRule.ONE_DONE, TriggerRule.ALWAYS})
"""Rules that may let a task start before all its upstreams have ended."""

Decides: TypeAlias = Literal["", "branch", "short_circuit"]
"""How a task decides which others run: a branch chooses among its direct downstreams, a short circuit all or none."""
RunStateRule: TypeAlias = Literal["any", "leaves"]
"""Which failures fail a run: any that counts, or those of its leaves."""

CatchUp: TypeAlias = Literal["all", "latest", "none"]
"""What becomes of the times of a schedule that were missed: each gets its run; one run stands for them all; or they are
left out."""

WeightRule: TypeAlias = Literal["downstream", "upstream", "absolute"]
"""Whose weights count for how soon a task is taken: its own and those of all tasks below it, or above it, or only its
own."""


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """How the attempts of a task are made. All durations are seconds. ValueError for what contradicts itself."""

    retries: int = 0
    """How many times a failed attempt is followed by another."""
    retry_delay: float = 0.0
    """Pause before the first retry."""
    retry_backoff: float = 1.0
    """Each further pause is this many times the one before."""
    max_retry_delay: float | None = None
    """No pause is longer."""
    retry_jitter: float = 0.0
    """A pause is stretched by a factor between 1 and 1 + this, drawn anew for each attempt."""
    timeout: float | None = None
    """How long one attempt may run."""
    share: bool = False
    """Give the task's value to all its consumers as one object, whatever its type."""
    at_most_once: bool = False
    """Once an attempt has begun, none follows it by itself, whatever became of it. Its start is safe before its body
    begins."""
    commit_first: bool = False
    """The start of each attempt is safe before its body begins."""
    notices: tuple[str, ...] = ()
    """What the task has a callback for, of TASK_NOTICES."""
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    allow_failure: bool = False
    """The task's failure does not fail the run."""
    setup: bool = False
    teardown: bool = False
    on_failure_fail_run: bool = False
    """A teardown whose failure fails the run."""
    decides: Decides = ""
    max_active_instances: int | None = None
    """How many instances of a mapped task may be under way at once."""
    pool: str | None = None
    """The pool of which each attempt takes slots while it runs."""
    pool_slots: int | None = None
    """How many, if it is more than one."""
    concurrency: int | None = None
    """How many attempts of the task may run at once, in all runs of the store together."""
    priority_weight: int | None = None
    """How soon the task is taken once it is ready: the heavier, the sooner. None if nobody says."""
    weight_rule: WeightRule | None = None
    """Whose weights count for the task beside its own; None for the default, "downstream"."""
    polling: Polling | None = None
    """How the task waits for what is not there yet, if it is a sensor."""
    asking: Asking | None = None
    """What the task asks of a person before its body is called, if it is an approval."""
    waits_for: str | None = None
    """What the task waits for when it comes too early, in words, if somebody says."""
    workflow: str | None = None
    """The name of the workflow that the task runs, if it runs one."""

    def __post_init__(self) -> None:
        if self.at_most_once and self.retries:
            raise ValueError("a task that begins at most one attempt has no retries")

    @property
    def failure_counts(self) -> bool:
        """Whether the run fails if the task does."""
        return not self.allow_failure and (self.on_failure_fail_run or not self.teardown)


def misnamed_pool(name: object) -> str:
    """Why this cannot be the name of a pool, as the rest of a sentence; "" if it can."""
    if not isinstance(name, str):
        return "is not a text"
    if not name or name != name.strip() or not name.isprintable() or len(name) > LONGEST_POOL_NAME:
        return (
            f"is no name for a pool: it takes 1 to {LONGEST_POOL_NAME} printable characters, and no space at its ends"
        )
    return "is no name for a pool: it begins with '['" if name.startswith("[") else ""


LONGEST_POOL_NAME = 200


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a sensor returns when it has seen what it waits for: the task's value."""

    value: T


@dataclass(frozen=True, slots=True)
class Polling:
    """How a task looks at the world again and again until its time has come. Times are in seconds."""

    interval: float = 60.0
    backoff: float = 1.0
    """Each pause is so many times the one before."""
    longest: float | None = None
    timeout: float | None = None
    """How long after its first look it gives up."""
    soft_fail: bool = False
    """Giving up is no failure: the task is skipped."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What an approval asks of a person. It says all that is needed to show it and to check an answer."""

    text: str
    """What the person is asked: the docstring of the function."""
    inputs: str
    """JSON Schema of what the answer consists of, as text: an object with a property for each input."""
    deadline: float | None = None
    """How many seconds after it was asked an answer is not waited for any longer."""
    default: str | None = None
    """The answer that counts then, as a JSON object; None if the task has failed then."""


DECISIONS = "approval:"
"""How the topics of messages begin that bring decisions about approvals."""
RUN_ENDS = "run:"
"""How the topics of messages begin that say of another run that it has ended."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What follows when an attempt fails with an exception of this class, or of one of these. Of several rules the
    first that fits counts; what none fits goes by `retry_on`."""

    exception: type[BaseException] | tuple[type[BaseException], ...]
    retry: bool = True
    """Whether another attempt may follow; if not, the task has failed."""
    delay: float | timedelta | None = None
    """Pause before the next attempt, in the place of the usual one."""


MAX_LOST_ATTEMPTS = 3
"""How many attempts of a task may vanish with their worker or driver before the task is failed, so that a task which
kills whatever runs it cannot do so for ever."""


# --- What is told of a run


class ErrorText(NamedTuple):
    """An exception as text."""

    type: str
    """Qualified name of its class."""
    message: str
    traceback: str = ""
    kept: str = ""
    """The exception itself, where it could be kept and nothing was tried after it: pickled, in base64. The `results`
    package makes and reads it."""


NoticeKind: TypeAlias = Literal[
    "task_started",
    "task_success",
    "task_failed",
    "task_retry",
    "task_skipped",
    "task_asks",
    "run_started",
    "run_success",
    "run_failed",
    "run_cancelled",
    "run_late",
]

TASK_NOTICES = ("success", "failed", "retry", "skipped", "started", "asks")
"""What a task may have a callback for: it succeeded, failed for good, failed an attempt that another will follow, was
skipped, began an attempt, or began to wait for what a person decides."""
RUN_NOTICES = ("success", "failed", "cancelled", "started")
"""What a run may have a callback for: the ways in which it can end, and its beginning."""
NOTICE_KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
USUAL_NOTICES: tuple[NoticeKind, ...] = (
    "task_failed",
    "task_asks",
    "run_success",
    "run_failed",
    "run_cancelled",
    "run_late",
)
"""What a notifier is told of that does not say what it wants."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened in a run, as a callback or notifier is told of it: at least once."""

    id: str
    """The same whenever this notice is delivered, and no other notice's: who must not act twice remembers it."""
    kind: NoticeKind
    run_id: str
    workflow: str
    task: str | None
    """The task's name; None where it is told of the run."""
    generation: int
    """How often the task had been run again by hand, or the run had ended, before."""
    attempt: int
    """The attempt's number, from 1; 0 where it is told of the run, or of a task that was skipped before it began."""
    at: float
    """When it happened, in seconds since 1970."""
    error: ErrorText | None
    """Why the attempt failed, or the run did not succeed."""
    receiver: str = ""
    """The name of the notifier that it is for; "" for the callback in the workflow's definition."""
    reason: str = ""
    """Why the task skipped itself, where it says so, or what it asks."""
    stands_for: tuple[str, ...] = ()
    """The ids of the notices that this one is delivered for, its own among them, where a notifier's limit lets only one
    through for many."""


Callback: TypeAlias = Callable[[Notice], object]
"""What a task or workflow wants to be called when something happens; what it returns is ignored."""
