"""Outcomes by hand: somebody says what is to be taken for the outcome of tasks, and the run goes by that."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.engine.attempts import Attempts
from penstock.engine.columns import CANCELLED, FAILED, READY, REMOVED, RUNNING, SKIPPED, SUCCESS, UPSTREAM_FAILED
from penstock.engine.commands import Command, SetGroupTimer, SetTimer, TasksSettled, WithdrawTasks
from penstock.engine.ends import Commands
from penstock.engine.events import ErrorText, TasksMarked
from penstock.engine.rounds import Unit
from penstock.engine.states import Cause, RunState, TaskState

_MARKS = {
    "success": Cause.MARKED_SUCCESS,
    "failed": Cause.MARKED_FAILED,
    "skipped": Cause.MARKED_SKIPPED,
}


class Marks(Attempts):
    """The tasks of one run, and what somebody says of them."""

    # --- What can be marked

    def can_be_marked(self, task: int) -> bool:
        """Whether there is such a task, and it has an outcome of its own: a map has those of its instances."""
        if not 0 <= task < len(self.states) or self.states[task] == REMOVED:
            return False
        return not self.is_head(task) and task not in self.plan.maps

    def in_the_way(self, tasks: Iterable[int]) -> list[int]:
        """Those of the tasks, and of all that is below them, that run: a mark would take from under them what they
        rely on."""
        found = [*dict.fromkeys(tasks)]
        known = {*found}
        opened: set[Unit] = set()
        for slot in found:
            more = {*self._waiting_for(slot)}
            for unit in self._units_around(slot) - opened:
                opened.add(unit)
                more |= self._waiting_for_unit(unit)
            found += sorted(more - known)
            known |= more
        return [slot for slot in found if self.states[slot] == RUNNING]

    def _waiting_for_unit(self, unit: Unit) -> set[int]:
        """The slots outside of a group that is tried again which see what becomes of it."""
        below = {target for slot in self._unit_slots(unit) for target in self._waiting_for(slot)}
        return {target for target in below if unit not in self._units_around(target)}

    def waits_for_round(self, task: int) -> bool:
        """Whether a task will begin anew with its group, so that what is said of it would not last."""
        return not self._units_around(task).isdisjoint(self.rounds_due)

    # --- Marking

    def _tasks_marked(self, event: TasksMarked) -> Commands:
        """What somebody says of tasks is what became of them; what the law made of others because of them is weighed
        anew, and the run goes on if that lets something run."""
        tasks, cause = event.tasks, _MARKS.get(event.state)
        if self.state is RunState.QUEUED or cause is None or not all(map(self.can_be_marked, tasks)):
            raise self._invalid(event)
        if self.in_the_way(tasks) or any(map(self.waits_for_round, tasks)):
            raise self._invalid(event)
        was_running = self.state is RunState.RUNNING
        if not was_running:
            self._cause, self._forced = None, False
            self.rounds.clear()
        before, ready, due = bytes(self.states), self._those(READY), {*self.rounds_due}
        # What does not run in a run that is to end stays so.
        below = {slot for slot in self._derived_below(tasks, ()) if not self._is_to_end(slot)}
        self._begin_generation(tasks)
        for task in tasks:
            self._mark(task, cause, event)
        self._reset(sorted(below.difference(tasks)))
        self._weigh_after_marks(event.at)
        settled = self._settled_since(before, {*tasks})
        commands = [*self._go_on(event.at), *self._fail_fast_after(event)]
        if not was_running:
            return self._with_undelivered(commands)
        # Whatever was ready is given anew; timers tick on.
        new = [command for command in commands if not _is_timer_of(command, due)]
        return [WithdrawTasks(ready), *settled, *new]

    def _mark(self, task: int, cause: Cause, event: TasksMarked) -> None:
        self._move(task, cause)
        self.ended[task] = event.at
        story = f"marked by {event.by}{f': {event.note}' if event.note else ''}"
        self.errors.pop(task, None)
        self.marks[task] = story
        if cause is Cause.MARKED_FAILED:
            self.errors[task] = ErrorText("Marked", story)
            self.final.add(task)
        if cause is Cause.MARKED_SKIPPED:
            self.skips[task] = story

    def _weigh_after_marks(self, at: float) -> None:
        """Bring all else in line. A round of a group that is over by a mark is followed by another as any round is."""
        settled = {*self.settled}
        self._recount(at)
        while over := [unit for unit in self.settled - settled if self._is_tried_again(unit)]:
            unit = max(over)  # the innermost, since the others are not over then
            self.rounds_due[unit] = at + self.round_pause(unit)
            self._recount(at)
        self._weigh_all(at)

    def _settled_since(self, before: bytes, marked: set[int]) -> list[Command]:
        """What has ended without running because of marks."""
        settled: dict[int, list[int]] = {SKIPPED: [], UPSTREAM_FAILED: [], CANCELLED: []}
        for slot, state in enumerate(before):
            after = self.states[slot]
            if state < SUCCESS and after in settled and slot not in marked and slot not in self.widths:
                settled[after].append(slot)
        return [TasksSettled(slots, TaskState(state)) for state, slots in settled.items() if slots]

    def _fail_fast_after(self, event: TasksMarked) -> Commands:
        """A failure by hand is one."""
        cause = self._first_failure(task for task in event.tasks if self.states[task] == FAILED)
        return self._stop_for(cause, event.at) if cause and self.state is RunState.RUNNING else ()


def _is_timer_of(command: Command, due: set[tuple[int, int]]) -> bool:
    """Whether a command sets a timer that is set already: of a retry, or of a round that was due before."""
    if type(command) is SetGroupTimer:
        return (command.group, command.index) in due
    return type(command) is SetTimer
