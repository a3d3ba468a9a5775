"""Runs that a manager drives beside its caller, and wakes when they were parked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from penstock.launching import Driving, Launching

if TYPE_CHECKING:
    from penstock.runtime.drive import Drive
    from penstock.runtime.loader import Flow
    from penstock.runtime.record import Run
    from penstock.runtime.started import StartedRuns
    from penstock.store.base import RunRow


class Starting(Launching):
    """A manager's runs that go on by themselves."""

    _started: StartedRuns | None = None
    """Made when the first is started."""

    def _beside(self, driving: Driving, flow: Flow) -> Run:
        """Drive a run in a thread of its own; it is parked where it only waits, and woken."""
        row = driving.session.row
        run = self._history.run(replace(row, state="running"))
        self._runs.start(row.id, self._as_drive(driving), partial(self._wake, row.id, flow))
        return run

    def _wake(self, run_id: str, flow: Flow | None = None, *, due_only: bool = False) -> Drive | Run:
        """Take over a run that is parked, to drive it beside the caller; with `due_only`, one that is due, or that has
        lost its driver."""
        from penstock.runtime.takeover import adopt

        def wanted(row: RunRow) -> bool:
            is_due = row.wake_at is not None and row.wake_at <= self._clock.time()
            return (row.state != "waiting" or is_due) if due_only else row.state == "waiting"

        taken = self._take(run_id, flow, adopt, by_hand=False, wanted=wanted)
        return self._as_drive(taken) if isinstance(taken, Driving) else taken

    def _as_drive(self, driving: Driving) -> Drive:
        from penstock.runtime.drive import Drive

        host, lease = driving.host, driving.session.lease
        return Drive(
            lambda: self._drive(driving, park=True)[0],
            partial(host.stop, lease.run_id),
            partial(host.is_behind, lease.run_id),
            lease.release,
        )

    @property
    def _runs(self) -> StartedRuns:
        from penstock.runtime.started import StartedRuns

        with self._making:
            if self._started is None:
                self._started = StartedRuns(lambda: self._history, self._clock, self._equipment.park_after)
            return self._started
