"""The part of a store's contract that is about schedules: when workflows are due, and what was decided about it.

A *tick* is one instant at which a workflow is due, its *logical time*. The *cursor* of a schedule is the instant up to
which everything is decided: every tick up to it has its run, was collapsed into a later one, or was skipped. It only
moves forward, and only by `decide`, in one commit with what was decided. So with any number of services on a store, of
all who decide from the same cursor exactly one does, no tick has two runs, and none is passed over.

Beside it stands a law of its own: a workflow has at most one run for a logical time, for ever. Whoever puts the first
on record has it, be it by `decide` or by hand, and that it was had is remembered when the run is deleted. Runs that are
a part of another have its logical time, and do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from penstock.store.base import RunRow

TICKS_KEPT = 1_000
"""How many of the newest decisions about each workflow stay as they are, if nobody says another number."""


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A workflow that a service knows, and when it is due. The store interprets nothing but `upto` and `paused`."""

    workflow: str
    source: str | None
    """FILE or FILE:NAME from which the workflow can be loaded."""
    version: str
    """Which version of its code was seen last."""
    timetable: str | None
    """The timetable as JSON; None where there is none, or where it is code that only the file holds."""
    text: str | None
    """The timetable in words; None where the workflow has none."""
    timezone: str
    catchup: str
    """all, latest or none: what becomes of ticks that were missed."""
    max_active_runs: int
    deadline: float | None
    """Within how many seconds of its logical time a run must have ended."""
    upto: float
    """The cursor, in seconds since 1970."""
    paused: bool = False
    seen_at: float = 0.0
    """When a service last found the workflow, in seconds since 1970."""
    error: str | None = None
    """Why the newest version of it cannot be used, if it cannot."""
    about: str = "{}"
    """JSON object: what else the service has learned of the workflow, such as its parameters."""


@dataclass(frozen=True, slots=True)
class TickRow:
    """What was decided about one tick, or about several that follow each other. Times are in seconds since 1970."""

    what: str
    """created, collapsed or skipped."""
    first: float
    last: float
    """The logical times of the first and the last of them; both are the same where it is one."""
    count: int
    run_id: str | None
    """created: its run, be it still on record or not; None for several, of which no more is kept than this. collapsed:
    the run that stands for them. skipped: None."""
    decided_at: float
    """When the last of these decisions was taken."""


class Schedules(Protocol):
    """See the module's text. Errors: StoreError and its families for the store itself, and as said."""

    def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record, safely, all or none. Of one that is there already, everything is replaced but its
        cursor and whether it is paused: whatever the row says of these, they stay."""

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by the names of their workflows."""

    def schedule(self, workflow: str) -> ScheduleRow:
        """The schedule of a workflow. ScheduleNotFound if there is none."""

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on, safely. When it returns, nothing is decided about a paused one any more.
        ScheduleNotFound if there is none."""

    def forget_schedule(self, workflow: str) -> None:
        """Forget the schedule of a workflow that is gone, safely, and its cursor with it. What was decided stays on
        record: should the workflow come back, no logical time has its run a second time. Harmless if there is none."""

    def decide(
        self,
        workflow: str,
        upto_was: float,
        upto: float,
        runs: Sequence[tuple[RunRow, bytes]] = (),
        missed: Sequence[TickRow] = (),
    ) -> bool:
        """Move the cursor of a schedule from `upto_was` to `upto`, put `runs` on record, each with its plan as
        `create_run` does, and note `missed`: all of it or nothing, and all of it safe when it returns.

        False, with nothing done, if the cursor does not stand at `upto_was` (another service was first, or the schedule
        is forgotten) or the schedule is paused: read it again. ValueError if `upto` is not later than `upto_was`,
        for runs of another workflow, and for two of the same id.

        A run whose logical time has had one, e.g. by hand, is left out, and the rest is done. After a StoreError it may
        have been done all the same; the cursor tells."""

    def ticks(
        self, workflow: str, *, limit: int | None = None, before: tuple[float, str] | None = None
    ) -> list[TickRow]:
        """What was decided about a workflow, and which logical times have had runs by hand: latest logical times first.
        `before` are the `last` and the `what` of the row after which to go on."""

    def merge_ticks(self, keep: int = TICKS_KEPT) -> int:
        """Keep the newest `keep` rows of each workflow as they are, with those of the same time, and merge older ones:
        first those that follow each other and are of one kind, and then, if there are still more than `keep`, the
        oldest into one "created". A logical time within a row that was merged of created ones counts as one that has
        had its run. Gives how many rows are there less."""

    def active_runs(self, workflow: str) -> int:
        """How many runs of a workflow have not ended: queued, running and waiting ones, whoever began them."""
