"""WorkflowManager: the door to everything, and the one place where parts are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.definition.task import Task
from penstock.errors import (
    PenstockError,
    RunEnded,
)
from penstock.launching import Launching, check_flow, main_file

if TYPE_CHECKING:
    from datetime import timedelta

    from penstock.engine.events import Event
    from penstock.engine.run import RunEngine
    from penstock.plan.compile import Compiled
    from penstock.plan.plan import Plan
    from penstock.runtime.debugging import Rehearsal
    from penstock.runtime.loader import Flow
    from penstock.runtime.logbook import Entry
    from penstock.runtime.pruner import Pruned
    from penstock.runtime.record import Run
    from penstock.runtime.selection import Selection


class WorkflowManager(Launching):
    """Runs workflows and knows their runs.

    `store` is "sqlite" (the default: a folder .penstock, found upwards like .git), "sqlite:///FOLDER",
    "postgresql://..." or "memory". `results` is a folder for values and logs, by default the store's own or .penstock.
    `executor` is "threads" (the default), "processes" or "inline", with `workers` attempts at once. `durability` is
    "full" (what was told to the outside survives a power cut) or "process" (it survives the death of the process).
    `grace` is how many seconds a task has to end once it is asked to. `observers` are told of runs as they go; by
    default a console that announces each task.

    Options that are left out come from `[tool.penstock]` of pyproject.toml, penstock.toml, or PENSTOCK_... variables.
    """

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
        check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        if resume:
            wanted = kept(compiled.plan.workflow, compiled.parameters, bound)
            unfinished = self._history.unfinished(compiled.plan.workflow, wanted)
            if unfinished is not None:
                secrets = {name: bound[name] for name in given if compiled.parameters[name].is_secret}
                return self.resume(unfinished, flow, secrets=secrets, raise_on_failure=raise_on_failure)
        return self._told(*self._drive(self._begin(compiled, bound, main_file())), raise_on_failure)

    def start(self, workflow: Flow | None = None, /, *, params: Mapping[str, Any] | None = None, **values: Any) -> Run:
        """Begin a run of a workflow (by default the manager's own) and return at once. It goes on in this process,
        which does not end before it has, beside others: they share the workers. `run.wait()` waits for it.

        Parameters are given as to `run`. DefinitionError, before anything runs, if the workflow is not well formed; a
        run that fails raises nothing.
        """
        from penstock.runtime.loading import end_loading
        from penstock.runtime.started import StartedRun

        flow = workflow if workflow is not None else self.workflow
        check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        driving = self._begin(compiled, bound, main_file())
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
