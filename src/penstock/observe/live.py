"""A run on a terminal: a table that changes below what tasks print.

Events only note what happened, in a microsecond; one thread draws, some times a second. Imported for a terminal only,
since rich is no cheap import.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Sequence
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
from penstock.observe.console import summary
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.drawing.remarks import worst
from penstock.observe.terminal import Lines
from penstock.observe.words import asked, attempt_of, duration, instance, marked, opening
from penstock.plan.plan import Plan

REFRESH = 0.125
"""Seconds between two drawings."""
_MOST_ROWS = 30
"""A plan of so many tasks is shown whole, if the terminal is high enough; of a larger one, what runs."""
_MOST_RUNNING = 10
_AROUND_ROWS = 6
"""Lines of the terminal that are kept for other things than rows."""
_NARROWEST_NAME = 16
_BESIDE_NAME = 32
"""Columns that are kept for other things than names."""
_GOOD = TaskState.SUCCESS
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveView:
    """Shows one run on the terminal that `file` is, from `run_started` to `close`. `done` are names of tasks that
    succeeded before. See Observer."""

    def __init__(self, file: TextIO, done: Collection[str] = ()) -> None:
        self.started = False
        self._done = frozenset(done)
        self._plan: Plan | None = None
        self._states = bytearray()
        self._running: dict[int, tuple[int, float]] = {}
        """Attempt and start of each task that runs."""
        self._seconds: dict[int, float] = {}
        """How long each task ran that has ended, of a plan that is shown whole."""
        self._whole = False
        self._above: deque[str | Text] = deque()
        """What is to be shown above the table."""
        self._maps: dict[int, bytearray] = {}
        """The states of the instances of each expanded map."""
        self._open: dict[int, int] = {}
        """How many of them have not ended."""
        self._lines = {"stdout": Lines(), "stderr": Lines()}
        self._closing = Event()
        self._closed = False
        self._gathering = Lock()
        self._counting = Lock()
        self._drawing = Lock()
        self._console = Console(file=file)
        self._live: Live | None = None
        self._thread: Thread | None = None
        self._began = 0.0

    # --- What it is told

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._plan, self._run_id = plan, run_id
        self.started = True
        self._began = monotonic()
        self._whole = len(plan) <= min(_MOST_ROWS, self._console.height - _AROUND_ROWS)
        self._states = bytearray(TaskState.SUCCESS if name in self._done else TaskState.PENDING for name in plan.names)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._console.print(Text(opening(run_id, plan, self._done)))
        self._live.start()
        self._console.show_cursor(True)  # or it would stay hidden after kill -9
        self._draw()
        self._thread = Thread(target=self._draw_on, name="penstock-live", daemon=True)
        self._thread.start()

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        if index < 0:
            self._running[task] = attempt, monotonic()
            self._states[task] = TaskState.RUNNING
        else:
            self._note(task, index, TaskState.RUNNING)

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if index >= 0:
            self._note(task, index, state)
        else:
            if self._running.get(task, (attempt,))[0] == attempt:  # else the next one has begun already
                self._running.pop(task, None)
                self._states[task] = state
            if self._whole:
                self._seconds[task] = seconds
        asking = self._plan.policies[task].asking if self._plan is not None else None
        if state is TaskState.DEFERRED and asking is not None and self._plan is not None:
            self._say(asked(self._run_id, instance(self._plan.names[task], index), asking), state)
        if error is not None and state not in (TaskState.SUCCESS, TaskState.SKIPPED) and self._plan is not None:
            verdict = state.label
            if state is TaskState.RETRYING:
                verdict = f"failed, {attempt_of(attempt, self._plan.policies[task].retries)}, will be tried again"
            self._say(f"Task {instance(self._plan.names[task], index)} {verdict}: {summary(error)}", state)

    def map_expanded(self, task: int, width: int) -> None:
        if self._plan is None:
            return
        rows = self._plan.expanded_by.get(task, (task,))
        self._states[task] = TaskState.SUCCESS if task not in rows else TaskState.EXPANDED
        for row in rows:
            self._maps[row], self._open[row] = bytearray(width), width
            self._states[row] = TaskState.EXPANDED if width else TaskState.SKIPPED

    def _note(self, task: int, index: int, state: TaskState) -> None:
        """A task has ended, or an instance of a map, of which the worst is shown when all have ended."""
        if index < 0:
            self._states[task] = state
        elif index < len(self._maps.get(task, b"")):
            instances = self._maps[task]
            with self._counting:
                self._open[task] += (state not in ENDED) - (instances[index] not in ENDED)
                instances[index] = state
                is_open = self._open[task] > 0
            self._states[task] = TaskState.EXPANDED if is_open else worst([*map(TaskState, {*instances})])

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        for task, index in tasks:
            self._note(task, index, state)

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        outcome = TaskState[state.upper()]
        for task, index in tasks:
            self._note(task, index, outcome)
        if self._plan is not None:
            names = [instance(self._plan.names[task], index) for task, index in tasks]
            self._say(marked(names, state, story), outcome)

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

    def _draw_on(self) -> None:
        while not self._closing.wait(REFRESH):
            self._draw()

    def _draw(self) -> None:
        if self._live is None or self._plan is None:
            return
        try:
            with self._drawing:
                above = [self._above.popleft() for _ in range(len(self._above))]
                self._live.update(self._picture(self._plan))
                if above:
                    parts = [_Raw(part) if isinstance(part, str) else part for part in above]
                    self._console.print(Group(*parts), soft_wrap=True, crop=False, end="")
                else:
                    self._live.refresh()
        except (OSError, ValueError, UnicodeError):  # the terminal is gone
            self._closing.set()

    def _picture(self, plan: Plan) -> RenderableType:
        if self._closing.is_set():
            return self._table(plan, range(len(plan))) if self._whole else Text("")
        parts = [Text(part, no_wrap=True, overflow="crop") for lines in self._lines.values() if (part := lines.part())]
        return Group(*parts, *self._rows(plan), *self._foot(plan))

    def _rows(self, plan: Plan) -> list[RenderableType]:
        if self._whole:
            return [self._table(plan, range(len(plan)))]
        running = sorted(self._running.copy().items(), key=lambda item: item[1][1])
        most = max(1, min(_MOST_RUNNING, self._console.height - _AROUND_ROWS))
        more = len(running) - most
        rest = [Text(f"  … and {more:,} more running", style="bright_black")] if more > 0 else []
        return [self._table(plan, [task for task, _ in running[:most]]), *rest] if running else []

    def _table(self, plan: Plan, tasks: Sequence[int]) -> Text:
        """A row for each task. One text, since a table of rich's takes ten times as long to draw."""
        now = monotonic()
        widest = max((cell_len(plan.names[task]) for task in tasks), default=0)
        width = max(_NARROWEST_NAME, min(widest, self._console.width - _BESIDE_NAME))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(self._row(plan, task, now, width) for task in tasks)

    def _row(self, plan: Plan, task: int, now: float, width: int) -> Text:
        state = TaskState(self._states[task])
        look = LOOKS[state]
        name = f" {set_cell_size(plan.names[task], width)} "
        running = self._running.get(task)
        if running is not None:
            attempt = attempt_of(running[0], plan.policies[task].retries) if running[0] > 1 else ""
            mark, elapsed = _SPINNER[int(now * 10) % len(_SPINNER)], duration(now - running[1])
            return Text.assemble((mark, "cyan"), name, (f"{elapsed:>8} ", "cyan"), (attempt, "bright_black"))
        seconds = self._seconds.get(task)
        elapsed = duration(seconds) if seconds is not None else ""
        note = "" if state in (TaskState.SUCCESS, TaskState.PENDING, TaskState.EXPANDED) else state.label
        if task in self._maps:
            counts = {other: number for other in ENDED if (number := self._maps[task].count(other))}
            bad = [f"{number:,} {other.label}" for other, number in sorted(counts.items()) if other is not _GOOD]
            note = ", ".join([f"{sum(counts.values()):,} of {len(self._maps[task]):,}", *bad])
        dim = "bright_black" if state is TaskState.PENDING else ""
        return Text.assemble(
            (look.mark, look.terminal), (name, dim), (f"{elapsed:>8} ", "bright_black"), (note, look.terminal)
        )

    def _foot(self, plan: Plan) -> list[RenderableType]:
        ended = sum(self._states.count(state) for state in ENDED)
        line = Table.grid(padding=(0, 1, 0, 0))
        total = len(plan)
        bad = self._states.count(TaskState.FAILED)
        bar = ProgressBar(total=max(total, 1), completed=ended, width=30, complete_style="red" if bad else "green")
        share = Text(f"{ended:,} of {total:,}")
        elapsed = Text(duration(monotonic() - self._began), style="bright_black")
        line.add_row(Text(plan.workflow, style="bold"), bar, share, elapsed)
        return [line, self._counts()]

    def _counts(self) -> Text:
        counts = Text()
        for state in (
            *sorted(ENDED),
            TaskState.RUNNING,
            TaskState.RETRYING,
            TaskState.DEFERRED,
            TaskState.PENDING,
        ):
            number = self._states.count(state)
            if number:
                label = "waiting" if state is TaskState.PENDING else state.label
                counts.append(f"{number:,} {label}", style=LOOKS[state].terminal).append("  ")
        return counts


class _Raw:
    """Text that goes to the terminal as it is, with its colours."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)
