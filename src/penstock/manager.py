"""WorkflowManager: the door to everything, and the one place where parts are joined."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from penstock.definition.decorators import WorkflowFunction
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import DefinitionError, PenstockError, PlanMismatch, RunFailed, RunInterrupted, RunNotFound
from penstock.runtime.loading import loading_file

if TYPE_CHECKING:
    from penstock.engine.events import Event
    from penstock.engine.run import RunEngine
    from penstock.logs.base import LogChunk
    from penstock.parts import Parts
    from penstock.plan.compile import Compiled
    from penstock.plan.fingerprint import Fit
    from penstock.plan.plan import Plan
    from penstock.runtime.home import Settings
    from penstock.runtime.loader import Flow
    from penstock.runtime.observer import Observer
    from penstock.runtime.record import Run
    from penstock.runtime.selection import Selection
    from penstock.store.base import Lease, RunChange, RunRow


class WorkflowManager:
    """Runs workflows and knows their runs.

    `store` is "sqlite" (the default: a folder .penstock, found upwards like .git), "sqlite:///FOLDER" or "memory".
    `executor` is "threads" (the default), "processes" or "inline", with `workers` attempts at once. `durability` is
    "full" (what was told to the outside survives a power cut) or "process" (it survives the death of the process).
    `grace` is how many seconds a task has to end once it is asked to. `observers` are told of runs as they go; by
    default a console that announces each task.

    Options that are left out come from `[tool.penstock]` of pyproject.toml, penstock.toml, or PENSTOCK_... variables.
    """

    def __init__(
        self,
        store: str | None = None,
        executor: Any = None,
        *,
        workers: int | None = None,
        durability: str | None = None,
        grace: float | None = None,
        observers: Sequence[Observer] | None = None,
    ) -> None:
        self._store_name = store
        self._executor = executor
        self._workers = workers
        self._durability = durability
        self._grace = grace
        self._observers = observers
        self._opened: Parts | None = None
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
        `raise_on_failure` is false; KeyboardInterrupt on Ctrl-C; DefinitionError, before anything
        runs, if the workflow is not well formed.
        """
        from penstock.runtime.loading import end_loading

        flow = workflow if workflow is not None else self.workflow
        _check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        if resume:
            unfinished = self._unfinished(compiled.plan.workflow, bound)
            if unfinished is not None:
                return self.resume(unfinished, flow, raise_on_failure=raise_on_failure)
        return self._start(compiled, bound, _main_file(), raise_on_failure)

    def run_file(
        self,
        target: str,
        params: Mapping[str, str] | None = None,
        *,
        selection: Selection | None = None,
        raise_on_failure: bool = True,
    ) -> Run:
        """Run the workflow in FILE or FILE:NAME, or a selected part of it; parameters are given as texts."""
        from penstock.definition.params import parse
        from penstock.runtime.loader import load
        from penstock.runtime.selection import Selection, select

        loaded = load(target)
        parameters = loaded.flow.parameters
        given = {**loaded.values, **parse(loaded.flow.name, parameters, params or {})}
        compiled, bound = self._compile(loaded.flow, given)
        compiled = select(compiled, selection or Selection())
        return self._start(compiled, bound, loaded.source, raise_on_failure)

    def resume(self, run_id: str | None = None, workflow: Flow | None = None, *, raise_on_failure: bool = True) -> Run:
        """Go on with a run (by default the newest): what has succeeded is kept, everything else runs.

        The workflow is loaded from the file it came from, unless it is given. It may have changed where the run has
        done nothing yet; PlanMismatch says where it does not fit. RunLocked if the run is being driven.
        """
        from penstock.engine.events import RunResumed

        def events(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
            nothing_to_do = engine.state == "success" and len(engine.done()) == len(plan)
            return [] if nothing_to_do else [RunResumed(at)]

        return self._again(run_id, workflow, events, raise_on_failure)

    def rerun(
        self,
        run_id: str | None = None,
        workflow: Flow | None = None,
        *,
        only: Sequence[str] = (),
        from_: Sequence[str] = (),
        failed: bool = False,
        raise_on_failure: bool = True,
    ) -> Run:
        """Run tasks of a run again, done or not: `only` these, those in `from_` and all that follow, or those that
        `failed` and all that they held up. Each begins a new generation, with its recorded inputs."""
        from penstock.engine.events import TasksRerun
        from penstock.runtime.selection import select_again

        def events(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
            if not _ended(str(engine.state)):
                raise PenstockError(f"run {engine.run_id} has not ended: resume it before you run parts of it again")
            return [TasksRerun(at, select_again(engine, plan, only=only, from_=from_, failed=failed))]

        return self._again(run_id, workflow, events, raise_on_failure)

    # --- Runs on record

    def runs(self, workflow: str | None = None, *, limit: int | None = None) -> list[Run]:
        """The runs on record, newest first."""
        return [self._record(row) for row in self._parts.store.runs(workflow, limit=limit)]

    def get(self, run_id: str | None = None) -> Run:
        """The run of this id or unique prefix; by default the newest. RunNotFound if there is none."""
        return self._record(self._row(run_id))

    def logs(self, run_id: str | None = None, task: str | None = None) -> list[LogChunk]:
        """What the tasks of a run, or one of them, printed and logged."""
        run = self.get(run_id)
        number = run.task(task).number if task is not None else None
        return list(self._parts.logs.reader(run.id).chunks(task=number))

    def cancel(self, run_id: str | None = None, *, by: str | None = None) -> Run:
        """Ask a run to end: tasks that run are asked to, the others are cancelled. It may be resumed later."""
        import json
        from getpass import getuser

        row = self._row(run_id)
        if _ended(row.state):
            raise PenstockError(f"run {row.id} has ended already: it is {row.state}")
        sender = by or getuser()
        if self._parts.store.holder(row.id) is None:
            self._cancel_unheld(row, sender)
        else:
            self._parts.store.post(row.id, "cancel", json.dumps({"by": sender}))
        return self.get(row.id)

    def delete(self, run_id: str) -> None:
        """Forget a run: its record, its journal and its logs. Values that no other run has go with the next prune."""
        row = self._row(run_id)
        self._parts.store.delete_run(row.id)
        self._parts.logs.delete(row.id)

    def close(self) -> None:
        """Let go of the store. The manager opens it again when it needs it."""
        if self._opened is not None and self._opened.store.durable:
            self._opened.store.close()
            self._opened = None

    def __enter__(self) -> WorkflowManager:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def parts(self) -> Parts:
        """Where the runs are kept: store, results and logs, opened."""
        return self._parts

    # --- Within

    @property
    def _settings(self) -> Settings:
        if self._settings_read is None:
            from penstock.runtime.home import read_settings

            self._settings_read = read_settings(os.environ, Path.cwd())
        return self._settings_read

    @property
    def _parts(self) -> Parts:
        if self._opened is None:
            from penstock.parts import open_parts
            from penstock.runtime.home import find_home

            name = self._store_name or self._settings.store
            self._opened = open_parts(name, lambda: find_home(os.environ, Path.cwd()))
        return self._opened

    def _compile(self, flow: Flow, given: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
        from penstock.code.identity import Identify
        from penstock.definition.params import bind
        from penstock.plan.compile import compile_workflow

        _check_flow(flow)
        if isinstance(flow, WorkflowFunction):
            bound = bind(flow.name, flow.parameters, given, where=flow.where)
            return compile_workflow(flow.build(bound), Identify()), bound
        bound = bind(flow.name, flow.parameters, given, where=flow.where)
        return compile_workflow(flow, Identify()), bound

    def _start(self, compiled: Compiled, params: dict[str, Any], source: str | None, raise_on_failure: bool) -> Run:
        from secrets import token_hex
        from time import time

        from penstock.engine.events import RunStarted
        from penstock.engine.run import RunEngine
        from penstock.plan.codec import encode
        from penstock.plan.fingerprint import fingerprint
        from penstock.results.tagged_json import dumps
        from penstock.store.base import RunChange, RunRow

        store = self._parts.store
        encoded = encode(compiled.plan)
        now = time()
        row = RunRow(
            id=token_hex(6),
            workflow=compiled.plan.workflow,
            state="queued",
            params=dumps(params),
            plan=fingerprint(encoded),
            source=source,
            created_at=now,
            tasks=len(compiled.plan),
        )
        store.create_run(row, encoded)
        lease = store.acquire(row.id)
        engine = RunEngine(compiled.plan, run_id=row.id)
        change = RunChange(state="running", started_at=now)
        return self._drive(lease, engine, compiled, row.plan, params, row, [RunStarted(now)], change, raise_on_failure)

    def _again(self, run_id: str | None, workflow: Flow | None, events: Any, raise_on_failure: bool) -> Run:
        """Take a run over, bring its plan up to date, and drive what `events` and the resumption set going."""
        from time import time

        from penstock.definition.params import bind
        from penstock.results.tagged_json import loads
        from penstock.runtime.replay import replay
        from penstock.runtime.selection import Selection, select
        from penstock.store.base import RunChange

        row = self._row(run_id)
        params = cast("dict[str, Any]", loads(row.params))
        flow = workflow or self._flow_of(row)
        lease = self._parts.store.acquire(row.id)
        try:
            engine = replay(self._parts.store, self._row(row.id))
            if isinstance(flow, WorkflowFunction):
                params = bind(flow.name, flow.parameters, {k: v for k, v in params.items() if k in flow.parameters})
            compiled = select(self._compile(flow, params)[0], Selection.of(engine.plan))
            now = time()
            fingerprint, opening = self._adopt(row, engine, compiled.plan, now)
            again = events(engine, compiled.plan, now)
            opening += again
        except BaseException:
            lease.release()
            raise
        if not again:
            lease.release()
            return self._record(row)
        change = RunChange(state="running", started_at=row.started_at or now, tasks=len(compiled.plan), reopened=True)
        return self._drive(lease, engine, compiled, fingerprint, params, row, opening, change, raise_on_failure)

    def _adopt(self, row: RunRow, engine: RunEngine, plan: Plan, now: float) -> tuple[str, list[Event]]:
        """The plan's fingerprint, and the event by which the run goes on with it, if it has changed and fits."""
        from penstock.engine.events import DriverStopped, PlanAdopted
        from penstock.plan.codec import encode
        from penstock.plan.fingerprint import fingerprint, fit, same_work

        encoded = encode(plan)
        name = fingerprint(encoded)
        if same_work(engine.plan, plan):
            return name, []
        fitting = fit(engine.plan, plan, engine.done())
        if fitting.problems:
            problems = "".join(f"\n  {problem}" for problem in fitting.problems)
            raise PlanMismatch(
                f"run {row.id} cannot go on with the workflow as it is now:{problems}\n"
                "Put these tasks back as they were, or start a new run."
            )
        _tell_changes(fitting)
        self._parts.store.add_plan(row.id, name, encoded)
        return name, [DriverStopped(now, "lost"), PlanAdopted(now, name)]

    def _drive(
        self,
        lease: Lease,
        engine: RunEngine,
        compiled: Compiled,
        fingerprint: str,
        params: Mapping[str, Any],
        row: RunRow,
        opening: list[Event],
        change: RunChange,
        raise_on_failure: bool,
    ) -> Run:
        from penstock.parts import create_executor
        from penstock.runtime.session import drive

        observers = self._observers
        if observers is None:
            from penstock.observe.console import Console

            observers = [Console()]
        settings = self._settings
        try:
            interrupted = drive(
                store=self._parts.store,
                results=self._parts.results,
                logs=self._parts.logs,
                lease=lease,
                engine=engine,
                compiled=compiled,
                fingerprint=fingerprint,
                params=params,
                opening=opening,
                change=change,
                executor=create_executor(
                    self._executor if self._executor is not None else settings.executor,
                    self._workers if self._workers is not None else settings.workers,
                ),
                full=_is_full(self._durability or settings.durability),
                grace=self._grace if self._grace is not None else settings.grace,
                observers=observers,
            )
        finally:
            lease.release()
        run = self._view(engine, row, "interrupted" if interrupted else str(engine.state))
        if interrupted:
            message = f"run {run.id} was stopped by {interrupted}; it can be resumed"
            if interrupted == "SIGTERM":
                raise SystemExit(130) from RunInterrupted(message, run)
            raise KeyboardInterrupt(message) from RunInterrupted(message, run)
        if run.state != "success" and raise_on_failure:
            raise RunFailed(_verdict(run), run)
        return run

    def _record(self, row: RunRow) -> Run:
        from penstock.runtime.replay import replay

        state = row.state
        if state == "running" and self._parts.store.holder(row.id) is None:
            state = "interrupted"
        return self._view(replay(self._parts.store, row), row, state)

    def _view(self, engine: RunEngine, row: RunRow, state: str) -> Run:
        from penstock.results.tagged_json import loads
        from penstock.results.values import load_value
        from penstock.runtime.record import Run

        parts = self._parts

        def load(task: int) -> Any:
            ref = engine.values.get(task)
            return None if ref is None else load_value(ref, parts.results)

        def log(task: int) -> str:
            return parts.logs.reader(row.id).text(task=task)

        params = cast("dict[str, Any]", loads(row.params))
        return Run(engine, workflow=row.workflow, params=params, source=row.source, state=state, load=load, log=log)

    def _row(self, run_id: str | None) -> RunRow:
        store = self._parts.store
        if run_id is not None:
            return store.run(run_id)
        newest = store.runs(limit=1)
        if not newest:
            raise RunNotFound("there are no runs yet")
        return newest[0]

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

    def _unfinished(self, workflow: str, params: Mapping[str, Any]) -> str | None:
        from penstock.results.tagged_json import dumps

        wanted = dumps(dict(params))
        for row in self._parts.store.runs(workflow):
            if row.params == wanted:
                return row.id if row.state != "success" else None
        return None

    def _cancel_unheld(self, row: RunRow, by: str) -> None:
        """Nobody drives the run, so nobody would read its inbox: cancel it here."""
        import json
        from time import time

        from penstock.engine.events import CancelRequested, DriverStopped, RunStarted
        from penstock.runtime.replay import replay
        from penstock.store.base import RunChange

        store = self._parts.store
        lease = store.acquire(row.id)
        try:
            engine = replay(store, self._row(row.id))
            now = time()
            first = RunStarted(now) if engine.state == "queued" else DriverStopped(now, "lost")
            events: list[Event] = [first, CancelRequested(now, by)]
            for event in events:
                engine.handle(event)
            change = RunChange(
                state=str(engine.state),
                ended_at=engine.ended_at,
                error=engine.error,
                counts=json.dumps(engine.counts()),
            )
            store.append(lease, events, change=change, safe=True)
        finally:
            lease.release()


def _check_flow(flow: Any) -> None:
    if not isinstance(flow, (Workflow, WorkflowFunction)):
        hint = " (add @workflow to it)" if callable(flow) else ""
        raise DefinitionError(f"{flow!r} is not a workflow: give a Workflow or a @workflow function{hint}")


def _is_full(durability: str) -> bool:
    from penstock.parts import DURABILITIES

    if durability not in DURABILITIES:
        raise PenstockError(f"durability={durability!r}: it is 'full' or 'process'")
    return durability == "full"


def _ended(state: str) -> bool:
    return state in ("success", "failed", "cancelled")


def _verdict(run: Run) -> str:
    errors = [task for task in run.tasks if task.state == "failed"]
    detail = f": {errors[0].error}" if len(errors) == 1 else ""
    return f"run {run.id} {run.state}: {run.error}{detail}"


def _tell_changes(fitting: Fit) -> None:
    if fitting.changed:
        names = ", ".join(fitting.changed)
        sys.stderr.write(f"The code of these done tasks has changed; their results are kept: {names}\n")


def _main_file() -> str | None:
    """The script that is being run; None at a prompt, in a notebook or for a program read from stdin."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    return str(Path(path).absolute()) if path and Path(path).is_file() and path.endswith(".py") else None


def _script_name() -> str:
    path = loading_file() or _main_file()
    return Path(path).stem if path else "workflow"
