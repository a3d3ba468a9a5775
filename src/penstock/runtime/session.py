"""One driver's time with a run: everything that lives only while it is driven is made here and taken down again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.clock import SYSTEM, Clock
from penstock.engine.events import Event
from penstock.engine.priorities import ranks
from penstock.engine.run import RunEngine
from penstock.executor.capture import Capture, current_output
from penstock.executor.context import RunContext
from penstock.executor.values import RunValues
from penstock.logs.base import place
from penstock.plan.compile import Compiled
from penstock.runtime.driver import RunDriver
from penstock.runtime.durations import learned
from penstock.runtime.history import History
from penstock.runtime.host import Host
from penstock.runtime.observer import Observer
from penstock.runtime.outbox import Deliver
from penstock.store.base import Lease, RunChange, RunRow


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
    ) -> str | None:
        """Drive the run until it ends or is interrupted; the reason of the interruption, or None."""
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
            look_for_newer=lambda: self._has_newer(kept),
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
        )
        context.commit = driver.commit_start
        shows: list[Any] = [observer for observer in observers if hasattr(type(observer), "echo")]
        echo = shows[0].echo if shows else None
        try:
            with Capture(current_output, echo=echo):
                return driver.drive(self.opening, self.change, self.stale)
        finally:
            log.close()

    def _has_newer(self, kept: History) -> bool:
        """Whether another run of the workflow has been created since."""
        newest = kept.store.runs(self.row.workflow, limit=1)
        return bool(newest) and newest[0].id != self.row.id
