"""WorkflowManager: the door to everything, and the one place where parts are joined."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.definition.task import Task
from penstock.errors import PenstockError
from penstock.launching import check_flow, main_file
from penstock.runtime.messaging import Messaging
from penstock.sub_runs import Nesting

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from threading import Event

    from penstock.engine.events import Event as RunEvent
    from penstock.engine.run import RunEngine
    from penstock.plan.compile import Compiled
    from penstock.plan.plan import Plan
    from penstock.runtime.debugging import Rehearsal
    from penstock.runtime.loader import Flow
    from penstock.runtime.logbook import Entry
    from penstock.runtime.pruner import Pruned
    from penstock.runtime.record import Run
    from penstock.runtime.selection import Selection
    from penstock.store.base import Pool


_END_OF_TIME = 253_402_300_800.0
"""The year 10000."""


class WorkflowManager(Nesting, Messaging):
    """Runs workflows and knows their runs.

    `store` is "sqlite" (the default: a folder .penstock, found upwards like .git), "sqlite:///FOLDER",
    "postgresql://..." or "memory". `results` is a folder for values and logs, by default the store's own or .penstock.
    `executor` is "threads" (the default), "processes" or "inline", with `workers` attempts at once. `durability` is
    "full" (what was told to the outside survives a power cut) or "process" (it survives the death of the process).
    `grace` is how many seconds a task has to end once it is asked to, `park_after` how many a run must have nothing to
    do to be parked. `observers` are told of runs as they go; by default a console that announces each task.

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
        park: bool = False,
        logical_time: datetime | None = None,
        **values: Any,
    ) -> Run:
        """Run a workflow (by default the manager's own) to its end.

        Parameters are given by name or, where a name collides, in `params`. With `resume`, the newest run of this
        workflow with the same parameters goes on if it has not succeeded. With `park`, a run that only waits, and for
        long, comes back with the state "waiting": `resume` goes on with it. `logical_time` is what time the run is for:
        LogicalTimeTaken if the workflow has had one for it, which `resume` goes on with. Raises RunFailed if the run
        fails, unless `raise_on_failure` is false; KeyboardInterrupt on Ctrl-C; DefinitionError, before anything runs,
        if the workflow is not well formed.
        """
        from penstock.runtime.given import kept
        from penstock.runtime.loading import end_loading
        from penstock.runtime.logical_times import time_by_hand

        flow = workflow if workflow is not None else self.workflow
        check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        time = time_by_hand(flow, logical_time)
        if resume:
            wanted = kept(compiled.plan.workflow, compiled.parameters, bound)
            unfinished = self._history.unfinished(compiled.plan.workflow, wanted, time.at)
            if unfinished is not None:
                secrets = {name: bound[name] for name in given if compiled.parameters[name].is_secret}
                return self.resume(unfinished, flow, secrets=secrets, raise_on_failure=raise_on_failure, park=park)
        driving = self._begin(compiled, bound, main_file(), time=time)
        return self._told(*self._drive(driving, park=park), raise_on_failure)

    def start(
        self,
        workflow: Flow | None = None,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        logical_time: datetime | None = None,
        **values: Any,
    ) -> Run:
        """Begin a run of a workflow (by default the manager's own) and return at once. It goes on in this process,
        which does not end before it has, beside others: they share the workers. `run.wait()` waits for it. A run that
        only waits, and for long, is parked, and needs no thread until it is woken.

        Parameters are given as to `run`, and so is `logical_time`. DefinitionError, before anything runs, if the
        workflow is not well formed; a run that fails raises nothing.
        """
        from penstock.runtime.loading import end_loading
        from penstock.runtime.logical_times import time_by_hand

        flow = workflow if workflow is not None else self.workflow
        check_flow(flow)
        given = {**(params or {}), **values}
        end_loading(flow, given)
        compiled, bound = self._compile(flow, given)
        driving = self._begin(compiled, bound, main_file(), time=time_by_hand(flow, logical_time))
        return self._beside(driving, flow)

    def wait(self, run_id: str | None = None, timeout: float | None = None) -> Run:
        """The run (by default the newest) when it has ended, whoever drives it; it may have failed, or be interrupted
        if nobody drives it any more. TimeoutError if it is not over after `timeout` seconds."""
        from penstock.runtime.started import wait_for

        row = self._history.row(run_id)
        started = self._started.wait(row.id, timeout) if self._started is not None else None
        return started or wait_for(self._history, row.id, timeout, self._clock)

    def run_file(
        self,
        target: str,
        params: Mapping[str, str] | None = None,
        *,
        selection: Selection | None = None,
        raise_on_failure: bool = True,
        park: bool = False,
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
        return self._told(*self._drive(self._begin(compiled, bound, loaded.source), park=park), raise_on_failure)

    def resume(
        self,
        run_id: str | None = None,
        workflow: Flow | None = None,
        *,
        adopt: bool = False,
        secrets: Mapping[str, Any] | None = None,
        raise_on_failure: bool = True,
        park: bool = False,
    ) -> Run:
        """Go on with a run (by default the newest): what has succeeded is kept, everything else runs.

        The workflow is loaded from the file it came from, unless it is given. It may have changed where the run has
        done nothing yet; PlanMismatch says where it does not fit. RunLocked if the run is being driven. `secrets` are
        the parameters that it was given as values and that were not kept, since they are secret.

        `adopt` is how something that nobody watches resumes: attempts that were lost with the driver before are
        counted, so that a task cannot kill its drivers for ever, and what has ended, failed or not, stays as it is. So
        a parked run is woken, too. `park` as for `run`.
        """
        from penstock.runtime import takeover

        again = takeover.adopt if adopt else takeover.resume
        return self._again(run_id, workflow, again, raise_on_failure, by_hand=not adopt, secrets=secrets, park=park)

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

        def events(engine: RunEngine, plan: Plan, at: float) -> list[RunEvent]:
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
        those whose driver died before they began, and those that have ended with notices to deliver. Runs of tasks are
        left out that go on with one of these."""
        from penstock.runtime.history import ENDED

        history = self._history
        rows = [row for row in history.store.unfinished() if history.store.holder(row.id) is None]
        ids = {row.id for row in rows if row.state not in ENDED}
        return [history.run(row) for row in rows if row.part is None or row.parent not in ids]

    def due(self) -> list[Run]:
        """The parked runs whose time has come, or to which somebody has sent a message, and those that could not be
        woken before; what is due longest first."""
        history = self._history
        now = self._clock.time()
        rows = history.store.due(_END_OF_TIME)
        rows = [row for row in rows if row.error is not None or (row.wake_at is not None and row.wake_at <= now)]
        return [history.run(row) for row in rows if history.store.holder(row.id) is None]

    def watch(self, stop: Event, told: Callable[[Run], None] | None = None) -> None:
        """Until `stop` is set, take over what nobody drives, and wake what is due, whoever has parked it. `told` is
        given each run when it has ended, was interrupted or is parked again."""
        from penstock.runtime.waking import LOOK

        unheld = [run.id for run in self.unheld()]
        self._runs.watch(unheld, partial(self._wake, due_only=True), told or (lambda run: None))
        try:
            while not stop.wait(LOOK):
                pass
        finally:
            self._runs.close(stop="SIGINT")

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
        from getpass import getuser

        row = self._history.row(run_id)
        self._cancel(row, by or getuser())
        return self.get(row.id)

    def delete(self, run_id: str) -> None:
        """Forget a run: its record, its journal and its logs, and those of the runs that its tasks are. RunLocked while
        one of them is driven.

        Its large values go with the next `prune`, if no other run has the same ones."""
        store = self.parts.store
        row = self._history.row(run_id)
        for child in store.children(row.id):
            if child.part is not None:
                self.delete(child.id)
        store.delete_run(row.id)
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
        return prune(self._history, self._equipment.retention(days, keep), dry_run=dry_run)

    # --- Pools

    def set_pool(self, name: str, slots: int) -> Pool:
        """Make a pool that the tasks of all runs of this store share, or give it another number of slots. Tasks that
        run keep what they have; with 0 slots, none begins."""
        from penstock.runtime.pools import set_pool

        return set_pool(self.parts.store, name, slots)

    def pools(self) -> list[Pool]:
        """The pools on record, by name: those that were set, and those of the settings."""
        from penstock.runtime.pools import put_on_record

        put_on_record(self.parts.store, self._equipment.settings.pools)
        return self.parts.store.pools()

    def delete_pool(self, name: str) -> None:
        """Forget a pool. Tasks that run keep what they have; those that wait for it wait until it is made again.
        PoolNotFound if there is none."""
        self.parts.store.delete_pool(name)

    def close(self) -> None:
        """Wait for the runs that were started, but for those that are parked and go on later, or when a message comes;
        and let go of the store. The manager opens it again when it needs it."""
        self._close()

    def _close(self, stop: str | None = None) -> None:
        """Wait for the runs that were started, or stop them for a reason."""
        try:
            parked = self._started.close(stop=stop) if self._started is not None else 0
        finally:
            self._equipment.close_store()
        if parked and sys.stderr is not None:
            told = "1 run stays" if parked == 1 else f"{parked:,} runs stay"
            sys.stderr.write(f"{told} parked: penstock resume --all goes on with what is due\n")

    def __enter__(self) -> WorkflowManager:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Who presses Ctrl-C is not waiting for anything any more.
        self._close("SIGINT" if isinstance(error, (KeyboardInterrupt, SystemExit)) else None)
