"""The contract of a store: what survives of runs, in six parts.

- Journal: the events of each run, in order, in batches. It is the truth; everything else about a run can be derived.
- Leases: who drives a run. One driver at a time, and a dead driver's lease is free.
- Inbox: what others want of a running run. Only its driver takes it out.
- History: the row of each run, its plans, and how long the tasks of the newest runs took.
- Pools: how much may go on at a time, over all runs.
- Schedules: when workflows are due, and what was decided about it. They stand in schedules.py.

A store never interprets an event. It is used from many threads, and serialises its own writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.engine.events import Event
from penstock.store.schedules import Schedules

RETRY_FOR = 30.0
"""How long what a store refuses is tried again, in seconds, before the run that needs it is given up for now."""

DURATIONS_KEPT = 5
"""Of how many runs of each workflow it is kept how long their tasks took."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """What history knows of a run without reading its journal."""

    id: str
    workflow: str
    state: str
    """queued, running, waiting, success, failed or cancelled. An interrupted run reads "running" and has no holder; a
    "waiting" one is parked: nobody needs to drive it before `wake_at`, or before a message comes."""
    params: str
    """JSON object of the run's parameters, encoded as task values are."""
    plan: str
    """Fingerprint of the plan that the run began with; its journal says which it followed later."""
    source: str | None
    """FILE or FILE:NAME from which the workflow can be loaded again; None where there is no file."""
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    """Why the run failed or was cancelled, in one line."""
    tasks: int = 0
    """How many tasks the plan has."""
    counts: str = "{}"
    """JSON object: state of tasks -> how many, as of the last change of the run's state."""
    undelivered: int = 0
    """How many notices of the run are still to be delivered, as of the last change of this number."""
    wake_at: float | None = None
    """When a waiting run goes on, in seconds since 1970. None: only a message wakes it, and then this becomes 0.0."""
    parent: str | None = None
    """Id of the run that this one is a part of."""
    part: str | None = None
    """Which part: JSON array of the parent's task, its index and its generation."""
    logical_at: float | None = None
    """The logical time, in seconds since 1970: when the run was due. None for a run that is for no time."""
    interval_start: float | None = None
    interval_end: float | None = None
    """The data interval: from its start up to its end, which is no part of it."""
    timezone: str | None = None
    """Name of the zone in which these times are meant; None for UTC."""
    trigger: str = "manual"
    """What began it. manual: somebody, by hand or by a program. schedule: its workflow's. workflow: another run."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the tasks of one run took."""

    plan: str
    """Fingerprint of the plan that they are in."""
    body: bytes
    """What runtime/durations.py makes of them; to a store, bytes."""


@dataclass(frozen=True, slots=True)
class RunChange:
    """New values for a run's row, written together with the events that caused them. None keeps what is there, but
    for `ended_at` and `error`, which a run that goes on again clears by `reopened`, and for `wake_at`."""

    state: str | None = None
    tasks: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    counts: str | None = None
    undelivered: int | None = None
    durations: Durations | None = None
    """Kept beside the row, for `Store.durations`: with the events, or right after them."""
    reopened: bool = False
    wake_at: float | None = None
    """Goes with the state "waiting", where None is a value too; any other new state clears it, and without a new state
    it is left as it is. A run whose inbox is not empty then is due at once: its `wake_at` becomes 0.0."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that drives a run."""

    pid: int
    host: str
    since: float
    heard_at: float
    """When it last gave a sign of life, in seconds since 1970. A driver that has been silent for long hangs, was
    stopped or is cut off: it is shown as such, and keeps its run as long as the store can tell that it lives."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something asked of a run, e.g. kind "cancel". `body` is a JSON object."""

    id: int
    kind: str
    body: str
    at: float


@dataclass(frozen=True, slots=True)
class Pool:
    """A number of slots that all runs share. Only what living drivers hold and want is counted."""

    name: str
    slots: int
    used: int
    """How many slots are held. More than there are, for a while, where their number was lowered."""
    waiting: int
    """How many runs want more slots than they hold."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """What a run with a living driver holds and wants of a pool."""

    run_id: str
    granted: int
    """How many slots it holds."""
    wanted: int
    """How many it wants in all: more than it holds if it waits."""
    priority: int
    since: float | None
    """Since when it waits, in seconds since 1970; None if it does not."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of a claim."""

    granted: int
    """How many slots the run holds from now on: what it uses, and up to what it wants."""
    contested: bool
    """Whether another run with a living driver wants more than it holds."""


class Lease(Protocol):
    """The right to drive one run, held until released or until this process dies."""

    run_id: str
    token: int
    """The fencing token: it grows with every lease of the run, and a write with an older one is refused."""
    lost: bool
    """Whether this process has learned that somebody else took the run. Only `append` finds out for certain. A listener
    of the run is woken when it is learned."""

    def release(self) -> None:
        """Give the run back, and all slots that it holds. Releasing twice is harmless."""


class Listener(Protocol):
    """Where the driver of a run sleeps between two things to do."""

    def wait(self, timeout: float | None) -> bool:
        """Sleep until poked, woken by another process, or `timeout` seconds passed. True if something may have come.

        A wake-up is a hint: it may come for nothing, and one from another process may come up to a second late.
        """

    def poke(self) -> None:
        """Wake the sleeper, from any thread or signal handler of this process; an early poke is not lost."""

    def close(self) -> None:
        """Stop listening."""


class Store(Schedules, Protocol):
    """See the module's text. Errors: StoreError and its families for the store itself, RunNotFound for unknown runs."""

    durable: bool
    """Whether what is written survives the process."""
    always_safe: bool
    """Whether every commit is safe when it returns, so that nothing is left to `sync`."""

    # --- Journal

    def append(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        change: RunChange | None = None,
        taken: Sequence[int] = (),
        safe: bool = False,
    ) -> None:
        """Write `events` as one batch at the end of the run's journal, with `change` of its row, and remove the
        messages `taken` from its inbox: all of it or nothing. When it returns, the batch is *written* (it survives kill
        -9); with `safe` it, and everything written before, also survives power loss. LeaseLost if a newer lease was
        given out.

        After any other StoreError the caller may append the same batch again, under the same lease and with nothing in
        between: it is then in the journal once, even if the first commit succeeded and only its answer was lost."""

    def sync(self) -> None:
        """Make everything written so far safe."""

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The batches of a run after the batch numbered `after`, each with its number, which counts from 1.

        StoreCorrupt if a batch is missing or its chained checksum does not fit."""

    # --- Leases

    def acquire(self, run_id: str) -> Lease:
        """Become the driver of a run. RunLocked if somebody lives who is."""

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run now; None if nobody alive does."""

    # --- Inbox

    def post(self, run_id: str, kind: str, body: str = "{}") -> None:
        """Put a message into a run's inbox (safe when it returns) and wake its driver. A run that waits is due now."""

    def messages(self, run_id: str) -> list[Message]:
        """What is in the inbox, oldest first. `append(taken=)` removes."""

    def listen(self, run_id: str) -> Listener:
        """A place to sleep for the driver of a run."""

    # --- History

    def create_run(self, run: RunRow, plan: bytes) -> None:
        """Put a new run on record, safely, with its plan (stored once per fingerprint), for whoever acquires it.
        LogicalTimeTaken if its workflow has had a run for its logical time."""

    def start_run(self, run: RunRow, plan: bytes) -> Lease:
        """Put a new run on record as `create_run` does and become its driver, in one step: nobody can come between."""

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow, if it is not kept yet."""

    def plan(self, fingerprint: str) -> bytes:
        """A plan that was kept. StoreError if it is not there."""

    def run(self, run_id: str) -> RunRow:
        """The run with this id, or with the only id that begins so. RunNotFound says whether none or several do."""

    def runs(
        self,
        workflow: str | None = None,
        *,
        limit: int | None = None,
        states: Collection[str] | None = None,
        trigger: str | None = None,
        since: float | None = None,
        before: tuple[float, str] | None = None,
    ) -> list[RunRow]:
        """Runs, newest first; those of one instant, the last that was put on record first. Only those of a workflow, in
        one of some states, with a trigger, created at `since` or later. `before` are the `created_at` and the id of the
        run after which to go on. If that run is gone, all others of its instant are given (again): nobody is left out.
        An index answers, by the workflow and the states, so that a page takes no longer where there are many runs."""

    def newest_runs(self) -> list[RunRow]:
        """The newest run of each workflow, by the names of the workflows."""

    def run_counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by workflow and state."""

    def changes(self) -> int:
        """A number that is another one whenever anything was written by anybody since it was asked for; it may be
        another one for nothing. It means something to this store object only. To ask costs less than to read."""

    def unfinished(self) -> list[RunRow]:
        """Runs that are queued or running, held or not, and those with undelivered notices; oldest first. Waiting runs
        are left out."""

    def due(self, now: float) -> list[RunRow]:
        """Waiting runs whose `wake_at` has come, held or not; those that have been due longest first."""

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first; none for a run that is not on record any more."""

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in those of the newest runs of a workflow that left word of it, newest run first: of
        DURATIONS_KEPT runs, since no more is kept. What a run left before is replaced by what it leaves again."""

    def delete_run(self, run_id: str) -> None:
        """Forget a run with its journal and durations, and plans that no other run ever followed. RunLocked while it is
        driven."""

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, safely, or give it another number of slots: 0 or more. What is held stays held."""

    def delete_pool(self, name: str) -> None:
        """Forget a pool, safely, and who waits for its slots. What is held stays held. PoolNotFound if it is not on
        record."""

    def pools(self) -> list[Pool]:
        """The pools on record, by name."""

    def pool_users(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool, be it on record or not: first those who wait, in the order of their
        turns, then the others, by the ids of their runs."""

    def claim(
        self,
        lease: Lease,
        pool: str,
        wanted: int,
        *,
        used: int = 0,
        capacity: int | None = None,
        priority: int = 0,
    ) -> Claim:
        """Want `wanted` slots of a pool for the run of this lease, which uses `used` of them: ValueError if it is more.

        It keeps what it uses. Of what is free it gets what it wants besides, as far as those do not want it who are
        ahead: of higher priority or, with the same, waiting for longer. Who gets less than he wants waits from then on,
        and keeps his place until he gets it all or wants no more than he uses; he claims again to learn what he gets
        meanwhile. So what is held and not used goes to those who wait by the next claim of its holder.

        `capacity` is how many slots there are if the pool is not on record. PoolNotFound if it is None then and more is
        wanted than is used. LeaseLost if a newer lease was given out.

        The drivers of waiting runs are poked when something comes free for them, and those who hold slots when somebody
        begins to wait. A poke is a hint, and nobody pokes when a driver dies: who waits has to claim now and then; that
        writes nothing while nothing changes. What dead drivers hold and want counts no more, and is removed."""

    def close(self) -> None:
        """Let go of everything. A store that was closed refuses work with StoreError."""
