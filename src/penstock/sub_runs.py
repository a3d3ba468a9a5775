"""Runs that are tasks of other runs: begun, taken over and cancelled by the manager of those."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.definition.secret import Secret
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import Fail, PlanMismatch, RunEnded, RunLocked, RunNotFound, TaskNotFound
from penstock.launching import Beside, Driving
from penstock.policy import RUN_ENDS
from penstock.runtime.part import Part
from penstock.starting import Starting

if TYPE_CHECKING:
    from penstock.definition.sub_workflow import WorkflowCall
    from penstock.definition.workflow import Workflow
    from penstock.plan.compile import Compiled
    from penstock.runtime.children import Nest
    from penstock.runtime.drive import Drive
    from penstock.runtime.history import History
    from penstock.runtime.loader import Flow
    from penstock.runtime.record import Run
    from penstock.runtime.takeover import Again
    from penstock.store.base import RunRow


class Nesting(Starting):
    """A manager's runs that have runs of their own as tasks."""

    def _nest(self, driving: Driving, park: bool) -> Nest:
        return SubRuns(self, driving, park)

    def _drive(self, driving: Driving, *, park: bool = False, in_parent: bool = False) -> tuple[Run, str | None]:
        run, interrupted = super()._drive(driving, park=park, in_parent=in_parent)
        row = driving.session.row
        if not in_parent and not interrupted and row.parent is not None and row.part is not None:
            self._tell_parent(run, row.parent)
        return run, interrupted

    def _take(self, run_id: str | None, workflow: Flow | None, again: Again, **options: Any) -> Driving | Run:
        from penstock.runtime.history import ENDED

        if not options.get("by_hand", True):
            row = self._history.row(run_id)
            if self._is_left_behind(row):
                self._cancel(row, f"run {row.parent}", once=True)
                row = self._history.row(row.id)
                if row.state in ENDED or self.parts.store.holder(row.id) is not None:
                    return self._history.run(row)  # else it has teardowns left
        return super()._take(run_id, workflow, again, **options)

    def _is_left_behind(self, row: RunRow) -> bool:
        """Whether a run was a task of one that has ended without it: its driver may have died while it cancelled them.
        A task that has failed with its run is another matter: somebody has resumed that alone."""
        from penstock.runtime.history import ENDED

        if row.part is None or row.parent is None or row.state in ENDED:
            return False
        try:
            parent = self._history.run(self.parts.store.run(row.parent))
            task = parent.task(Part.read(row.part).name)
        except (RunNotFound, TaskNotFound):
            return True
        return parent.state in ENDED and (task.child != row.id or task.state not in ("failed", "success"))

    def _tell_parent(self, run: Run, parent: str) -> None:
        """Let the run that one was a task of know that it has ended."""
        from penstock.runtime import mail
        from penstock.runtime.history import ENDED

        store = self.parts.store
        try:
            if run.state in ENDED and store.run(parent).state not in ENDED:
                mail.send(store, parent, RUN_ENDS + run.id, None, mail.OWN)
        except RunNotFound:
            pass  # it was deleted

    # --- What they run

    def _flow_of(self, row: RunRow) -> Flow:
        return super()._flow_of(row) if row.parent is None else self._flow_within(self._parent_of(row), row)

    def _parent_of(self, row: RunRow) -> RunRow:
        assert row.parent is not None
        try:
            return self.parts.store.run(row.parent)
        except RunNotFound:
            raise RunNotFound(
                f"run {row.id} was a task of run {row.parent}, which has been deleted, so its workflow cannot be "
                f"found: give it, manager.resume('{row.id}', workflow)"
            ) from None

    def _flow_within(self, parent: RunRow, row: RunRow) -> Flow:
        """The workflow of a run that is a task of another, as that has it now."""
        from penstock.runtime.given import as_they_were

        flow = self._flow_of(parent)
        if isinstance(flow, WorkflowFunction):
            params = as_they_were(flow.parameters, self._history.run(parent).params)
            flow = flow.build({name: value for name, value in params.items() if name in flow.parameters})
        found = _called(flow, row)
        if found is None:
            raise PlanMismatch(
                f"run {row.id} was a task of run {parent.id}, and workflow '{flow.name}' does not run "
                f"'{row.workflow}' any more"
            )
        return found

    # --- Cancelling

    def _cancel(self, row: RunRow, by: str, *, once: bool = False) -> None:
        """Ask a run to end, and with it the runs of its tasks. Who asks again wants no teardowns, but with `once`.
        RunEnded if it has."""
        import json

        from penstock.runtime.history import ENDED
        from penstock.runtime.takeover import cancel_unheld

        store = self.parts.store
        if row.state in ENDED:
            raise RunEnded(f"run {row.id} has ended already: it is {row.state}")
        try:
            wanted = self._equipment.wanted_notices(row.workflow)
            again = cancel_unheld(store, row.id, by, wanted, self._clock, once=once)
        except RunLocked:
            import json

            store.post(row.id, "cancel", json.dumps({"by": by, "once": once}))  # its driver cancels those
            return
        for child in store.children(row.id):
            if child.part is not None and child.state not in ENDED:
                try:
                    self._cancel(child, f"run {row.id}", once=once or not again)
                except (RunEnded, RunLocked):
                    pass  # just now


def _called(flow: Workflow, row: RunRow) -> Flow | None:
    """The workflow that a task of another runs, whose run this is."""
    from penstock.definition.sub_workflow import WorkflowCall
    from penstock.runtime.part import Part

    calls = {str(task.name): task.func for task in flow.tasks if isinstance(task.func, WorkflowCall)}
    if row.part is not None:
        call = calls.get(Part.read(row.part).task)
    else:  # nobody waits for it, so that it does not say which task has begun it
        call = next((call for call in calls.values() if call.workflow.name == row.workflow), None)
    return None if call is None else call.workflow


class SubRuns:
    """Begins and takes over the runs that are tasks of a run, to be driven beside it."""

    def __init__(self, launching: Nesting, parent: Driving, park: bool) -> None:
        self.row = parent.session.row
        self._launching = launching
        self._parent = parent
        self._park = park

    @property
    def history(self) -> History:
        """Where they are on record."""
        return self._launching._history

    def compile(self, call: WorkflowCall, given: Mapping[str, Any], known: Compiled | None) -> tuple[Compiled, Any]:
        """A workflow and the parameters that it is given, checked."""
        from penstock.definition.params import bind

        if known is None:
            return self._launching._compile(call.workflow, given)
        return known, bind(call.workflow.name, known.parameters, given)

    def begin(self, call: WorkflowCall, given: Mapping[str, Any], known: Compiled | None, id: str, part: Part) -> Drive:
        """Put a run on record."""
        from penstock.runtime.logical_times import time_of

        self._check_depth(call)
        compiled, params = self.compile(call, given, known)
        origin = {"parent": self.row.id, "part": part.text if call.wait else None}
        beside = self._beside(part.name) if call.wait else None
        launching = self._launching
        driving = launching._begin(
            compiled, params, self.row.source, beside=beside, run_id=id, time=time_of(self.row), **origin
        )
        return self._as_drive(driving) if call.wait else launching._as_drive(driving)

    def again(self, call: WorkflowCall, given: Mapping[str, Any], row: RunRow, *, by_hand: bool) -> Drive | None:
        """Take a run over; None if there is nothing left to do in it."""
        from penstock.runtime.takeover import adopt, resume

        names = [name for name, one in call.parameters.items() if one.is_secret and isinstance(given.get(name), Secret)]
        secrets = {name: given[name] for name in names}
        beside = self._beside(Part.read(row.part).name) if row.part is not None else None
        events = resume if by_hand else adopt
        taken = self._launching._take(row.id, call.workflow, events, by_hand=by_hand, secrets=secrets, beside=beside)
        if not isinstance(taken, Driving):
            return None
        return self._as_drive(taken) if call.wait else self._launching._as_drive(taken)

    def set_free(self, call: WorkflowCall, id: str, drive: Drive) -> None:
        """Let a run go on by itself."""
        self._launching._runs.start(id, drive, partial(self._launching._wake, id, call.workflow))

    def keep(self, call: WorkflowCall, id: str, run: Run) -> None:
        """A run was parked: see that it is woken."""
        self._launching._runs.keep(id, run, partial(self._launching._wake, id, call.workflow))

    def hurry(self, id: str) -> None:
        """End what runs of a run that was stopped."""
        self._parent.host.hurry(id)

    def cancel(self, id: str, *, insist: bool = False) -> None:
        """Ask a run to end, since it is not wanted any more; to `insist`, without its teardowns."""
        self._launching._cancel(self.history.row(id), f"run {self.row.id}", once=not insist)

    def _as_drive(self, driving: Driving) -> Drive:
        drive = self._launching._as_drive(driving)
        return drive._replace(drive=lambda: self._launching._drive(driving, park=self._park, in_parent=True)[0])

    def _beside(self, name: str) -> Beside:
        """The parent's own workers; and those of its observers who show the runs of its tasks."""
        told = [observer.for_child(name) for observer in self._parent.observers if hasattr(observer, "for_child")]
        return Beside(self._parent.host, told)

    def _check_depth(self, call: WorkflowCall) -> None:
        from penstock.plan.nesting import MOST_LEVELS, too_deep

        names, row = [self.row.workflow, call.workflow.name], self.row
        while row.parent is not None and row.part is not None:
            row = self.history.store.run(row.parent)
            names.insert(0, row.workflow)
            if len(names) > MOST_LEVELS:
                raise Fail(too_deep(names))
