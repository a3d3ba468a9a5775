"""WorkflowManager: the door to everything, and the one place where parts are joined."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.clock import SYSTEM, Clock
from penstock.definition.decorators import WorkflowFunction
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import (
    DefinitionError,
    LeaseLost,
    PenstockError,
    RunEnded,
    RunFailed,
    RunInterrupted,
    StoreError,
)
from penstock.runtime.loading import loading_file

if TYPE_CHECKING:
    from datetime import timedelta

    from penstock.engine.events import Event
    from penstock.engine.run import RunEngine
    from penstock.executor.base import Executor
    from penstock.parts import Parts
    from penstock.plan.compile import Compiled
    from penstock.plan.plan import Plan
    from penstock.runtime.debugging import Rehearsal
    from penstock.runtime.history import History
    from penstock.runtime.home import Settings
    from penstock.runtime.host import Host
    from penstock.runtime.loader import Flow
    from penstock.runtime.logbook import Entry
    from penstock.runtime.observer import Notifier, Observer
    from penstock.runtime.pruner import Pruned, Retention
    from penstock.runtime.record import Run
    from penstock.runtime.selection import Selection
    from penstock.runtime.session import Session
    from penstock.runtime.started import StartedRun
    from penstock.runtime.takeover import Again
    from penstock.store.base import RunRow


class Driving(NamedTuple):
    """A run that is about to be driven, and what with."""

    session: Session
    host: Host
    observers: Sequence[Observer]
    notifiers: Mapping[str, Notifier]


class WorkflowManager:
    """Runs workflows and knows their runs.

    `store` is "sqlite" (the default: a folder .penstock, found upwards like .git), "sqlite:///FOLDER",
    "postgresql://..." or "memory". `results` is a folder for values and logs, by default the store's own or .penstock.
    `executor` is "threads" (the default), "processes" or "inline", with `workers` attempts at once. `durability` is
    "full" (what was told to the outside survives a power cut) or "process" (it survives the death of the process).
    `grace` is how many seconds a task has to end once it is asked to. `observers` are told of runs as they go; by
    default a console that announces each task.

    Options that are left out come from `[tool.penstock]` of pyproject.toml, penstock.toml, or PENSTOCK_... variables.
    """

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
        observers: Sequence[Observer] | None = None,
    ) -> None:
        self._store_name = store
        self._results = os.fspath(results) if results is not None else None
        self._executor = executor
        self._workers = workers
        self._durability = durability
        self._grace = grace
        self._observers = observers
        self._opened: Parts | None = None
        self._opening = Lock()
        self._sharing: Host | None = None
        self._started: dict[str, StartedRun] = {}
        self._settings_read: Settings | None = None
        self.workflow = Workflow(_script_name())
        """What `add_task` fills, and `run()` without a workflow runs."""

    # --- Defining

    def add_task(self, task: Task) -> Task:
        """Add a task to the manager's own workflow."""
        return self.workflow.add_task(task)

    # --- Checking

    def compile(self, flow: Flow | None = None, params: Mapping[str, Any] | None = None) -> Plan:
        """The checked plan of a workflow (by default the manager's own), without running it."""
        return self._compile(flow or self.workflow, params or {})[0].plan

    # --- Running

    def run(
        self,
        workflow: Flow | None = None,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        raise_on_failure: bool = True,
        resume: bool = False,
        **values: Any,
    ) -> Run:
        """Run a workflow (by default the manager's own) to its end.

        Parameters are given by name or, where a name collides, in `params`. With `resume`, the newest run of this
        workflow with the same parameters goes on if it has not succeeded. Raises RunFailed if the run fails, unless
        `raise_on_failure` is false; KeyboardInterrupt on Ctrl-C; DefinitionError, before anything runs, if the workflow
        is not well formed.
        """
        from penstock.runtime.given import kept
        from penstock.runtime.loading import end_loading

        flow = workflow if workflow is not None else self.workflow
        _check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        if resume:
            wanted = kept(compiled.plan.workflow, compiled.parameters, bound)
            unfinished = self._history.unfinished(compiled.plan.workflow, wanted)
            if unfinished is not None:
                secrets = {name: bound[name] for name in given if compiled.parameters[name].is_secret}
                return self.resume(unfinished, flow, secrets=secrets, raise_on_failure=raise_on_failure)
        return self._told(*self._drive(self._begin(compiled, bound, _main_file())), raise_on_failure)

    def start(self, workflow: Flow | None = None, /, *, params: Mapping[str, Any] | None = None, **values: Any) -> Run:
        """Begin a run of a workflow (by default the manager's own) and return at once. It goes on in this process,
        which does not end before it has, beside others: they share the workers. `run.wait()` waits for it.

        Parameters are given as to `run`. DefinitionError, before anything runs, if the workflow is not well formed; a
        run that fails raises nothing.
        """
        from penstock.runtime.loading import end_loading
        from penstock.runtime.started import StartedRun

        flow = workflow if workflow is not None else self.workflow
        _check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        driving = self._begin(compiled, bound, _main_file())
        run_id = driving.session.row.id
        run = self._history.run(replace(driving.session.row, state="running"))
        with self._opening:
            self._started = {key: one for key, one in self._started.items() if not one.is_over}
            self._started[run_id] = StartedRun(
                run_id, lambda: self._drive(driving)[0], partial(driving.host.stop, run_id)
            )
        return run

    def wait(self, run_id: str | None = None, timeout: float | None = None) -> Run:
        """The run (by default the newest) when it has ended, whoever drives it; it may have failed, or be interrupted
        if nobody drives it any more. TimeoutError if it is not over after `timeout` seconds."""
        from penstock.runtime.started import wait_for

        row = self._history.row(run_id)
        started = self._started.get(row.id)
        return started.wait(timeout) if started else wait_for(self._history, row.id, timeout, self._clock)

    def run_file(
        self,
        target: str,
        params: Mapping[str, str] | None = None,
        *,
        selection: Selection | None = None,
        raise_on_failure: bool = True,
    ) -> Run:
        """Run the workflow in FILE or FILE:NAME, or a selected part of it; parameters are given as texts."""
        from penstock.runtime.given import read_texts
        from penstock.runtime.loader import load
        from penstock.runtime.loading import end_loading
        from penstock.runtime.selection import Selection, select

        loaded = load(target)
        parameters = loaded.flow.parameters
        given = {**loaded.values, **read_texts(loaded.flow.name, parameters, params or {})}
        compiled, bound = self._compile(loaded.flow, given)
        compiled = select(compiled, selection or Selection())
        end_loading(loaded.flow, given)
        return self._told(*self._drive(self._begin(compiled, bound, loaded.source)), raise_on_failure)

    def resume(
        self,
        run_id: str | None = None,
        workflow: Flow | None = None,
        *,
        adopt: bool = False,
        secrets: Mapping[str, Any] | None = None,
        raise_on_failure: bool = True,
    ) -> Run:
        """Go on with a run (by default the newest): what has succeeded is kept, everything else runs.

        The workflow is loaded from the file it came from, unless it is given. It may have changed where the run has
        done nothing yet; PlanMismatch says where it does not fit. RunLocked if the run is being driven. `secrets` are
        the parameters that it was given as values and that were not kept, since they are secret.

        `adopt` is how something that nobody watches resumes: attempts that were lost with the driver before are
        counted, so that a task cannot kill its drivers for ever, and what has ended, failed or not, stays as it is.
        """
        from penstock.engine.events import RunResumed
        from penstock.runtime import takeover

        def events(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
            is_over = engine.state == "success" and set(plan.names) <= set(engine.plan.names)
            return [] if is_over else [RunResumed(at)]

        again = takeover.adopt if adopt else events
        return self._again(run_id, workflow, again, raise_on_failure, by_hand=not adopt, secrets=secrets)

    def rerun(
        self,
        run_id: str | None = None,
        workflow: Flow | None = None,
        *,
        only: Sequence[str] = (),
        from_: Sequence[str] = (),
        failed: bool = False,
        where: Sequence[str] = (),
        secrets: Mapping[str, Any] | None = None,
        raise_on_failure: bool = True,
    ) -> Run:
        """Run tasks of a run again, done or not: `only` these, those in `from_` and all that follow, those that
        `failed` and all that they held up, or those in the states of `where`. Each begins a new generation, with its
        recorded inputs, and with its setup and teardown. `secrets` as for `resume`."""
        from penstock.engine.events import TasksRerun
        from penstock.runtime.choosing import Choice, choose_again
        from penstock.runtime.history import ENDED

        choice = Choice(only, from_, failed, where)

        def events(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
            if str(engine.state) not in ENDED:
                raise PenstockError(f"run {engine.run_id} has not ended: resume it before you run parts of it again")
            return [TasksRerun(at, choose_again(engine, plan, choice))]

        return self._again(run_id, workflow, events, raise_on_failure, secrets=secrets)

    def mark(
        self,
        run_id: str | None,
        tasks: Sequence[str],
        state: str,
        *,
        note: str = "",
        by: str | None = None,
        waiting: Callable[[], None] | None = None,
    ) -> Run:
        """Say what tasks of a run are to be taken for: "success", "failed" or "skipped", and why. None of them runs by
        that; what waited for them is weighed anew, and resume goes on with what can run. Each begins a new generation.

        If the run is being driven, its driver takes this and goes on by it; `waiting` is called if that takes long.
        RunLocked if it or a task after it is running just now; PenstockError for a task that cannot be marked."""
        from penstock.runtime.marking import mark

        return self.get(mark(self._history, run_id, tasks, state, note, by, self._clock, waiting))

    # --- Runs on record

    def runs(self, workflow: str | None = None, *, limit: int | None = None) -> list[Run]:
        """The runs on record, newest first."""
        history = self._history
        return [history.run(row) for row in history.store.runs(workflow, limit=limit)]

    def unheld(self) -> list[Run]:
        """The runs that have something left to do and that nobody drives, oldest first: those that were interrupted,
        those whose driver died before they began, and those that have ended with notices to deliver."""
        history = self._history
        rows = history.store.unfinished()
        return [history.run(row) for row in rows if history.store.holder(row.id) is None]

    def get(self, run_id: str | None = None) -> Run:
        """The run of this id or unique prefix; by default the newest. RunNotFound if there is none."""
        history = self._history
        return history.run(history.row(run_id)).read()

    def logs(self, run_id: str | None = None, task: str | None = None) -> list[Entry]:
        """What the tasks of a run, or one of them, printed and logged, in the order written."""
        from penstock.runtime.logbook import Logbook

        run = self.get(run_id)
        name = run.task(task).name if task is not None else None
        return list(Logbook(self.parts.store, self.parts.logs, run.id, task=name).read())

    def debug(
        self,
        run_id: str | None,
        task: str,
        workflow: Flow | None = None,
        *,
        index: int | None = None,
        call: Callable[..., Any] | None = None,
    ) -> Any:
        """Call the body of a task of a run once more, in this process and with the inputs that it had; what it returns.
        Whatever it raises is raised, for a debugger to look at. Nothing of it is recorded, but what the body does to
        the world is done.

        `index` names an instance of a map, by default the first that failed. `call` is how the body is called:
        `call(body, *args, **kwargs)`. ValueUnavailable if an input is gone."""
        return self.rehearse(run_id, task, workflow, index=index).call(call)

    def rehearse(
        self, run_id: str | None, task: str, workflow: Flow | None = None, *, index: int | None = None
    ) -> Rehearsal:
        """Prepare what `debug` does: the body and its arguments, and what may not be as it was."""
        from penstock.runtime.debugging import rehearse
        from penstock.runtime.given import read_secrets
        from penstock.runtime.replay import replay
        from penstock.runtime.selection import Selection, select

        history = self._history
        row = history.row(run_id)

        def again() -> tuple[Compiled, Mapping[str, Any]]:
            compiled, params = self._compile_again(workflow or self._flow_of(row), history.run(row).params)
            params = read_secrets(row.workflow, compiled.parameters, params, {}, run_id=row.id)
            return select(compiled, Selection.of(replay(history.store, row).plan)), params

        return rehearse(history, row, task, index, again)

    def cancel(self, run_id: str | None = None, *, by: str | None = None) -> Run:
        """Ask a run to end: tasks that run are asked to, the others are cancelled. It may be resumed later.

        RunEnded if it has ended."""
        import json
        from getpass import getuser

        from penstock.runtime.history import ENDED
        from penstock.runtime.takeover import cancel_unheld

        store = self.parts.store
        row = self._history.row(run_id)
        if row.state in ENDED:
            raise RunEnded(f"run {row.id} has ended already: it is {row.state}")
        sender = by or getuser()
        if store.holder(row.id) is None:
            cancel_unheld(store, row.id, sender, self._wanted_notices(row.workflow), self._clock)
        else:
            store.post(row.id, "cancel", json.dumps({"by": sender}))
        return self.get(row.id)

    def delete(self, run_id: str) -> None:
        """Forget a run: its record, its journal and its logs. RunLocked while it is driven.

        Its large values go with the next `prune`, if no other run has the same ones."""
        row = self._history.row(run_id)
        self.parts.store.delete_run(row.id)
        self.parts.logs.delete(row.id)

    def prune(
        self, *, older_than: float | timedelta | None = None, keep: int | None = None, dry_run: bool = False
    ) -> Pruned:
        """Forget the runs that ended more than `older_than` days ago, but for the newest `keep` of each workflow, and
        remove the values to which no run that is left refers. By default as the settings `retention_days` and
        `retention_runs` say. A run that has not ended is never forgotten. With `dry_run`, only tell what would go."""
        from datetime import timedelta

        from penstock.runtime.pruner import prune

        days = older_than / timedelta(days=1) if isinstance(older_than, timedelta) else older_than
        return prune(self._history, self._retention(days, keep), dry_run=dry_run)

    def close(self) -> None:
        """Wait for the runs that were started, and let go of the store. The manager opens it again when it needs it."""
        for started in list(self._started.values()):
            with suppress(BaseException):  # whoever waits for it is told
                started.wait(None)
        if self._opened is not None and self._opened.store.durable:
            self._opened.store.close()
            self._opened = None

    def __enter__(self) -> WorkflowManager:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

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

    # --- Within

    @property
    def _settings(self) -> Settings:
        if self._settings_read is None:
            from penstock.runtime.home import read_settings

            self._settings_read = read_settings(os.environ, Path.cwd())
        return self._settings_read

    @property
    def _history(self) -> History:
        from penstock.runtime.history import History

        return History(self.parts.store, self.parts.results, self.parts.logs, self)

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

        _check_flow(flow)
        bound = bind(flow.name, flow.parameters, given, where=flow.where)
        workflow = flow.build(bound) if isinstance(flow, WorkflowFunction) else flow
        return compile_workflow(workflow, Identify()), bound

    def _begin(self, compiled: Compiled, params: dict[str, Any], source: str | None) -> Driving:
        from penstock.runtime.beginning import begin
        from penstock.runtime.given import read_secrets

        params = read_secrets(compiled.plan.workflow, compiled.parameters, params)
        host, observers, notifiers = self._find_host(), self._new_observers(), self._new_notifiers()
        told = self._wanted_notices(compiled.plan.workflow)
        session = begin(self.parts.store, compiled, params, source, told, run_id=self._new_id(), clock=self._clock)
        return Driving(session, host, observers, notifiers)

    def _again(
        self,
        run_id: str | None,
        workflow: Flow | None,
        again: Again,
        raise_on_failure: bool,
        *,
        by_hand: bool = True,
        secrets: Mapping[str, Any] | None = None,
    ) -> Run:
        """Take a run over, bring its plan up to date, and drive what `again` sets going, if that is anything."""
        from penstock.runtime.given import read_secrets, refuse_secrets_in
        from penstock.runtime.loading import end_loading
        from penstock.runtime.outbox import Receivers
        from penstock.runtime.replay import replay
        from penstock.runtime.selection import Selection, select
        from penstock.runtime.takeover import finish_unheld, take_over

        end_loading(workflow or self.workflow, {})
        host, observers, notifiers = self._find_host(), self._new_observers(), self._new_notifiers()
        history = self._history
        store = history.store
        row = history.row(run_id)
        flow = workflow or self._flow_of(row)
        # What was asked of the run before somebody set it going by hand was meant for an earlier time.
        stale = [message.id for message in store.messages(row.id)] if by_hand else []
        lease = store.acquire(row.id)
        try:
            row = history.row(row.id)  # it may have changed before the lease was ours
            engine = replay(store, row)
            compiled, params = self._compile_again(flow, history.run(row).params)
            params = read_secrets(row.workflow, compiled.parameters, params, secrets, run_id=row.id)
            refuse_secrets_in(compiled.plan)
            compiled = select(compiled, Selection.of(engine.plan))
            told = self._wanted_notices(row.workflow)
            taken = take_over(store, row, lease, engine, compiled, params, again, told, stale, self._clock)
            if taken is None:
                finish_unheld(store, row, engine, lease, Receivers(compiled, notifiers).deliver, self._clock)
                lease.release()
                return history.run(history.row(row.id))
        except BaseException:
            lease.release()
            raise
        if taken.changed and sys.stderr is not None:
            names = ", ".join(taken.changed)
            sys.stderr.write(f"The code of these done tasks has changed; their results are kept: {names}\n")
        return self._told(*self._drive(Driving(taken.session, host, observers, notifiers)), raise_on_failure)

    def _new_id(self) -> str:
        return os.urandom(6).hex()

    def _compile_again(self, flow: Flow, kept: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
        """A workflow with the parameters that a run was started with."""
        from penstock.definition.params import bind
        from penstock.runtime.given import as_they_were

        params = as_they_were(flow.parameters, kept)
        if isinstance(flow, WorkflowFunction):
            params = bind(flow.name, flow.parameters, {k: v for k, v in params.items() if k in flow.parameters})
        return self._compile(flow, params)[0], params

    def _drive(self, driving: Driving) -> tuple[Run, str | None]:
        """Drive a run until it ends or is interrupted; and what interrupted it."""
        from penstock.runtime.outbox import Receivers

        session, history = driving.session, self._history
        try:
            interrupted = session.drive(
                *(history, driving.host, driving.observers, Receivers(session.compiled, driving.notifiers).deliver),
                full=self._is_full(),
                grace=self._grace if self._grace is not None else self._settings.grace,
                clock=self._clock,
                catch_signals=self._clock is SYSTEM,
            )
        except LeaseLost:
            raise
        except StoreError as error:
            raise type(error)(f"{error}\nRun {session.row.id} is interrupted, and can be resumed then") from error
        finally:
            session.lease.release()
        if not interrupted:
            self._prune_daily()
        state = "interrupted" if interrupted else str(session.engine.state)
        return history.driven(session.row, session.engine, state, session.params), interrupted

    def _told(self, run: Run, interrupted: str | None, raise_on_failure: bool) -> Run:
        """What whoever waited for a run is told: the run, or what it raises."""
        if interrupted:
            message = f"run {run.id} was stopped by {interrupted}; it can be resumed"
            if interrupted == "SIGTERM":
                raise SystemExit(130) from RunInterrupted(message, run)
            raise KeyboardInterrupt(message) from RunInterrupted(message, run)
        if run.state != "success" and raise_on_failure:
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


def _check_flow(flow: Any) -> None:
    if not isinstance(flow, (Workflow, WorkflowFunction)):
        hint = " (add @workflow to it)" if callable(flow) else ""
        raise DefinitionError(f"{flow!r} is not a workflow: give a Workflow or a @workflow function{hint}")


def _verdict(run: Run) -> str:
    errors = [task for task in run.tasks if task.state == "failed"]
    detail = f": {errors[0].error}" if len(errors) == 1 else ""
    return f"run {run.id} {run.state}: {run.error}{detail}"


def _main_file() -> str | None:
    """The script that is being run; None at a prompt, in a notebook or for a program read from stdin."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    return str(Path(path).absolute()) if path and Path(path).is_file() and path.endswith(".py") else None


def _script_name() -> str:
    path = loading_file() or _main_file()
    return Path(path).stem if path else "workflow"
