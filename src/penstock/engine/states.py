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
    SUCCESS = 4
    FAILED = 5
    UPSTREAM_FAILED = 6
    """Did not run, since something it depends on failed."""
    CANCELLED = 7

    @property
    def label(self) -> str:
        """The state as users see it."""
        return self.name.lower()


class Cause(IntEnum):
    """Why a task moves."""

    UPSTREAMS_SUCCEEDED = 0
    UPSTREAM_FAILED = 1
    STARTED = 2
    SUCCEEDED = 3
    FAILED = 4
    FAILED_WITH_RETRY = 5
    RETRY_DUE = 6
    LOST = 7
    STOPPED = 8
    """The driver ended before the attempt did."""
    CANCELLED = 9
    RESET = 10
    """Somebody wants the task to run (again): by resume or rerun."""


class RunState(StrEnum):
    """Where a run stands, as its engine sees it. Whether anybody drives it is not the engine's business."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S, _C = TaskState, Cause

TRANSITIONS: dict[tuple[TaskState, Cause], TaskState] = {
    (_S.PENDING, _C.UPSTREAMS_SUCCEEDED): _S.READY,
    (_S.PENDING, _C.UPSTREAM_FAILED): _S.UPSTREAM_FAILED,
    (_S.PENDING, _C.CANCELLED): _S.CANCELLED,
    (_S.READY, _C.STARTED): _S.RUNNING,
    (_S.READY, _C.CANCELLED): _S.CANCELLED,
    (_S.READY, _C.RESET): _S.PENDING,
    (_S.RUNNING, _C.SUCCEEDED): _S.SUCCESS,
    (_S.RUNNING, _C.FAILED): _S.FAILED,
    (_S.RUNNING, _C.FAILED_WITH_RETRY): _S.RETRYING,
    (_S.RUNNING, _C.LOST): _S.READY,
    (_S.RUNNING, _C.STOPPED): _S.READY,
    (_S.RUNNING, _C.CANCELLED): _S.CANCELLED,
    (_S.RETRYING, _C.RETRY_DUE): _S.READY,
    (_S.RETRYING, _C.CANCELLED): _S.CANCELLED,
    (_S.RETRYING, _C.RESET): _S.PENDING,
    (_S.SUCCESS, _C.RESET): _S.PENDING,
    (_S.FAILED, _C.RESET): _S.PENDING,
    (_S.UPSTREAM_FAILED, _C.RESET): _S.PENDING,
    (_S.CANCELLED, _C.RESET): _S.PENDING,
}

ENDED = frozenset({TaskState.SUCCESS, TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED})
"""States that nothing but a reset leaves."""

# The same table for the engine's inner loop: NEXT_STATE[state][cause], -1 where there is no row.
NEXT_STATE = tuple(tuple(int(TRANSITIONS.get((state, cause), -1)) for cause in Cause) for state in TaskState)
