"""A run on a terminal: a table that changes below what tasks print.

Events only note what happened, in a microsecond; one thread draws, some times a second while something happens or runs,
else once. Imported for a terminal only,
since rich is no cheap import.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from threading import Event, Lock, Thread
from time import monotonic
from typing import Literal, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from penstock.engine.events import ErrorText
from penstock.engine.states import ENDED, TaskState
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.live_children import MOST_OF_A_TASK, Children, ChildView, lines_of, tell
from penstock.observe.progress import Progress, ended_of
from penstock.observe.terminal import Lines
from penstock.observe.words import attempt_of, duration, instance, marked, opening
from penstock.plan.plan import Plan

REFRESH = 0.125
"""Seconds between two drawings, at least."""
IDLE_REFRESH = 1.0 - REFRESH / 2
"""Seconds after which clocks are drawn anew, where nothing else changes."""
_MOST_ROWS = 30
"""A plan of so many tasks is shown whole, if the terminal is high enough; of a larger one, what runs."""
_MOST_RUNNING = 10
_AROUND_ROWS = 6
"""Lines of the terminal that are kept for other things than rows."""
_NARROWEST_NAME = 16
_BESIDE_NAME = 32
"""Columns that are kept for other things than names."""
_WIDEST_CHILD = 24
"""Columns for the index and the id of the run that a task is."""
_GOOD = TaskState.SUCCESS
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveView:
    """Shows one run on the terminal that `file` is, from `run_started` to `close`. `done` are names of tasks that
    succeeded before. See Observer."""

    def __init__(self, file: TextIO, done: Collection[str] = ()) -> None:
        self.started = False
        self._done = frozenset(done)
        self._progress: Progress | None = None
        self._children = Children()
        self._run_id = ""
        self._seconds: dict[int, float] = {}
        """How long each task ran that has ended, of a plan that is shown whole."""
        self._whole = False
        self._above: deque[str | Text] = deque()
        """What is to be shown above the table."""
        self._lines = {"stdout": Lines(), "stderr": Lines()}
        self._news = False
        """Whether something has happened that is not drawn yet."""
        self._closing = Event()
        self._closed = False
        self._gathering = Lock()
        self._drawing = Lock()
        self._console = Console(file=file)
        self._live: Live | None = None
        self._thread: Thread | None = None
        self._began = 0.0

    # --- What it is told

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._run_id = run_id
        self.started = True
        self._began = monotonic()
        below = MOST_OF_A_TASK if any(policy.workflow is not None for policy in plan.policies) else 0
        self._whole = len(plan) <= min(_MOST_ROWS, self._console.height - _AROUND_ROWS - below)
        self._progress = Progress(plan, self._done)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._console.print(Text(opening(run_id, plan, self._done)))
        self._live.start()
        self._console.show_cursor(True)  # or it would stay hidden after kill -9
        self._draw()
        self._thread = Thread(target=self._draw_on, name="penstock-live", daemon=True)
        self._thread.start()

    def for_child(self, name: str) -> ChildView:
        """Who observes the run that a task is, which is shown below it."""
        return ChildView(name, "", self._children, self._say)

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        if self._progress is not None:
            self._progress.started(task, index, attempt)
            self._news = True

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if self._progress is None:
            return
        self._progress.ended(task, index, attempt, state)
        self._news = True
        if index < 0 and self._whole:
            self._seconds[task] = seconds
        tell(self._say, self._run_id, self._progress.plan, "", task, index, attempt, state, error)

    def map_expanded(self, task: int, width: int) -> None:
        if self._progress is not None:
            self._progress.expanded(task, width)
            self._news = True

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        if self._progress is not None:
            for task, index in tasks:
                self._progress.note(task, index, state)
            self._news = True

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        if self._progress is not None:
            self.tasks_settled(tasks, TaskState[state.upper()])
            names = [instance(self._progress.plan.names[task], index) for task, index in tasks]
            self._say(marked(names, state, story), TaskState[state.upper()])

    def stopping(self, reason: str, running: int) -> None:
        waiting = f", waiting for {running} running task{'s' if running != 1 else ''}" if running else ""
        self._say(f"Stopping ({reason}){waiting}", TaskState.RETRYING)

    def parked(self, until: float | None) -> None:
        """The caller of `run` tells it."""

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The caller of `run` tells the verdict, when it has closed the view."""

    def echo(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        """Show text that was written to a stream, above the table if that is where the stream leads."""
        place = getattr(sys, stream)
        if self._live is not None and not self._closing.is_set() and place.isatty():
            with self._gathering:
                whole = self._lines[stream].add(text)
                if whole:
                    self._above.append(whole)
                self._news = True
        else:
            place.write(text)

    def close(self) -> None:
        """Draw the last state and let go of the terminal. Closing twice is harmless."""
        if self._closed or self._live is None:
            return
        self._closed = True
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._above.extend(line for lines in self._lines.values() if (line := lines.rest()))
        self._live.transient = not self._whole
        self._draw()
        try:
            self._live.stop()
        except (OSError, ValueError):  # the terminal is gone
            pass

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # --- What it shows

    def _say(self, line: str, state: TaskState) -> None:
        self._above.append(Text(line, style=LOOKS[state].terminal))
        self._news = True

    def _draw_on(self) -> None:
        drawn = monotonic()
        while not self._closing.wait(REFRESH):
            if self._news or self._is_moving() or monotonic() - drawn >= IDLE_REFRESH:
                drawn = monotonic()
                self._draw()

    def _is_moving(self) -> bool:
        """Whether something runs, here or in a run that is a task."""
        running = self._progress is not None and self._progress.running_names()
        return bool(running) or any(True for _ in self._children.running_names())

    def _draw(self) -> None:
        if self._live is None or self._progress is None:
            return
        try:
            with self._drawing:
                self._news = False
                above = [self._above.popleft() for _ in range(len(self._above))]
                self._live.update(self._picture(self._progress))
                if above:
                    parts = [_Raw(part) if isinstance(part, str) else part for part in above]
                    self._console.print(Group(*parts), soft_wrap=True, crop=False, end="")
                else:
                    self._live.refresh()
        except (OSError, ValueError, UnicodeError):  # the terminal is gone
            self._closing.set()

    def _picture(self, progress: Progress) -> RenderableType:
        everything = range(len(progress.plan))
        if self._closing.is_set():
            return self._table(progress, everything, {}) if self._whole else Text("")
        parts = [Text(part, no_wrap=True, overflow="crop") for lines in self._lines.values() if (part := lines.part())]
        return Group(*parts, *self._rows(progress), *self._foot(progress))

    def _rows(self, progress: Progress) -> list[RenderableType]:
        children = self._children.by_task()
        if self._whole:
            return [self._table(progress, range(len(progress.plan)), children)]
        running = [task for task, _ in sorted(progress.running.copy().items(), key=lambda item: item[1][1])]
        most = max(1, min(_MOST_RUNNING, self._console.height - _AROUND_ROWS))
        shown = running[:most]
        with_children = [task for name in children if (task := progress.plan.numbers.get(name)) is not None]
        shown += [task for task in with_children if task not in shown][: most - len(shown)]
        more = len(running) - most
        rest = [Text(f"  … and {more:,} more running", style="bright_black")] if more > 0 else []
        return [self._table(progress, shown, children), *rest] if shown else []

    def _table(self, progress: Progress, tasks: Sequence[int], children: Mapping[str, Sequence[ChildView]]) -> Text:
        """A row for each task, and below it the runs that it is. One text, since a table of rich's takes ten times as
        long to draw."""
        now, names = monotonic(), progress.plan.names
        widest = max((cell_len(names[task]) for task in tasks), default=0)
        widest = max(widest, _NARROWEST_NAME, *(_WIDEST_CHILD if names[task] in children else 0 for task in tasks))
        width = max(_NARROWEST_NAME, min(widest, self._console.width - _BESIDE_NAME))
        room = self._console.height - _AROUND_ROWS - len(tasks)
        rows: list[Text] = []
        for task in tasks:
            rows.append(self._row(progress, task, now, width))
            if names[task] in children:
                below = lines_of(children[names[task]], width, room)
                room -= len(below)
                rows += below
        return Text("\n", no_wrap=True, overflow="ellipsis").join(rows)

    def _row(self, progress: Progress, task: int, now: float, width: int) -> Text:
        plan, state = progress.plan, TaskState(progress.states[task])
        look = LOOKS[state]
        name = f" {set_cell_size(plan.names[task], width)} "
        running = progress.running.get(task)
        if running is not None:
            attempt = attempt_of(running[0], plan.policies[task].retries) if running[0] > 1 else ""
            mark, elapsed = _SPINNER[int(now * 10) % len(_SPINNER)], duration(now - running[1])
            return Text.assemble((mark, "cyan"), name, (f"{elapsed:>8} ", "cyan"), (attempt, "bright_black"))
        seconds = self._seconds.get(task) if state is not TaskState.DEFERRED else None
        elapsed = duration(seconds) if seconds is not None else ""
        note = "" if state in (TaskState.SUCCESS, TaskState.PENDING, TaskState.EXPANDED) else state.label
        if (tally := progress.tallies.get(task)) is not None:
            counts = {other: tally[other] for other in sorted(ENDED) if tally[other]}
            bad = [f"{number:,} {other.label}" for other, number in counts.items() if other is not _GOOD]
            note = ", ".join([f"{sum(counts.values()):,} of {sum(tally):,}", *bad])
        dim = "bright_black" if state is TaskState.PENDING else ""
        return Text.assemble(
            (look.mark, look.terminal), (name, dim), (f"{elapsed:>8} ", "bright_black"), (note, look.terminal)
        )

    def _foot(self, progress: Progress) -> list[RenderableType]:
        counts = progress.counts()
        ended, total = ended_of(counts), sum(counts.values())
        line = Table.grid(padding=(0, 1, 0, 0))
        colour = "red" if counts[TaskState.FAILED] else "green"
        bar = ProgressBar(total=max(total, 1), completed=ended, width=30, complete_style=colour)
        share = Text(f"{ended:,} of {total:,}")
        elapsed = Text(duration(monotonic() - self._began), style="bright_black")
        line.add_row(Text(progress.plan.workflow, style="bold"), bar, share, elapsed)
        return [line, _in_words(counts)]


def _in_words(counts: Mapping[TaskState, int]) -> Text:
    text = Text()
    for state in (*sorted(ENDED), TaskState.RUNNING, TaskState.RETRYING, TaskState.DEFERRED, TaskState.PENDING):
        if counts[state]:
            label = "waiting" if state is TaskState.PENDING else state.label
            text.append(f"{counts[state]:,} {label}", style=LOOKS[state].terminal).append("  ")
    return text


class _Raw:
    """Text that goes to the terminal as it is, with its colours."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)
