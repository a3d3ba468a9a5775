"""How a manager's runs are begun, taken over and driven: with the parts that its options and the settings choose."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from penstock.clock import SYSTEM, Clock
from penstock.definition.workflow import Workflow
from penstock.definition.workflow_function import WorkflowFunction
from penstock.equipment import Equipment
from penstock.errors import DefinitionError, LeaseLost, PenstockError, RunFailed, RunInterrupted, StoreError
from penstock.runtime.loading import loading_file

if TYPE_CHECKING:
    from penstock.executor.logical_time import LogicalTime
    from penstock.parts import Parts
    from penstock.plan.compile import Compiled
    from penstock.plan.plan import Plan
    from penstock.runtime.children import Nest
    from penstock.runtime.history import History
    from penstock.runtime.host import Host
    from penstock.runtime.loader import Flow
    from penstock.runtime.observer import Notifier, Observer
    from penstock.runtime.record import Control, Run
    from penstock.runtime.session import Session
    from penstock.runtime.takeover import Again
    from penstock.store.base import RunRow


class Driving(NamedTuple):
    """A run that is about to be driven, and what with."""

    session: Session
    host: Host
    observers: Sequence[Observer]
    notifiers: Mapping[str, Notifier]


class Beside(NamedTuple):
    """What a run is driven with that is a task of another."""

    host: Host
    observers: Sequence[Observer]


class Launching:
    """What a WorkflowManager does its work with."""

    _clock: Clock = SYSTEM
    """Another one is for simulations."""

    def __init__(
        self,
        store: str | None = None,
        executor: Any = None,
        *,
        workers: int | None = None,
        results: str | os.PathLike[str] | None = None,
        durability: str | None = None,
        grace: float | None = None,
        park_after: float | None = None,
        observers: Sequence[Observer] | None = None,
    ) -> None:
        self._equipment = Equipment(store, executor, workers, results, durability, grace, park_after, observers)
        self._making = Lock()
        """Held while something is made that there is only one of."""
        self.workflow = Workflow(_script_name())
        """What `add_task` fills, and `run()` without a workflow runs."""

    @property
    def parts(self) -> Parts:
        """Where the runs are kept: store, results and logs, opened when they are first needed."""
        return self._equipment.parts

    @property
    def _history(self) -> History:
        from penstock.runtime.history import History

        # Who asks a run to wait or to end asks the manager that this is a part of.
        return History(self.parts.store, self.parts.results, self.parts.logs, cast("Control", self))

    def _compile(self, flow: Flow, given: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
        from penstock.code.identity import Identify
        from penstock.definition.params import bind
        from penstock.plan.compile import compile_workflow

        check_flow(flow)
        bound = bind(flow.name, flow.parameters, given, where=flow.where)
        workflow = flow.build(bound) if isinstance(flow, WorkflowFunction) else flow
        if workflow.says_when:
            from penstock.timetable.schedule import schedule_of

            schedule_of(workflow)
        return compile_workflow(workflow, Identify()), bound

    def _new_company(self) -> Beside:
        """Whom a run has beside it that is no task of another."""
        return Beside(self._equipment.host(self._clock), self._equipment.new_observers())

    def _begin(
        self,
        compiled: Compiled,
        params: dict[str, Any],
        source: str | None,
        *,
        beside: Beside | None = None,
        run_id: str | None = None,
        time: LogicalTime | None = None,
        **origin: str | None,
    ) -> Driving:
        """Put a run on record, to be driven by itself or beside the one that `origin` says it is a part of."""
        from penstock.runtime.beginning import begin
        from penstock.runtime.given import read_secrets
        from penstock.runtime.pools import put_on_record

        params = read_secrets(compiled.plan.workflow, compiled.parameters, params)
        put_on_record(self.parts.store, self._equipment.settings.pools)
        host, observers = beside or self._new_company()
        equipment = self._equipment
        notifiers, told = equipment.new_notifiers(), equipment.wanted_notices(compiled.plan.workflow)
        id = run_id or self._new_id()
        session = begin(
            self.parts.store, compiled, params, source, told, run_id=id, time=time, clock=self._clock, **origin
        )
        return Driving(session, host, observers, notifiers)

    def _again(
        self, run_id: str | None, workflow: Flow | None, again: Again, raise_on_failure: bool, **options: Any
    ) -> Run:
        """Take a run over, bring its plan up to date, and drive what `again` sets going, if that is anything; with the
        options of `_take`, and `park` as for `_drive`."""
        park = options.pop("park", False)
        taken = self._take(run_id, workflow, again, **options)
        return self._told(*self._drive(taken, park=park), raise_on_failure) if isinstance(taken, Driving) else taken

    def _take(
        self,
        run_id: str | None,
        workflow: Flow | None,
        again: Again,
        *,
        by_hand: bool = True,
        secrets: Mapping[str, Any] | None = None,
        wanted: Callable[[RunRow], bool] = lambda row: True,
        beside: Beside | None = None,
    ) -> Driving | Run:
        """Take a run over and bring its plan up to date, to drive what `again` sets going; the run, if that is nothing,
        or its row is not as it is `wanted`, now that nobody else can change it."""
        from penstock.runtime import mail
        from penstock.runtime.loading import end_loading
        from penstock.runtime.outbox import Receivers
        from penstock.runtime.parking import Going
        from penstock.runtime.pools import put_on_record
        from penstock.runtime.replay import replay
        from penstock.runtime.takeover import finish_unheld, note_failure, take_over

        end_loading(workflow or self.workflow, {})
        host, observers = beside or self._new_company()
        notifiers = self._equipment.new_notifiers()
        history = self._history
        store = history.store
        put_on_record(store, self._equipment.settings.pools)
        row = history.row(run_id)
        # What was asked of the run before somebody set it going by hand was meant for an earlier time.
        stale = [message.id for message in store.messages(row.id) if message.kind != mail.KIND] if by_hand else []
        lease = store.acquire(row.id)
        try:
            row = history.row(row.id)  # it may have changed before the lease was ours
            if not wanted(row):
                lease.release()
                return history.run(row)
            going = Going()
            engine = replay(store, row, going.follow)
            compiled, params = self._compile_as_before(row, workflow, engine.plan, secrets or {})
            told = self._equipment.wanted_notices(row.workflow)
            since = None if by_hand or not going.is_parked else going.since
            taken = take_over(store, row, lease, engine, compiled, params, again, told, stale, self._clock, since)
            if taken is None:
                finish_unheld(store, row, engine, lease, Receivers(compiled, notifiers).deliver, self._clock)
                lease.release()
                return history.run(history.row(row.id))
        except BaseException as error:
            if not by_hand and isinstance(error, Exception) and not isinstance(error, StoreError):
                note_failure(store, row, lease, error)
            lease.release()
            raise
        if taken.changed and sys.stderr is not None:
            names = ", ".join(taken.changed)
            sys.stderr.write(f"The code of these done tasks has changed; their results are kept: {names}\n")
        return Driving(taken.session, host, observers, notifiers)

    def _new_id(self) -> str:
        return os.urandom(6).hex()

    def _compile_as_before(
        self, row: RunRow, workflow: Flow | None, plan: Plan, secrets: Mapping[str, Any]
    ) -> tuple[Compiled, dict[str, Any]]:
        """The workflow of a run that follows a plan, as it is now, and the run's parameters."""
        from penstock.runtime.given import read_secrets, refuse_secrets_in
        from penstock.runtime.selection import Selection, select

        compiled, params = self._compile_again(workflow or self._flow_of(row), self._history.run(row).params)
        params = read_secrets(row.workflow, compiled.parameters, params, secrets, run_id=row.id)
        refuse_secrets_in(compiled.plan)
        return select(compiled, Selection.of(plan)), params

    def _compile_again(self, flow: Flow, kept: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
        """A workflow with the parameters that a run was started with."""
        from penstock.definition.params import bind
        from penstock.runtime.given import as_they_were

        params = as_they_were(flow.parameters, kept)
        if isinstance(flow, WorkflowFunction):
            params = bind(flow.name, flow.parameters, {k: v for k, v in params.items() if k in flow.parameters})
        return self._compile(flow, params)[0], params

    def _drive(self, driving: Driving, *, park: bool = False, in_parent: bool = False) -> tuple[Run, str | None]:
        """Drive a run until it ends or is interrupted, or to `park` it; and what interrupted it. `in_parent` says that
        whoever drives the run that it is a part of sees to it."""
        from penstock.runtime.outbox import Receivers

        session, history, equipment = driving.session, self._history, self._equipment
        try:
            interrupted, parked = session.drive(
                *(history, driving.host, driving.observers, Receivers(session.compiled, driving.notifiers).deliver),
                full=equipment.is_full,
                grace=equipment.grace,
                clock=self._clock,
                catch_signals=self._clock is SYSTEM,
                park_after=equipment.park_after if park else None,
                nest=self._nest(driving, park),
                lanes=equipment.lanes(self._clock),
            )
        except LeaseLost:
            raise
        except StoreError as error:
            raise type(error)(f"{error}\nRun {session.row.id} is interrupted, and can be resumed then") from error
        finally:
            session.lease.release()
        if parked is not None:
            row = replace(session.row, wake_at=parked.wake_at)
            return history.driven(row, session.engine, "waiting", session.params), None
        if not interrupted and not in_parent:
            equipment.prune_daily(history)
        state = "interrupted" if interrupted else str(session.engine.state)
        return history.driven(session.row, session.engine, state, session.params), interrupted

    def _nest(self, driving: Driving, park: bool) -> Nest | None:
        """What begins the runs of its tasks."""
        return None

    def _told(self, run: Run, interrupted: str | None, raise_on_failure: bool) -> Run:
        """What whoever waited for a run is told: the run, or what it raises."""
        if interrupted:
            message = f"run {run.id} was stopped by {interrupted}; it can be resumed"
            if interrupted == "SIGTERM":
                raise SystemExit(130) from RunInterrupted(message, run)
            raise KeyboardInterrupt(message) from RunInterrupted(message, run)
        if run.state not in ("success", "waiting") and raise_on_failure:
            raise RunFailed(_verdict(run), run)
        return run

    def _flow_of(self, row: RunRow) -> Flow:
        from penstock.runtime.loader import load

        if self.workflow.tasks and self.workflow.name == row.workflow:
            return self.workflow
        if row.source is None:
            raise PenstockError(
                f"run {row.id} came from no file, so its workflow cannot be loaded: "
                f"give it, manager.resume('{row.id}', workflow)"
            )
        return load(row.source).flow


def check_flow(flow: Any) -> None:
    if not isinstance(flow, (Workflow, WorkflowFunction)):
        hint = " (add @workflow to it)" if callable(flow) else ""
        raise DefinitionError(f"{flow!r} is not a workflow: give a Workflow or a @workflow function{hint}")


def _verdict(run: Run) -> str:
    errors = [task for task in run.tasks if task.state == "failed"]
    detail = f": {errors[0].error}" if len(errors) == 1 else ""
    return f"run {run.id} {run.state}: {run.error}{detail}"


def main_file() -> str | None:
    """The script that is being run; None at a prompt, in a notebook or for a program read from stdin."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    return str(Path(path).absolute()) if path and Path(path).is_file() and path.endswith(".py") else None


def _script_name() -> str:
    path = loading_file() or main_file()
    return Path(path).stem if path else "workflow"
