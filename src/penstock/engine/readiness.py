"""Whether a task may begin: the law, applied to the graph.

When a task has ended, it is counted with those that wait for it, and each of them is weighed: decisions first, then
guards, then its rule. What is settled by that without running has ended too, and so on, until nothing moves any more.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import le

from penstock.engine.columns import (
    CANCELLED,
    EXPANDED,
    PENDING,
    READY,
    SUCCESS,
    UNMAPPED,
    Columns,
)
from penstock.engine.commands import Command, DispatchTasks, ExpandMaps, TasksSettled
from penstock.engine.law import OUTCOME_OF, WHEN_ENDED, WHILE_OPEN, Outcomes, Verdict
from penstock.engine.states import Cause, TaskState

_FAILURES = int(Outcomes.FAILED | Outcomes.UPSTREAM_FAILED)
_CANCELLED, _SKIPPED = int(Outcomes.CANCELLED), int(Outcomes.SKIPPED)
_CAUSE = {
    Verdict.SKIP: Cause.SKIPPED,
    Verdict.UPSTREAM_FAILED: Cause.UPSTREAM_FAILED,
    Verdict.CANCEL: Cause.CANCELLED,
}
_NO_BARRIERS: dict[int, int] = {}
_WAIT, _RUN, _SKIP = Verdict.WAIT, Verdict.RUN, Verdict.SKIP


@dataclass(slots=True)
class Wave:
    """What follows, all in all, when tasks have ended."""

    ready: MutableSequence[int] = field(default_factory=partial(array, "i"))
    """What may start: perhaps all items of a large map."""
    maps: list[int] = field(default_factory=list)
    """What is to be expanded."""
    settled: dict[int, list[int]] = field(default_factory=dict)
    """State -> the tasks that have ended so without running."""

    timers: list[Command] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    """What has failed for good by this, so that the run may fail with it."""
    settled_units: list[tuple[int, int]] = field(default_factory=list)
    """Groups that are tried again as units, and will not be any more."""

    def commands(self) -> list[Command]:
        """What is to be done about it."""
        commands: list[Command] = [
            TasksSettled(sorted(tasks), TaskState(state)) for state, tasks in sorted(self.settled.items())
        ]
        if self.maps:
            commands.append(ExpandMaps(sorted(self.maps)))
        if self.ready:
            commands.append(DispatchTasks(_in_order(self.ready)))
        return [*commands, *self.timers]


def _in_order(tasks: MutableSequence[int]) -> Sequence[int]:
    """The tasks by their numbers; those of a large map are, and are not copied."""
    return tasks if all(map(le, tasks, islice(tasks, 1, None))) else sorted(tasks)


class Readiness(Columns):
    """The tasks of one run, and what each is still waiting for."""

    # --- Weighing

    def _weigh(self, slot: int) -> Verdict:
        """What becomes of a task that is pending."""
        row = slot if slot < self.size else self.row(slot)
        if self.held and slot in self.held:
            verdict = self._held_by(slot, row)
            if verdict is not _RUN:
                return verdict
        plan = self.plan
        mask = self._setups(slot, row) if row in plan.setups else self.masks[slot]
        table = WHILE_OPEN if self.missing[slot] else WHEN_ENDED
        return Verdict(table[plan.rules[row]][mask])

    def _held_by(self, slot: int, row: int) -> Verdict:
        """What decisions and guards come to, before the rule is asked; RUN if they leave it to the rule."""
        plan = self.plan
        deciders = [
            decider for above in plan.deciders.get(row, ()) for decider in self._each(self.slot_beside(slot, above))
        ]
        if any(self.leaves_out(decider, row) for decider in deciders):
            return _SKIP
        if self.held[slot]:
            return _WAIT
        outcomes = 0
        for guard in plan.guards.get(row, ()):
            outcomes |= self._outcomes(self.slot_beside(slot, guard))
        if outcomes & _FAILURES:
            return Verdict.UPSTREAM_FAILED
        if outcomes & _CANCELLED or any(self.states[decider] == CANCELLED for decider in deciders):
            return Verdict.CANCEL
        return _SKIP if outcomes & _SKIPPED else _RUN

    def leaves_out(self, decider: int, row: int) -> bool:
        """Whether a branch or short circuit has decided against a row, as far as that sees it."""
        return row not in self.chosen.get(decider, (row,)) and self._has_ended(decider, row)

    def is_seen_to_end(self, slot: int, row: int) -> bool:
        """Whether a task has ended, as far as another row is concerned."""
        return self._has_ended(slot, row)

    def _each(self, slot: int) -> Iterable[int]:
        """The instances of a map, if a slot stands for one that is not to be expanded again; else itself."""
        return self.slots(slot) if slot in self.widths and self.states[slot] not in (PENDING, READY) else (slot,)

    def is_on_hold(self, slot: int) -> bool:
        """Whether nothing is to be said of a task yet, since its map is to be expanded first."""
        if slot >= self.size:
            return self.states[self.rows[slot - self.size]] != EXPANDED
        expansion = self.plan.mapped.get(slot, slot)
        return expansion != slot and self.states[expansion] in (PENDING, READY, SUCCESS)

    def _setups(self, slot: int, row: int) -> int:
        """What the setups of a teardown came to."""
        mask = 0
        for setup in self.plan.setups[row]:
            mask |= self._outcomes(self.slot_beside(slot, setup))
        return mask

    def slot_beside(self, slot: int, row: int) -> int:
        """The slot of another row as it concerns this one: the instance of the same index, if both are in one mapped
        group; else the row's own, which stands for all its instances."""
        if slot < self.size or not self.plan.are_together(self.rows[slot - self.size], row):
            return row
        return self.instances[row][self.indexes[slot - self.size]]

    def _outcomes(self, slot: int) -> int:
        """What a task came to as far as it has ended, as a set of Outcomes: of a map, what its instances came to."""
        if slot in self.widths:
            return 0 if self.states[slot] in (PENDING, READY) else self.seen[slot]
        return OUTCOME_OF[self.states[slot]]

    # --- Counting

    def _count(self, slot: int) -> None:
        """Count anew what a task waits for, and what the others came to."""
        row = self.row(slot)
        missing = mask = 0
        if slot == row or self.plan.mapped[row] != row:
            for upstream in self.plan.upstreams[row]:
                above = self.slot_beside(slot, upstream)
                ended = self._has_ended(above, row)
                missing += not ended
                if ended or (above in self.widths and self._shows_instances(upstream, row)):
                    mask |= self._outcomes(above)
        self.missing[slot] = missing
        self.masks[slot] = mask
        if row in self.plan.held_set and (slot == row or self.plan.mapped[row] != row):
            self.held[slot] = sum(
                not self._has_ended(self.slot_beside(slot, above), row) for above in self.plan.held_by(row)
            )

    def _has_ended(self, slot: int, row: int) -> bool:
        """Whether a task has ended, as far as another row is concerned."""
        return self.states[slot] >= SUCCESS

    def _pass_on(self, slot: int, unit: int | None = None) -> Iterator[int]:
        """A task has ended: count it with those that wait for it, as far as they see it; or, when a `unit` is settled
        that it is in, with those that saw nothing of it till then. What these are."""
        row, plan = self.row(slot), self.plan
        barriers = plan.barriers.get(row, _NO_BARRIERS)
        # What an expanded map came to, its instances have told one by one.
        outcome = 0 if slot in self.widths else OUTCOME_OF[self.states[slot]]
        masks = self.masks
        for down in plan.downstreams[row]:
            if self._is_held_back(slot, barriers.get(down), unit):
                continue
            for target, counts in self._targets(slot, row, down):
                mask = masks[target] | outcome
                if counts:
                    self.missing[target] -= 1
                elif mask == masks[target]:
                    continue  # one of many instances that came to what others had come to: nothing new is seen of it
                masks[target] = mask
                yield target
        if row in plan.followers:
            for down in plan.followers[row]:
                if self._is_held_back(slot, barriers.get(down), unit):
                    continue
                for target, counts in self._targets(slot, row, down):
                    self.held[target] -= counts
                    yield target

    def _is_held_back(self, slot: int, barrier: int | None, unit: int | None) -> bool:
        """Whether what became of a task is not to be seen beyond a group: not now, or not again."""
        if barrier == unit:
            return False
        # The head of a map ends when the units of all its instances are settled, or if there never were any.
        return unit is not None or barrier is None or slot >= self.size or not self.plan.is_indexed(barrier)

    def _shows_instances(self, row: int, down: int) -> bool:
        """Whether a task below a map sees its instances end one by one."""
        barrier = self.plan.barriers.get(row, _NO_BARRIERS).get(down)
        return barrier is None or self.plan.is_indexed(barrier)

    def counts_for_map(self, slot: int) -> bool:
        """Whether an instance has ended, as far as its map is concerned."""
        return self._has_ended(slot, UNMAPPED)

    def _targets(self, slot: int, row: int, down: int) -> Iterator[tuple[int, bool]]:
        """The slots of a row below that wait for a task, and whether they wait for it alone and not for the whole of
        its map."""
        if not self.widths:
            yield down, True
            return
        together = self.plan.are_together(row, down)
        if slot >= self.size and together:
            yield self.instances[down][self.indexes[slot - self.size]], True
        elif not together or row not in self.widths:
            in_group = self.plan.mapped.get(down, down) != down
            # Before a map is expanded (again), its head waits in the place of all its instances.
            for target in self.slots(down) if in_group and self.states[down] != PENDING else (down,):
                yield target, slot < self.size

    # --- Settling

    def _spread(self, ended: Iterable[int], at: float, wave: Wave | None = None) -> Wave:
        """Tasks have ended: see what follows for all others."""
        wave = wave if wave is not None else Wave()
        queue = [*ended]
        for slot in queue:
            grouped = self.row(slot) in self.plan.units
            if slot >= self.size and not (grouped and self.plan.is_in_indexed_unit(self.row(slot))):
                self._close_instance(slot, at, queue)
            self._pass_on_to(self._pass_on(slot), at, wave, queue)
            if grouped:
                self._close_rounds(slot, at, wave)
                while wave.settled_units:
                    self._open_unit(wave.settled_units.pop(0), at, wave, queue)
        return wave

    def _pass_on_to(self, targets: Iterable[int], at: float, wave: Wave, queue: list[int]) -> None:
        for target in targets:
            if self.states[target] == PENDING:
                self._decide(target, at, wave, queue)

    def _close_rounds(self, slot: int, at: float, wave: Wave) -> None:
        """A task in a group that is tried again as a unit has ended."""

    def _open_unit(self, unit: tuple[int, int], at: float, wave: Wave, queue: list[int]) -> None:
        """Such a group is settled: now the outside sees what became of it."""

    def _decide(self, slot: int, at: float, wave: Wave, queue: list[int]) -> None:
        """Weigh a task that is pending, and move it if there is a verdict."""
        if self.plan.maps and self.is_on_hold(slot):
            return
        verdict = self._weigh(slot)
        if verdict is _WAIT:
            return
        if verdict is _RUN:
            self._move(slot, Cause.ALLOWED)
            (wave.maps if slot in self.plan.maps else wave.ready).append(slot)
            return
        self._move(slot, _CAUSE[verdict])
        if verdict is _SKIP:
            self._tell_skipped(slot, at)
        self._drop_instances(slot, at)
        self._mark_ended(slot, at)
        wave.settled.setdefault(self.states[slot], []).append(slot)
        queue.append(slot)

    def _tell_skipped(self, slot: int, at: float) -> None:
        """A task was skipped: whoever wants to know is told."""

    def _mark_ended(self, slot: int, at: float) -> None:
        self.ended[slot] = at
        self.unfinished -= slot < self.size

    def _close_instance(self, slot: int, at: float, queue: list[int]) -> None:
        """Count an instance that has ended; its map may have ended with it."""
        head = self.row(slot)
        self.seen[head] |= OUTCOME_OF[self.states[slot]]
        self.open[head] -= 1
        if not self.open[head] and self.states[head] == EXPANDED:
            self._close_map(head, at)
            queue.append(head)

    def _close_map(self, head: int, at: float) -> None:
        """All instances of a map have ended: what it came to as a whole is the worst of it."""
        seen = self.seen[head]
        if seen & Outcomes.FAILED:
            cause = Cause.FAILED
        elif seen & Outcomes.UPSTREAM_FAILED:
            cause = Cause.UPSTREAM_FAILED
        elif seen & Outcomes.CANCELLED:
            cause = Cause.CANCELLED
        else:
            cause = Cause.SUCCEEDED if seen & Outcomes.SUCCESS else Cause.SKIPPED
        self._move(head, cause)
        self._mark_ended(head, at)

    # --- Maps

    def _release_instances(self, head: int, at: float, wave: Wave) -> None:
        """Instances of a mapped task wait for nothing but their map: none of them ends by that."""
        for slot in self.slots(head):
            if self.states[slot] == PENDING:
                self._decide(slot, at, wave, [])

    def _show_kept(self, row: int) -> Iterator[int]:
        """What the instances came to that had ended before the map was expanded again, is seen below it now."""
        plan, seen = self.plan, self.seen[row]
        if not seen:
            return
        for downs, outcome in ((plan.downstreams[row], seen), (plan.followers.get(row, ()), 0)):
            for down in downs:
                if self._shows_instances(row, down) and not plan.are_together(row, down):
                    for target, _ in self._targets(row, row, down):
                        self.masks[target] |= outcome
                        yield target

    def _drop_instances(self, slot: int, at: float) -> None:
        """A map that was expanded once has ended this time without that: there are no instances any more."""
        if slot not in self.widths:
            return
        for instance in self.slots(slot):
            self._move(instance, Cause.REMOVED)
            self.ended[instance] = at
        for column in (self.widths, self.open, self.seen):
            del column[slot]

    def _widen(self, row: int, width: int, at: float) -> None:
        """Give a mapped row as many instances as it is wide, and no more."""
        self._make_slots(row, width)
        before = self.widths.get(row, 0)
        slots = self.instances[row]
        for slot in slots[width:before]:
            self._move(slot, Cause.REMOVED)
            self.ended[slot] = at
        self.widths[row] = width
        self._return([slot for slot in slots[before:width] if self.states[slot] != PENDING or self.is_spent(slot)], at)

    def _return(self, slots: list[int], at: float) -> None:
        """Instances that were there before, and then were not, begin anew."""

    def _expand(self, row: int, at: float) -> list[int]:
        """The instances of a mapped row begin. The row itself, if it has ended with that."""
        self._move(row, Cause.EXPANDED)
        self.started[row] = at
        self._tally(row)
        if not self.open[row]:
            self._close_map(row, at)
            return [row]
        return []

    def _tally(self, row: int) -> None:
        """Count anew how many instances of a map have ended, and what they came to."""
        outcomes, unfinished = 0, 0
        for slot in self.slots(row):
            if self._has_ended(slot, UNMAPPED):
                outcomes |= OUTCOME_OF[self.states[slot]]
            else:
                unfinished += 1
        self.open[row], self.seen[row] = unfinished, outcomes
