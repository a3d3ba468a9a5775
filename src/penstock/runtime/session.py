"""One driver's time with a run: everything that lives only while it is driven is made here and taken down again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.clock import SYSTEM, Clock
from penstock.engine.events import Event, RunResumed
from penstock.engine.priorities import ranks
from penstock.engine.run import RunEngine
from penstock.executor.capture import Capture, current_output
from penstock.executor.context import RunContext
from penstock.executor.values import RunValues
from penstock.logs.base import place
from penstock.plan.compile import Compiled
from penstock.runtime.driver import RunDriver
from penstock.runtime.durations import learned
from penstock.runtime.host import Host
from penstock.runtime.lanes import Lanes
from penstock.runtime.logical_times import time_of
from penstock.runtime.observer import Observer
from penstock.runtime.outbox import Deliver
from penstock.runtime.parking import Parking, knows_secrets
from penstock.store.base import Lease, RunChange, RunRow

if TYPE_CHECKING:
    from penstock.runtime.children import Nest
    from penstock.runtime.history import History


class Driven(NamedTuple):
    """How a driver's time with a run came to its end; the run has ended, if it is neither interrupted nor parked."""

    interrupted: str | None
    """By what."""
    parked: Parking | None


@dataclass(frozen=True, slots=True)
class Session:
    """A run that is about to be driven."""

    row: RunRow
    lease: Lease
    engine: RunEngine
    """Brought to where the journal ends."""
    compiled: Compiled
    fingerprint: str
    """That of the compiled plan."""
    params: Mapping[str, Any]
    opening: Sequence[Event]
    """What sets the run going."""
    change: RunChange
    """The row of the run while it goes."""
    stale: Sequence[int] = ()
    """Messages in its inbox that were meant for an earlier time with the run."""
    since: float | None = None
    """When it was set going, if it is woken now; None if it is set going by this."""

    def drive(
        self,
        kept: History,
        host: Host,
        observers: Sequence[Observer],
        deliver: Deliver,
        *,
        full: bool,
        grace: float,
        clock: Clock = SYSTEM,
        catch_signals: bool = True,
        park_after: float | None = None,
        nest: Nest | None = None,
        lanes: Lanes | None = None,
    ) -> Driven:
        """Drive the run until it ends, is interrupted or, with `park_after`, is parked. `nest` begins the runs of its
        tasks, and `lanes` drive them."""
        children = None
        if nest is not None and lanes is not None and any(policy.workflow for policy in self.compiled.plan.policies):
            from penstock.runtime.children import Children

            children = Children(nest, self.engine, self.compiled, lanes, by_hand=self.is_by_hand, clock=clock)
        log = kept.logs.writer(self.row.id, self.fingerprint)
        context = RunContext(
            run_id=self.row.id,
            engine=self.engine,
            plan=self.compiled.plan,
            tasks=self.compiled.tasks,
            defaults=self.compiled.defaults,
            params=self.params,
            results=kept.results,
            values=RunValues(self.compiled.plan, self.engine, kept.results),
            write_log=lambda task, generation, attempt, stream, text: log.write(
                place(self.engine.row(task), self.engine.index(task)), generation, attempt, stream, text, clock.time()
            ),
            logical_time=time_of(self.row),
            look_for_newer=lambda: self._has_newer(kept),
            look_up=lambda run_id: _state_of(kept, run_id),
            clock=clock,
        )
        driver = RunDriver(
            engine=self.engine,
            context=context,
            store=kept.store,
            lease=self.lease,
            host=host,
            observers=observers,
            log=log,
            deliver=deliver,
            full=full,
            grace=grace,
            clock=clock,
            catch_signals=catch_signals,
            ranks=ranks(self.compiled.plan, learned(kept.store, self.compiled.plan, self.fingerprint)),
            fingerprint=self.fingerprint,
            park_after=None if knows_secrets(self.params) else park_after,
        )
        context.commit = driver.commit_start
        driver.children = context.children = children
        shows: list[Any] = [observer for observer in observers if hasattr(type(observer), "echo")]
        echo = shows[0].echo if shows else None
        try:
            with Capture(current_output, echo=echo):
                interrupted = driver.drive(self.opening, self.change, self.stale, self.since)
                return Driven(interrupted, driver.parked)
        finally:
            log.close()

    @property
    def is_by_hand(self) -> bool:
        """Whether somebody has set the run going; else it is taken over from a driver that died, or woken."""
        return not any(isinstance(event, RunResumed) and not event.by_hand for event in self.opening)

    def _has_newer(self, kept: History) -> bool:
        """Whether another run of the workflow has been created since; of one that is a task, another of that around it
        all."""
        from penstock.runtime.history import newest

        row = self.row
        while row.parent is not None and row.part is not None:
            row = kept.store.run(row.parent)
        found = newest(kept.store, 1, row.workflow)
        return bool(found) and found[0].id != row.id


def _state_of(kept: History, run_id: str) -> tuple[str, str]:
    """The whole id of a run and its state, as its row has them."""
    row = kept.store.run(run_id)
    return row.id, row.state
