"""How a manager's runs are begun, taken over and driven: with the parts that its options and the settings choose."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from penstock.clock import SYSTEM, Clock
from penstock.definition.workflow import Workflow
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import (
    DefinitionError,
    LeaseLost,
    PenstockError,
    RunFailed,
    RunInterrupted,
    StoreError,
)
from penstock.runtime.loading import loading_file

if TYPE_CHECKING:
    from penstock.executor.base import Executor
    from penstock.parts import Parts
    from penstock.plan.compile import Compiled
    from penstock.plan.plan import Plan
    from penstock.runtime.children import Nest
    from penstock.runtime.history import History
    from penstock.runtime.home import Settings
    from penstock.runtime.host import Host
    from penstock.runtime.lanes import Lanes
    from penstock.runtime.loader import Flow
    from penstock.runtime.observer import Notifier, Observer
    from penstock.runtime.pruner import Retention
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
        self._store_name = store
        self._results = os.fspath(results) if results is not None else None
        self._executor = executor
        self._workers = workers
        self._durability = durability
        self._grace = grace
        self._park_after = park_after
        self._observers = observers
        self._opened: Parts | None = None
        self._opening = Lock()
        self._sharing: Host | None = None
        self._lanes_made: Lanes | None = None
        self._settings_read: Settings | None = None
        self.workflow = Workflow(_script_name())
        """What `add_task` fills, and `run()` without a workflow runs."""

    # --- Parts

    @property
    def parts(self) -> Parts:
        """Where the runs are kept: store, results and logs, opened when they are first needed."""
        with self._opening:
            if self._opened is None:
                from penstock.parts import open_parts
                from penstock.runtime.home import find_home

                name, results = self._store_name or self._settings.store, self._results or self._settings.results
                home = partial(find_home, os.environ, Path.cwd())
                self._opened = open_parts(name, home, results=results, full=self._is_full())
            return self._opened

    @property
    def _settings(self) -> Settings:
        if self._settings_read is None:
            from penstock.runtime.home import read_settings

            self._settings_read = read_settings(os.environ, Path.cwd())
        return self._settings_read

    @property
    def _history(self) -> History:
        from penstock.runtime.history import History

        # Who asks a run to wait or to end asks the manager that this is a part of.
        return History(self.parts.store, self.parts.results, self.parts.logs, cast("Control", self))

    def _is_full(self) -> bool:
        from penstock.parts import DURABILITIES

        durability = self._durability or self._settings.durability
        if durability not in DURABILITIES:
            raise PenstockError(f"durability={durability!r}: it is {' or '.join(map(repr, DURABILITIES))}")
        return durability == "full"

    def _retention(self, days: float | None = None, keep: int | None = None) -> Retention:
        from penstock.runtime.pruner import Retention

        settings = self._settings
        by_settings = settings.retention_days or float("inf")  # 0 days: nothing is forgotten for its age
        return Retention(settings.retention_runs if keep is None else keep, by_settings if days is None else days)

    def _prune_daily(self) -> None:
        folder = self.parts.folder
        if folder is not None and self._settings.retention_days:
            from penstock.runtime.pruner import prune_daily

            prune_daily(self._history, self._retention(), folder)

    def _new_observers(self) -> list[Observer]:
        if self._observers is not None:
            return [*self._observers]
        from penstock.observe.console import Console

        return [Console()]

    def _new_notifiers(self) -> dict[str, Notifier]:
        from penstock.parts import create_notifiers

        return create_notifiers(self._settings)

    def _wanted_notices(self, workflow: str) -> dict[str, str]:
        from penstock.parts import wanted_notices

        return wanted_notices(self._settings, workflow)

    def _find_host(self) -> Host:
        """Where the runs of this manager are driven. They share their workers, but for a run within a task's body,
        which holds one of these, and one whose worker is the thread that calls."""
        from penstock.executor.current import running
        from penstock.runtime.host import Host

        with self._opening:
            if self._sharing is not None and running.get(None) is None and not self._sharing.executor.on_caller:
                return self._sharing
            host = Host(self._new_executor(), self._clock)
            self._sharing = self._sharing or host
            return host

    def _new_executor(self) -> Executor:
        from penstock.parts import create_executor

        settings = self._settings
        return create_executor(
            self._executor if self._executor is not None else settings.executor,
            self._workers if self._workers is not None else settings.workers,
        )

    def _compile(self, flow: Flow, given: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
        from penstock.code.identity import Identify
        from penstock.definition.params import bind
        from penstock.plan.compile import compile_workflow

        check_flow(flow)
        bound = bind(flow.name, flow.parameters, given, where=flow.where)
        workflow = flow.build(bound) if isinstance(flow, WorkflowFunction) else flow
        return compile_workflow(workflow, Identify()), bound

    def _begin(
        self,
        compiled: Compiled,
        params: dict[str, Any],
        source: str | None,
        *,
        beside: Beside | None = None,
        run_id: str | None = None,
        **origin: str | None,
    ) -> Driving:
        """Put a run on record, to be driven by itself or beside the one that `origin` says it is a part of."""
        from penstock.runtime.beginning import begin
        from penstock.runtime.given import read_secrets
        from penstock.runtime.pools import put_on_record

        params = read_secrets(compiled.plan.workflow, compiled.parameters, params)
        put_on_record(self.parts.store, self._settings.pools)
        host, observers = beside or Beside(self._find_host(), self._new_observers())
        notifiers, told = self._new_notifiers(), self._wanted_notices(compiled.plan.workflow)
        id = run_id or self._new_id()
        session = begin(self.parts.store, compiled, params, source, told, run_id=id, clock=self._clock, **origin)
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
        host, observers = beside or Beside(self._find_host(), self._new_observers())
        notifiers = self._new_notifiers()
        history = self._history
        store = history.store
        put_on_record(store, self._settings.pools)
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
            told = self._wanted_notices(row.workflow)
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

    @property
    def _lanes(self) -> Lanes:
        """Threads for the runs of tasks."""
        from penstock.runtime.lanes import Lanes

        with self._opening:
            self._lanes_made = self._lanes_made or Lanes(clock=self._clock)
            return self._lanes_made

    @property
    def _wait_before_parking(self) -> float:
        return self._settings.park_after if self._park_after is None else self._park_after

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

        session, history = driving.session, self._history
        try:
            interrupted, parked = session.drive(
                *(history, driving.host, driving.observers, Receivers(session.compiled, driving.notifiers).deliver),
                full=self._is_full(),
                grace=self._grace if self._grace is not None else self._settings.grace,
                clock=self._clock,
                catch_signals=self._clock is SYSTEM,
                park_after=self._wait_before_parking if park else None,
                nest=self._nest(driving, park),
                lanes=self._lanes,
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
            self._prune_daily()
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
