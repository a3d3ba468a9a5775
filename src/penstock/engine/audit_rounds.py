"""The groups of a run that are tried again as units, read independently of the engine.

A unit is a group, or of a mapped group what has one index. Its round is over when all in it has ended. Then either
another round follows, or the unit is settled; nobody outside sees anything of it before it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from penstock.engine.audit_states import FAILED, PENDING, REMOVED, SUCCESS, AuditStates
from penstock.engine.law import OUTCOME_OF
from penstock.plan.plan import Plan

Unit: TypeAlias = tuple[int, int]
"""A group and a map index; -1 where the group is not mapped."""


class AuditRounds(AuditStates):
    """The states of the tasks, and what of them is to be seen from where."""

    def lay_out(self, plan: Plan) -> None:
        super().lay_out(plan)
        self.rounds: dict[Unit, int] = {}
        """How many rounds of a unit have failed and were followed by another."""
        self.due: set[Unit] = set()
        """Those whose next round is still to begin."""
        self.settled: set[Unit] = set()
        self.final: set[int] = set()
        """Tasks that failed so that nobody is to try them again."""
        self.disturbed = False
        """Whether the run is to end, so that no other round follows."""
        self.newly_failed: list[int] = []
        """What has failed for good since somebody last looked."""
        self._groups_around: dict[int, list[int]] = {}
        """The groups around each row that are tried again, the innermost first."""
        for number, group in enumerate(plan.groups):  # those around others come first
            for row in group.rows if group.policy is not None else ():
                self._groups_around.setdefault(row, []).insert(0, number)
        self._passed: dict[tuple[str, int], int] = {}
        self._seen: dict[int, int] = {}

    # --- Who belongs together

    def units(self, slot: int) -> list[Unit]:
        """The units around a task, the innermost first. The head of a map is in none that has an index."""
        found = []
        for group in self._groups_around.get(self.rows[slot], ()):
            if not self._is_indexed(group):
                found.append((group, -1))
            elif self.places[slot] >= 0:
                found.append((group, self.places[slot]))
        return found

    def _is_indexed(self, group: int) -> bool:
        while group >= 0 and self.plan.groups[group].expansion < 0:
            group = self.plan.groups[group].parent
        return group >= 0

    def heads_of(self, unit: Unit) -> list[int]:
        """The tasks of a unit; of maps in it only their heads."""
        group, place = unit
        rows = self.plan.groups[group].rows
        if place < 0:
            return [*rows]
        return [self.instances[row][place] for row in rows if place < len(self.instances.get(row, ()))]

    def all_of(self, unit: Unit) -> list[int]:
        """The tasks of a unit, maps with their instances."""
        heads = self.heads_of(unit)
        return [*heads, *(slot for head in heads if self.is_whole(head) for slot in self.slots(head))]

    # --- What is to be seen

    def is_seen(self, slot: int, viewer: int) -> bool:
        """Whether a task has ended, as far as another is concerned: all that is around it, and not around the other
        too, must be settled."""
        return self.states[slot] == REMOVED or (self.has_ended(slot) and self._is_open_to(slot, viewer))

    def _is_open_to(self, slot: int, viewer: int) -> bool:
        if not self._groups_around:
            return True
        return {*self.units(slot)} <= self.settled.union(self.units(viewer))

    def came_to(self, slot: int, viewer: int) -> int:
        """What another task sees that one has come to so far, as a set of Outcomes: of a map, what its instances have,
        unless it waits to be expanded again."""
        if not self._is_open_to(slot, viewer):
            return 0
        if slot not in self.widths or self.states[slot] == PENDING:
            return OUTCOME_OF[self.states[slot]]
        if slot not in self._seen:
            seen = 0
            for instance in self.slots(slot):
                seen |= OUTCOME_OF[self.states[instance]] if self.is_seen(instance, slot) else 0
            self._seen[slot] = seen
        return self._seen[slot]

    def have_all_ended(self, what: str, slot: int, others: Sequence[int]) -> bool:
        """Whether these have ended, as they concern a task; `what` says what they are to it. They are looked at from
        the last to the first, each only till it has ended, since what has ended stays so: else long lists would take
        ages."""
        left = self._passed.get((what, slot), len(others))
        while left and self.is_seen(self.beside(slot, others[left - 1]), slot):
            left -= 1
        self._passed[what, slot] = left
        return not left

    def knows_all_ended(self, what: str, slot: int) -> bool:
        """Whether that was found already."""
        return self._passed.get((what, slot)) == 0

    def put(self, slot: int, state: int) -> None:
        if self.has_ended(slot) and state < SUCCESS:
            self._passed.clear()
        self._seen.pop(self.rows[slot], None)
        super().put(slot, state)

    # --- Rounds

    def close_units(self, slot: int) -> Iterator[int]:
        """A task has ended: perhaps a round with it. What is to be seen from outside now."""
        for unit in self.units(slot):
            if unit in self.settled:
                continue
            if unit in self.due or not self.is_over(unit):
                return
            if self.is_tried_again(unit):
                self.due.add(unit)
                return
            yield from self._settle_unit(unit)

    def is_over(self, unit: Unit) -> bool:
        """Whether all in a unit has ended."""
        heads = self.heads_of(unit)
        left = self._passed.get((f"unit {unit[0]}", unit[1]), len(heads))
        while left and self._has_ended_within(heads[left - 1], unit):
            left -= 1
        self._passed[f"unit {unit[0]}", unit[1]] = left
        return not left

    def _has_ended_within(self, slot: int, unit: Unit) -> bool:
        units = self.units(slot)
        return self.has_ended(slot) and self.settled.issuperset(units[: units.index(unit)])

    def _failures(self, unit: Unit) -> list[int]:
        return [slot for slot in self.all_of(unit) if self.states[slot] == FAILED and not self.is_whole(slot)]

    def is_tried_again(self, unit: Unit) -> bool:
        """Whether a round that is over is followed by another."""
        failed = {slot for slot in self._failures(unit) if self.policy(slot).failure_counts}
        return self.has_another_round(unit) and bool(failed) and not failed & self.final

    def has_another_round(self, unit: Unit) -> bool:
        """Whether another round may follow, if something in this one fails."""
        policy = self.plan.groups[unit[0]].policy
        return policy is not None and not self.disturbed and self.rounds.get(unit, 0) < policy.retries

    def _settle_unit(self, unit: Unit) -> list[int]:
        slots = self.all_of(unit)
        self.settled.add(unit)
        for slot in slots:
            self._seen.pop(self.rows[slot], None)
        if self.settled.issuperset(self.units(slots[0])):
            self.newly_failed += self._failures(unit)
        return slots

    def begin_round(self, unit: Unit) -> list[int]:
        """Everything in a unit begins anew. What that is."""
        slots = self.all_of(unit)
        self.due.discard(unit)
        self.rounds[unit] = self.rounds.get(unit, 0) + 1
        for inner in {inner for slot in slots for inner in self.units(slot)[: self.units(slot).index(unit)]}:
            self.rounds.pop(inner, None)
            self.settled.discard(inner)
        self.begin_generation(slots)
        for slot in slots:
            self.clear(slot)
            self.volatile.discard(slot)
        return slots

    def give_up_rounds(self) -> list[int]:
        """No other round begins: what waits for one is settled as it is. What is to be seen now."""
        units, self.due = sorted(self.due), set()
        return [slot for unit in units for slot in self._settle_unit(unit)]

    def forget_rounds(self) -> None:
        """Somebody sets the run going: all rounds are there again."""
        self.rounds.clear()
        self.due.clear()

    def look_for_settled(self, groups: Iterable[int]) -> None:
        """See anew which units of these groups are settled: all that are over and wait for no other round."""
        self._passed.clear()
        self._seen.clear()
        for group in sorted(groups, reverse=True):  # the innermost first
            if self.plan.groups[group].policy is None:
                continue
            self.settled = {unit for unit in self.settled if unit[0] != group}
            width = max((self.widths.get(row, 0) for row in self.plan.groups[group].rows), default=0)
            for place in range(width) if self._is_indexed(group) else (-1,):
                if (group, place) not in self.due and self.is_over((group, place)):
                    self.settled.add((group, place))

    def clear(self, slot: int) -> None:
        super().clear(slot)
        self.final.discard(slot)
