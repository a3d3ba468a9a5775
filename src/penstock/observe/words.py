"""Words that are said of runs and plans in more than one place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from shlex import quote

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import Asking


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def number_of_tasks(plan: Plan) -> int:
    """How many tasks a plan has: what expands a mapped group is none of them."""
    return len(plan) - len(plan.expanded_by)


def size(plan: Plan) -> str:
    """How large a plan is."""
    return f"{count(number_of_tasks(plan), 'task')}, {count(sum(map(len, plan.upstreams)), 'edge')}"


def opening(run_id: str, plan: Plan, done: Collection[str]) -> str:
    """The first line about a run: its id is what stops or resumes it. `done` names tasks that were done before."""
    number = sum(name in done for name in plan.names)
    before = f", {number:,} of them done before" if number else ""
    return f"Run {run_id} of {printable(plan.workflow)}: {count(number_of_tasks(plan), 'task')}{before}"


def duration(seconds: float) -> str:
    """Two or three digits that matter, with their unit: "40 ms", "3.2 s", "2 min 05 s", "1 h 12 min", "3 d 4 h"."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def goes_on(until: float | None) -> str:
    """When a run goes on that is parked until a time, in seconds since 1970; None if only a message wakes it."""
    if until is None:
        return "goes on when a message comes"
    return f"goes on at {datetime.fromtimestamp(until).astimezone():%Y-%m-%d %H:%M:%S}"


def instance(task: str, index: int) -> str:
    """What an instance of a task is called: "load", or "load[3]" in a map."""
    return f"{task}[{index}]" if index >= 0 else task


def marked(names: Sequence[str], state: str, story: str) -> str:
    """That somebody said what became of tasks; `story` begins with "marked by"."""
    what = f"Task {names[0]}" if len(names) == 1 else f"Tasks {', '.join(names[:3])}"
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{what}{more} {story.replace('marked', f'marked as {state}', 1)}"


def attempt_of(attempt: int, retries: int) -> str:
    """Which attempt of how many: after a resume the budget of retries is fresh, and the attempts are counted on."""
    return f"attempt {attempt} of {retries + 1}" if attempt <= retries + 1 else f"attempt {attempt}"


def printable(text: str) -> str:
    """A text that is safe to show: the compiler sees to that for a task's name, but not for a workflow's."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def asked(run_id: str, task: str, asking: Asking, within: str = "") -> str:
    """That a task waits for somebody to decide; `within` has the tasks of other runs that its run is."""
    question = " ".join(asking.text.partition("\n\n")[0].split())
    told = f": {printable(question)}" if question else ""
    return f"Task {within}{task} waits for somebody to decide{told} (penstock approve {run_id} {quote(task)})"


def summary(error: ErrorText) -> str:
    """An error in one line."""
    first = error.message.strip().split("\n", 1)[0]
    return f"{error.type}: {first}" if first else error.type


def went_wrong(name: str, attempt: int, retries: int, state: TaskState, error: ErrorText) -> str:
    """That an attempt did not succeed, and has left its task in `state`."""
    if state is TaskState.RETRYING:
        message = f"Task {name} failed, {attempt_of(attempt, retries)}, will be tried again"
    elif state is TaskState.READY:
        message = f"Task {name} was lost with its worker, will be tried again"
    else:
        message = f"Task {name} {state.label}"
    return f"{message}: {summary(error)}"
