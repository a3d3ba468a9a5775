"""What a WorkflowManager tells runs that go on, wherever they are driven: messages and decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.clock import Clock
    from penstock.runtime.approvals import Approval
    from penstock.runtime.deciding import Verdict
    from penstock.runtime.history import History
    from penstock.runtime.record import Run


class Messaging:
    """A part of WorkflowManager."""

    _clock: Clock

    @property
    def _history(self) -> History:
        raise NotImplementedError

    def get(self, run_id: str | None = None) -> Run:
        """See WorkflowManager.get."""
        raise NotImplementedError

    def send(self, run_id: str | None, topic: str, value: Any = None, *, by: str | None = None) -> Run:
        """Send a run (by default the newest) a message, for the task that receives this topic: now or later, or when
        the run goes on if nobody drives it. `value` is plain: a number, a text, a date, or a list or dict of such, and
        not larger than a megabyte. It is on disk when this returns; the run as it is now.

        RunEnded for a run that has ended; PenstockError for what cannot be sent."""
        from penstock.runtime.sending import send

        return self.get(send(self._history, run_id, topic, value, _name(by)))

    def approve(
        self,
        run_id: str | None,
        task: str,
        /,
        *,
        values: Mapping[str, Any] | None = None,
        by: str | None = None,
        note: str = "",
        **inputs: Any,
    ) -> Run:
        """Approve what a task waits for, and answer what it asks; the run as it is now. An input `approved` that is not
        given is true. What is asked for is given by name or, where a name collides, in `values`.

        All is checked before anything is sent: ParameterError names what is missing or of a wrong type. A driver takes
        the decision before this returns; if nobody drives the run it is on disk, and counts when the run goes on.
        TaskNotFound; RunEnded; NotWaiting for a task that waits for no decision, or has one already."""
        from penstock.runtime.deciding import Verdict

        return self.decide(run_id, task, Verdict(True, _name(by), note, {**(values or {}), **inputs}))

    def reject(
        self,
        run_id: str | None,
        task: str,
        /,
        *,
        values: Mapping[str, Any] | None = None,
        by: str | None = None,
        note: str = "",
        **inputs: Any,
    ) -> Run:
        """Reject it: an input `approved` that is not given is false. A task that does not ask for `approved` is
        skipped. Else as `approve`."""
        from penstock.runtime.deciding import Verdict

        return self.decide(run_id, task, Verdict(False, _name(by), note, {**(values or {}), **inputs}))

    def decide(
        self, run_id: str | None, task: str, verdict: Verdict, *, waiting: Callable[[], None] | None = None
    ) -> Run:
        """What `approve` and `reject` do; `waiting` is called if the driver takes long to take it."""
        from penstock.runtime.deciding import decide

        return self.get(decide(self._history, run_id, task, verdict, self._clock, waiting))

    def approvals(self, run_id: str | None = None) -> list[Approval]:
        """What waits for somebody's decision: in one run, or in all; what was asked first comes first."""
        from penstock.runtime.deciding import approvals

        return approvals(self._history, run_id)


def _name(by: str | None) -> str:
    from getpass import getuser

    return getuser() if by is None else by
