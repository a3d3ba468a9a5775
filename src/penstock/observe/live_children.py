"""The runs that tasks of a run are, in the table of that: a line each, and of many a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from rich.cells import set_cell_size
from rich.text import Text

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.observe.progress import Progress, ended_of
from penstock.observe.words import asked, count, duration, instance, marked, went_wrong
from penstock.plan.plan import Plan

MOST_OF_A_TASK = 4
"""Of the runs that instances of one map are, so many are shown: those that have gone on longest."""
_MOST_NAMED = 3

Say = Callable[[str, TaskState], None]
"""Shows a line above the table, in the colour of a state."""


class ChildView:
    """Observes the run that a task is, of which a line is shown. See Observer."""

    def __init__(self, name: str, within: str, among: Children, say: Say) -> None:
        self.task, bracket, rest = name.rpartition("[") if name.endswith("]") else (name, "", "")
        """The task's name in the plan around it."""
        self.index = bracket + rest
        """ "[3]" of an instance of a map."""
        self.name = name
        self._within = f"{within}{name} / "
        self._among = among
        self._say = say
        self._children = Children()
        self._progress: Progress | None = None
        self._run_id, self._began, self._before = "", 0.0, 0

    def for_child(self, name: str) -> ChildView:
        """Who observes the run that a task of this one is."""
        return ChildView(name, self._within, self._children, self._say)

    # --- What it is told

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._run_id, self._began, self._before = run_id, monotonic(), done
        self._progress = Progress(plan)
        self._among.begin(self)

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        if self._progress is not None:
            self._progress.started(task, index, attempt)

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if self._progress is not None:
            self._progress.ended(task, index, attempt, state)
            tell(self._say, self._run_id, self._progress.plan, self._within, task, index, attempt, state, error)

    def map_expanded(self, task: int, width: int) -> None:
        if self._progress is not None:
            self._progress.expanded(task, width)

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        if self._progress is not None:
            for task, index in tasks:
                self._progress.note(task, index, state)

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        if self._progress is not None:
            self.tasks_settled(tasks, TaskState[state.upper()])
            names = [self._within + instance(self._progress.plan.names[task], index) for task, index in tasks]
            self._say(marked(names, state, story), TaskState[state.upper()])

    def stopping(self, reason: str, running: int) -> None:
        """It was told of the run around it."""

    def parked(self, until: float | None) -> None:
        """Its task goes on waiting."""

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        self._among.end(self)

    # --- What it shows

    def running_names(self) -> list[str]:
        """What runs in it, and in the runs that its own tasks are."""
        own = [] if self._progress is None else self._progress.running_names()
        return [*own, *self._children.running_names()]

    def line(self, width: int) -> Text:
        """Which run it is, how long it has gone on, how much of it is done and what runs, as `width` has room."""
        counts = {} if self._progress is None else self._progress.counts()
        total = sum(counts.values())
        done = min(ended_of(counts) + self._before, total)
        running = self.running_names()
        names = ", ".join(running[:_MOST_NAMED])
        more = f" and {len(running) - _MOST_NAMED:,} more" if len(running) > _MOST_NAMED else ""
        what = set_cell_size(f"{self.index} run {self._run_id}".lstrip(), max(width - 2, 1))
        elapsed = duration(monotonic() - self._began)
        waiting = counts.get(TaskState.DEFERRED)
        what_now = f": {names}{more}" if running else f", {waiting:,} {TaskState.DEFERRED.label}" if waiting else ""
        note = f"{done:,} of {count(total, 'task')}{what_now}"
        return Text.assemble(("  └ ", "bright_black"), what, (f" {elapsed:>8} ", "bright_black"), note)


class Children:
    """The runs of tasks that are under way."""

    def __init__(self) -> None:
        self._under_way: dict[str, ChildView] = {}

    def begin(self, child: ChildView) -> None:
        """The run of a task goes on."""
        self._under_way[child.name] = child

    def end(self, child: ChildView) -> None:
        """It does not any more."""
        if self._under_way.get(child.name) is child:
            del self._under_way[child.name]

    def by_task(self) -> dict[str, list[ChildView]]:
        """Those of each task, of a map those of its instances; who has gone on longest comes first."""
        found: dict[str, list[ChildView]] = {}
        for child in self._under_way.copy().values():
            found.setdefault(child.task, []).append(child)
        return found

    def running_names(self) -> Iterator[str]:
        """What runs in them."""
        for name, child in self._under_way.copy().items():
            yield from (f"{name} / {inner}" for inner in child.running_names())


def lines_of(children: Sequence[ChildView], width: int, room: int) -> list[Text]:
    """The lines of the runs that one task is, or its instances are: no more than `room`, and than are looked at."""
    most = min(MOST_OF_A_TASK, room)
    shown = children if len(children) <= most else children[: max(most - 1, 0)]
    lines = [child.line(width) for child in shown]
    left = len(children) - len(shown)
    if left and room > 0:
        more = f"… and {left:,} more runs" if shown else f"{count(left, 'run')}"
        lines.append(Text(f"  └ {more}", style="bright_black"))
    return lines


def tell(
    say: Say,
    run_id: str,
    plan: Plan,
    within: str,
    task: int,
    index: int,
    attempt: int,
    state: TaskState,
    error: ErrorText | None,
) -> None:
    """Show what somebody has to know of an attempt that has ended; `within` has the tasks of other runs that the run
    is."""
    policy, name = plan.policies[task], instance(plan.names[task], index)
    if state is TaskState.DEFERRED:
        if policy.asking is not None:
            say(asked(run_id, name, policy.asking, within), state)
    elif error is not None and state not in (TaskState.SUCCESS, TaskState.SKIPPED):
        say(went_wrong(within + name, attempt, policy.retries, state, error), state)
