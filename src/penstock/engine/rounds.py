"""Groups that are tried again as a unit.

A round of such a group is over when everything in it has ended. If something in it failed, and another round may
follow, all of it begins anew after a pause, with a new generation; else the group is settled. What is outside of it
sees nothing of it before it is settled. Of a mapped group each index is a unit of its own. A group within another is
settled first, and has all its rounds again in each round of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.engine.columns import FAILED, PENDING, SUCCESS, UNMAPPED
from penstock.engine.commands import Command, SetGroupTimer
from penstock.engine.readiness import Readiness, Wave
from penstock.engine.retries import pause
from penstock.engine.states import Cause
from penstock.plan.plan import Plan

Unit = tuple[int, int]
"""A group, by its place in the plan, and the map index of what is tried again together; -1 for all of it."""


class Rounds(Readiness):
    """The tasks of one run, and the rounds of their groups."""

    def __init__(self, plan: Plan, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(plan)

    def _lay_out(self, plan: Plan) -> None:
        super()._lay_out(plan)
        self.rounds: dict[Unit, int] = {}
        """How often each unit has begun anew."""
        self.rounds_due: dict[Unit, float] = {}
        """When the next round of a unit begins whose last one failed."""
        self.settled: set[Unit] = set()
        self.final: set[int] = set()
        """Tasks that failed in a way after which nothing is tried again."""
        self._left: dict[Unit, int] = {
            (number, UNMAPPED): len(group.rows)
            for number, group in enumerate(plan.groups)
            if group.policy is not None and not plan.is_indexed(number)
        }
        """How many rows of each unit have not ended; of those in a unit within it, not before that is settled."""

    def _follow(self, plan: Plan) -> None:
        due = [(self.plan.groups[group].name, index, at) for (group, index), at in self.rounds_due.items()]
        begun = {(self.plan.groups[group].name, index): count for (group, index), count in self.rounds.items()}
        super()._follow(plan)
        for number, group in enumerate(plan.groups):
            if group.policy is None:
                continue
            width = self._unit_width(number) if plan.is_indexed(number) else 0
            for name, index, at in due:
                if name == group.name and (index == UNMAPPED if not width else 0 <= index < width):
                    self.rounds_due[number, index] = at
                    self.rounds[number, index] = begun.get((name, index), 0)

    # --- What one may ask

    def round_due(self, slot: int) -> Unit | None:
        """The unit that a task is in and that will begin anew."""
        return next((unit for unit in sorted(self._units_around(slot)) if unit in self.rounds_due), None)

    def unit_seen_by(self, slot: int, row: int) -> Unit | None:
        """The unit that a task is in, and of which another row sees nothing before it is settled."""
        group = self.plan.barriers.get(self.row(slot), {}).get(row)
        return None if group is None else (group, self.index(slot) if self.plan.is_indexed(group) else UNMAPPED)

    def in_unit(self, unit: Unit) -> Iterator[int]:
        """All tasks of a unit, maps with their instances."""
        return self._unit_slots(unit)

    # --- Who belongs together

    def _units(self, slot: int) -> Iterator[Unit]:
        """The units that a task is in, the innermost first."""
        index = self.index(slot)
        for group, is_indexed in self.plan.units.get(self.row(slot), ()):
            if is_indexed == (slot >= self.size):
                yield group, index if is_indexed else UNMAPPED

    def _units_around(self, slot: int) -> set[Unit]:
        """All units that a task is in, those around its map included."""
        return {*self._units(slot), *self._units(self.row(slot))}

    def _unit_slots(self, unit: Unit) -> Iterator[int]:
        """All tasks of a unit, maps with their instances."""
        group, index = unit
        for row in self.plan.groups[group].rows:
            if index == UNMAPPED:
                yield row
                if row in self.widths:
                    yield from self.slots(row)
            else:
                yield self.instances[row][index]

    def _has_ended(self, slot: int, row: int) -> bool:
        if self.states[slot] < SUCCESS:
            return False
        if row == UNMAPPED:  # the map that it is an instance of
            return all(unit in self.settled for unit in self._units(slot))
        group = self.plan.barriers.get(self.row(slot), {}).get(row)
        return group is None or self._barrier_is_open(slot, group)

    def _barrier_is_open(self, slot: int, group: int) -> bool:
        if not self.plan.is_indexed(group):
            return (group, UNMAPPED) in self.settled
        if slot >= self.size:
            return (group, self.index(slot)) in self.settled
        return True  # the head of a map ends when all its units are settled

    # --- Rounds

    def _close_rounds(self, slot: int, at: float, wave: Wave) -> None:
        ended = 1
        for unit in self._units(slot):
            self._left[unit] -= ended
            if self._left[unit] or unit in self.settled or unit in self.rounds_due:
                return
            if self._is_tried_again(unit):
                due = self.rounds_due[unit] = at + self.round_pause(unit)
                wave.timers.append(SetGroupTimer(*unit, due))
                return
            self.settled.add(unit)
            wave.settled_units.append(unit)
            ended = len(self.plan.groups[unit[0]].rows)

    def _open_unit(self, unit: Unit, at: float, wave: Wave, queue: list[int]) -> None:
        group, index = unit
        if next(self._retried_around(group), None) is None:
            wave.failed += self._failures(unit)
        is_last = index != UNMAPPED and not any(
            self.plan.is_indexed(other) for other in self._retried_around(group)
        )  # then the heads of the maps may count its tasks
        for row in self.plan.groups[group].rows:
            slot = row if index == UNMAPPED else self.instances[row][index]
            if is_last:
                self._close_instance(slot, at, queue)
            if index == UNMAPPED and row in self.widths:
                for instance in self.slots(row):
                    self._pass_on_to(self._pass_on(instance, group), at, wave, queue)
            self._pass_on_to(self._pass_on(slot, group), at, wave, queue)

    def _retried_around(self, group: int) -> Iterator[int]:
        """The groups around one that are tried again as units."""
        group = self.plan.groups[group].parent
        while group >= 0:
            if self.plan.groups[group].policy is not None:
                yield group
            group = self.plan.groups[group].parent

    def _count_left(self, unit: Unit) -> int:
        group, index = unit
        left = 0
        for row in self.plan.groups[group].rows:
            slot = row if index == UNMAPPED else self.instances[row][index]
            inner = self._unit_within(slot, unit)
            left += self.states[slot] < SUCCESS or (inner is not None and inner not in self.settled)
        return left

    def _unit_within(self, slot: int, unit: Unit) -> Unit | None:
        """The outermost unit around a task that is within this one."""
        within = None
        for other in self._units(slot):
            if other == unit:
                return within
            within = other
        return None

    def _is_tried_again(self, unit: Unit) -> bool:
        if not self._has_rounds_left(unit):
            return False
        failed = [slot for slot in self._failures(unit) if self.policy(slot).failure_counts]
        return bool(failed) and self.final.isdisjoint(failed)

    def _has_rounds_left(self, unit: Unit) -> bool:
        policy = self.plan.groups[unit[0]].policy
        return policy is not None and not self._is_disturbed() and self.rounds.get(unit, 0) < policy.retries

    def _failures(self, unit: Unit) -> list[int]:
        """What failed in a unit: of a map its instances."""
        return [slot for slot in self._unit_slots(unit) if self.states[slot] == FAILED and slot not in self.widths]

    def _is_disturbed(self) -> bool:
        """Whether the run is to end."""
        return False

    def round_pause(self, unit: Unit) -> float:
        """Seconds between a round that failed and the next."""
        policy = self.plan.groups[unit[0]].policy
        assert policy is not None
        number = self.rounds.get(unit, 0) + 1
        return pause(policy, number, f"{self.run_id}/{self.plan.groups[unit[0]].name}/{unit[1]}/{number}")

    def _begin_round(self, unit: Unit, at: float, wave: Wave) -> None:
        """Everything in a unit begins anew."""
        del self.rounds_due[unit]
        self.rounds[unit] = self.rounds.get(unit, 0) + 1
        slots = [*self._unit_slots(unit)]
        self._forget_rounds({other for slot in slots for other in self._units(slot)} - {unit}, within=unit)
        self._left[unit] = len(self.plan.groups[unit[0]].rows)
        self.unfinished += sum(slot < self.size for slot in slots)
        self._begin_generation(slots)
        for slot in slots:
            self._count(slot)
        queue: list[int] = []
        for slot in slots:
            if self.states[slot] == PENDING:
                self._decide(slot, at, wave, queue)
        self._spread(queue, at, wave)

    def _give_up_round(self, unit: Unit, at: float, wave: Wave) -> None:
        """A unit that waits for its next round will have none: it is settled as it is."""
        del self.rounds_due[unit]
        queue: list[int] = []
        self.settled.add(unit)
        self._open_unit(unit, at, wave, queue)
        outer = next((other for other in self._units(self._any_slot(unit)) if self._contains(other, unit)), None)
        if outer is not None:
            self._left[outer] -= len(self.plan.groups[unit[0]].rows)
            if not self._left[outer]:
                self.rounds_due[outer] = at
                self._give_up_round(outer, at, wave)
        self._spread(queue, at, wave)

    def _any_slot(self, unit: Unit) -> int:
        row = self.plan.groups[unit[0]].rows[0]
        return row if unit[1] == UNMAPPED else self.instances[row][unit[1]]

    def _contains(self, unit: Unit, other: Unit) -> bool:
        """Whether the group of a unit is around that of another."""
        return unit[0] in self._retried_around(other[0])

    def _drop_instances(self, slot: int, at: float) -> None:
        self._forget_due(slot, 0)
        super()._drop_instances(slot, at)

    def _widen(self, row: int, width: int, at: float) -> None:
        self._forget_due(row, width)
        super()._widen(row, width, at)

    def _forget_due(self, row: int, width: int) -> None:
        """Of a map, instances from this one on will be no more, and so will no rounds of theirs begin."""
        for group, index in [unit for unit in self.rounds_due if unit[1] >= width]:
            if row in self.plan.groups[group].rows:
                del self.rounds_due[group, index]

    def _forget_rounds(self, units: Iterable[Unit], *, within: Unit) -> None:
        """The groups inside have all their rounds again."""
        for unit in units:
            if self._contains(within, unit):
                self.rounds.pop(unit, None)
                self.settled.discard(unit)
                self._left[unit] = len(self.plan.groups[unit[0]].rows)

    def _recount_rounds(self) -> None:
        """See anew which units are settled: all whose tasks have ended, but for those that wait for another round."""
        if not self.plan.units:
            return
        self.settled.clear()
        for group in reversed(range(len(self.plan.groups))):  # the innermost first
            if self.plan.groups[group].policy is None:
                continue
            indexes = range(self._unit_width(group)) if self.plan.is_indexed(group) else (UNMAPPED,)
            for index in indexes:
                self._recount_unit((group, index))

    def _recount_unit(self, unit: Unit) -> None:
        self._left[unit] = self._count_left(unit)
        if unit not in self.rounds_due and not self._left[unit]:
            self.settled.add(unit)

    def _forget_rounds_that_go_on(self) -> None:
        """A unit in which something is to be done, by another plan, does not begin anew before that has ended too."""
        for unit in [unit for unit in self.rounds_due if self._left[unit]]:
            del self.rounds_due[unit]

    def _begin_units(self, rows: Iterable[int], width: int) -> None:
        """The tasks of a mapped group have instances: each index is a unit of its own."""
        groups = {group for row in rows for group, is_indexed in self.plan.units.get(row, ()) if is_indexed}
        for group in sorted(groups, reverse=True):  # the innermost first
            for index in range(width):
                self.settled.discard((group, index))
                self._recount_unit((group, index))

    def _unit_width(self, group: int) -> int:
        return max((self.widths.get(row, 0) for row in self.plan.groups[group].rows), default=0)

    def _timers(self, at: float) -> list[Command]:
        """The timers of rounds, for a driver that takes the run over."""
        for unit, due in self.rounds_due.items():
            self.rounds_due[unit] = min(due, at + self.round_pause(unit))  # the clock may have been set back since
        return [SetGroupTimer(*unit, due) for unit, due in self.rounds_due.items()]

    def _begin_generation(self, slots: Iterable[int]) -> None:
        """Make tasks pending that are done anew, whatever came of them before."""
        slots = [*slots]
        for slot in slots:
            self.generations[slot] = self.generation(slot) + 1
            self.attempts[slot] = 0
            self.letters.pop(slot, None)
        self._reset(slots)

    def _reset(self, slots: Iterable[int]) -> None:
        """Make tasks pending, without a value and with a fresh budget of retries."""
        for slot in slots:
            if self.states[slot] != PENDING:
                self._move(slot, Cause.RESET)
            self.final.discard(slot)
            for name in _FORGOTTEN:
                getattr(self, name).pop(slot, None)


_FORGOTTEN = (
    *("values", "failures", "lost", "retries_due", "delays", "chosen", "skips", "marks"),
    *("waiting_since", "deferrals", "topics", "asked"),
)
"""What is known of a task that its next time begins without."""
