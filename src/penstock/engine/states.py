"""The states of tasks and runs, and the one table of how a task moves between them.

Rule 1: nobody assigns a task's state but by way of this table.
Rule 2: a pair that is not in the table is an error, and changes nothing.

The diagram in the documentation is drawn from TRANSITIONS.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class TaskState(IntEnum):
    """Where a task stands. Numbers, since a run holds one byte a task."""

    PENDING = 0
    """Waits for its upstreams."""
    READY = 1
    """Waits for a worker."""
    RUNNING = 2
    """An attempt is under way."""
    RETRYING = 3
    """An attempt failed; the next one waits for its time."""
    DEFERRED = 4
    """An attempt found that it is too early; the next one waits for its time."""
    EXPANDED = 5
    """A mapped task whose instances go on."""
    SUCCESS = 6
    FAILED = 7
    SKIPPED = 8
    """Did not run, or said itself that there was nothing to do."""
    UPSTREAM_FAILED = 9
    """Did not run, since something it depends on failed."""
    CANCELLED = 10
    REMOVED = 11
    """An instance of a map that has become narrower since."""

    @property
    def label(self) -> str:
        """The state as users see it."""
        return self.name.lower()


class Cause(IntEnum):
    """Why a task moves."""

    ALLOWED = 0
    """Its rule lets it run."""
    UPSTREAM_FAILED = 1
    SKIPPED = 2
    STARTED = 3
    SUCCEEDED = 4
    FAILED = 5
    FAILED_WITH_RETRY = 6
    RETRY_DUE = 7
    LOST = 8
    STOPPED = 9
    """The driver ended before the attempt did."""
    CANCELLED = 10
    RESET = 11
    """Somebody wants the task to run (again): by resume or rerun."""
    EXPANDED = 12
    """It is known how many instances a mapped task has."""
    REMOVED = 13
    """A map has become narrower."""
    MARKED_SUCCESS = 14
    """Somebody says what is to be taken for the outcome."""
    MARKED_FAILED = 15
    MARKED_SKIPPED = 16
    DEFERRED = 17
    """It is too early."""
    WOKEN = 18
    """It may not be any more."""


class RunState(StrEnum):
    """Where a run stands, as its engine sees it. Whether anybody drives it is not the engine's business."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S, _C = TaskState, Cause

TRANSITIONS: dict[tuple[TaskState, Cause], TaskState] = {
    (_S.PENDING, _C.ALLOWED): _S.READY,
    (_S.PENDING, _C.UPSTREAM_FAILED): _S.UPSTREAM_FAILED,
    (_S.PENDING, _C.SKIPPED): _S.SKIPPED,
    (_S.PENDING, _C.CANCELLED): _S.CANCELLED,
    (_S.PENDING, _C.EXPANDED): _S.EXPANDED,
    (_S.READY, _C.STARTED): _S.RUNNING,
    (_S.READY, _C.EXPANDED): _S.EXPANDED,
    (_S.READY, _C.SKIPPED): _S.SKIPPED,
    (_S.READY, _C.FAILED): _S.FAILED,
    (_S.READY, _C.CANCELLED): _S.CANCELLED,
    (_S.READY, _C.RESET): _S.PENDING,
    (_S.RUNNING, _C.SUCCEEDED): _S.SUCCESS,
    (_S.RUNNING, _C.FAILED): _S.FAILED,
    (_S.RUNNING, _C.SKIPPED): _S.SKIPPED,
    (_S.RUNNING, _C.FAILED_WITH_RETRY): _S.RETRYING,
    (_S.RUNNING, _C.LOST): _S.READY,
    (_S.RUNNING, _C.STOPPED): _S.READY,
    (_S.RUNNING, _C.CANCELLED): _S.CANCELLED,
    (_S.RUNNING, _C.DEFERRED): _S.DEFERRED,
    (_S.RETRYING, _C.RETRY_DUE): _S.READY,
    (_S.RETRYING, _C.CANCELLED): _S.CANCELLED,
    (_S.RETRYING, _C.RESET): _S.PENDING,
    (_S.DEFERRED, _C.WOKEN): _S.READY,
    (_S.DEFERRED, _C.CANCELLED): _S.CANCELLED,
    (_S.DEFERRED, _C.RESET): _S.PENDING,
    (_S.EXPANDED, _C.SUCCEEDED): _S.SUCCESS,
    (_S.EXPANDED, _C.FAILED): _S.FAILED,
    (_S.EXPANDED, _C.SKIPPED): _S.SKIPPED,
    (_S.EXPANDED, _C.UPSTREAM_FAILED): _S.UPSTREAM_FAILED,
    (_S.EXPANDED, _C.CANCELLED): _S.CANCELLED,
    (_S.EXPANDED, _C.RESET): _S.PENDING,
    **{
        (state, cause): moved
        for state in (_S.PENDING, _S.READY, _S.RETRYING, _S.DEFERRED)
        for cause, moved in (
            (_C.MARKED_SUCCESS, _S.SUCCESS),
            (_C.MARKED_FAILED, _S.FAILED),
            (_C.MARKED_SKIPPED, _S.SKIPPED),
            (_C.REMOVED, _S.REMOVED),
        )
    },
    **{
        (state, cause): moved
        for state in (_S.SUCCESS, _S.FAILED, _S.SKIPPED, _S.UPSTREAM_FAILED, _S.CANCELLED)
        for cause, moved in ((_C.RESET, _S.PENDING), (_C.REMOVED, _S.REMOVED))
    },
    (_S.REMOVED, _C.RESET): _S.PENDING,
}

ENDED = frozenset(state for state in TaskState if state >= TaskState.SUCCESS)
"""States that nothing but a reset leaves, or a map that becomes narrower."""

# The same table for the engine's inner loop: NEXT_STATE[state][cause], -1 where there is no row.
NEXT_STATE = tuple(tuple(int(TRANSITIONS.get((state, cause), -1)) for cause in Cause) for state in TaskState)
