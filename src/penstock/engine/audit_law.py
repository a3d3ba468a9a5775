"""What the law says of the tasks of a run, by what has become of the others: found by looking at each of them.

Written from the law and not from the engine, which counts. Only the table of rules is common to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.engine.audit_rounds import AuditRounds
from penstock.engine.audit_states import (
    CANCELLED,
    EXPANDED,
    PENDING,
    REMOVED,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
    WAITING,
    WORST,
)
from penstock.engine.law import OUTCOME_OF, Outcomes, Verdict, foreseen, verdict
from penstock.plan.plan import Plan
from penstock.policy import EARLY_RULES, TriggerRule

_STATE = {
    Verdict.SKIP: SKIPPED,
    Verdict.UPSTREAM_FAILED: UPSTREAM_FAILED,
    Verdict.CANCEL: CANCELLED,
}
_FAILURES = Outcomes.FAILED | Outcomes.UPSTREAM_FAILED
SETTLED_BY = {
    rule: sum(one for one in Outcomes if foreseen(rule, one) not in (Verdict.WAIT, Verdict.RUN) and one < 16)
    for rule in TriggerRule
}
"""Of each rule the outcomes that are enough, one alone, for its task not to run."""


class AuditLaw(AuditRounds):
    """The states of the tasks, and what follows from them for others."""

    def __init__(self, plan: Plan) -> None:
        self.newly_skipped: list[tuple[str, tuple[str, ...], int, int]] = []
        """What was skipped by the law since somebody last looked: names, callbacks, generations and attempts."""
        super().__init__(plan)

    def lay_out(self, plan: Plan) -> None:
        super().lay_out(plan)
        self._held: dict[int, tuple[int, ...]] = {}

    # --- What the law says of a task

    def weigh(self, slot: int) -> Verdict:
        """What becomes of a task, wherever it stands itself, if it is to be decided now."""
        row = self.rows[slot]
        if slot != row and self.is_mapped_itself(row):
            return Verdict.RUN  # all else was asked of its map
        if self._is_left_out(slot):
            return Verdict.SKIP
        if not all(self.is_seen(self.beside(slot, other), slot) for other in self.holding(row)):
            return Verdict.WAIT
        held = self._by_guards(slot)
        return self._by_rule(slot) if held is Verdict.RUN else held

    def is_still_held_up(self, slot: int) -> bool:
        """Whether a task that did not run because of a failure would not run today."""
        return self.weigh(slot) is Verdict.UPSTREAM_FAILED

    def _is_left_out(self, slot: int) -> bool:
        """Whether somebody who decides has not chosen a task."""
        row = self.rows[slot]
        return any(
            self.states[one] == SUCCESS and row not in self.chosen.get(one, (row,)) and self.is_seen(one, slot)
            for decider in self.plan.deciders.get(row, ())
            for one in self._all_of(slot, decider)
        )

    def _by_guards(self, slot: int) -> Verdict:
        row, seen = self.rows[slot], 0
        for guard in self.plan.guards.get(row, ()):
            seen |= self.came_to(self.beside(slot, guard), slot)
        if seen & _FAILURES:
            return Verdict.UPSTREAM_FAILED
        decided = [self.came_to(self.beside(slot, decider), slot) for decider in self.plan.deciders.get(row, ())]
        if Outcomes.CANCELLED & seen or any(Outcomes.CANCELLED & one for one in decided):
            return Verdict.CANCEL  # it may have been chosen or not
        return Verdict.SKIP if seen & Outcomes.SKIPPED else Verdict.RUN

    def _by_rule(self, slot: int) -> Verdict:
        plan, row = self.plan, self.rows[slot]
        rule, seen = plan.policies[row].trigger_rule, 0
        for other in plan.setups.get(row, plan.upstreams[row]):
            seen |= self.came_to(self.beside(slot, other), slot)
        known = seen & ~Outcomes.CANCELLED
        if not all(self.is_seen(self.beside(slot, other), slot) for other in plan.upstreams[row]):
            what = foreseen(rule, known)
            return Verdict.WAIT if what is Verdict.RUN and rule not in EARLY_RULES else what
        if seen == known:
            return verdict(rule, seen)
        return foreseen(rule, known) or Verdict.CANCEL

    def holding(self, row: int) -> tuple[int, ...]:
        """What must have ended before a task starts, apart from what its rule says of direct upstreams."""
        if row not in self._held:
            self._held[row] = self.plan.held_by(row)
        return self._held[row]

    def _all_of(self, slot: int, row: int) -> Iterable[int]:
        """All instances of another row that concern this one."""
        beside = self.beside(slot, row)
        return (beside,) if beside != row or self.states[row] == PENDING else self.slots(row)

    def may_start(self, slot: int) -> bool:
        """Whether nothing keeps a task that waits from starting, nor a map from being expanded."""
        return self.states[slot] == PENDING and not self.is_on_hold(slot) and self.weigh(slot) is Verdict.RUN

    def has_body(self, slot: int) -> bool:
        """Whether a slot is one that runs, and none that stands for others."""
        return self.places[slot] >= 0 or (slot not in self.plan.maps and self.expansion_of(slot) < 0)

    # --- What follows for others

    def settle(self, ended: Iterable[int]) -> None:
        """What waits for tasks that have ended, and will not run because of that, ends too, and so on."""
        frontier = list(ended)
        for slot in frontier:
            frontier += self.close_units(slot)
            head = self.rows[slot]
            if head != slot and self._close(head):
                frontier.append(head)
            for below in self.below(slot):
                if self.states[below] == PENDING and self._is_told_by(below, slot) and self.decide(below):
                    frontier.append(below)

    def settle_all(self) -> None:
        """Whatever waits, and will not run, ends."""
        self.settle([slot for slot in self.those(PENDING) if self.decide(slot)])

    def decide(self, slot: int) -> bool:
        """Whether a task that waits ends without running."""
        state = None if self.is_on_hold(slot) else _STATE.get(self.weigh(slot))
        if state is not None:
            self.give_up_map(slot)
            self.put(slot, state)
        if state == SKIPPED:
            place = self.name(slot), self.policy(slot).notices, self.generations[slot], self.last[slot]
            self.newly_skipped.append(place)
        return state is not None

    def decide_if_waiting(self, slot: int) -> bool:
        """The same of any task: whether it waits, and ends so."""
        return self.states[slot] == PENDING and self.decide(slot)

    def is_on_hold(self, slot: int) -> bool:
        """Whether nothing becomes of a task before it is known, perhaps again, how many of it there are."""
        row, around = self.rows[slot], self.expansion_of(slot)
        if slot != row:
            return self.states[row] != EXPANDED
        return around >= 0 and self.states[around] in (PENDING, SUCCESS)

    def _is_told_by(self, slot: int, ended: int) -> bool:
        """Whether anything may follow for a task from the end of one of those that it waits for: only a quick look, so
        that not all of them are looked at each time."""
        row, plan = self.rows[slot], self.plan
        if self.rows[ended] in plan.deciders.get(row, ()) or ended == self.expansion_of(slot):
            return True
        knew = self.knows_all_ended("held", slot)
        if not self.have_all_ended("held", slot, self.holding(row)):
            return False
        if not knew or SETTLED_BY[plan.policies[row].trigger_rule] & OUTCOME_OF[self.states[ended]]:
            return True
        return self.have_all_ended("rule", slot, plan.upstreams[row])

    def below(self, slot: int) -> Iterator[int]:
        """What waits for a task, in whatever way."""
        row = self.rows[slot]
        for down in (*self.plan.downstreams[row], *self.plan.followers.get(row, ())):
            if self.are_together(row, down):
                yield self.beside(slot, down)
                continue
            yield down
            if down in self.widths and not self.is_mapped_itself(down):
                yield from self.slots(down)

    # --- Maps

    def _close(self, head: int) -> bool:
        """Whether all instances of a map have ended, and the map with them."""
        if self.states[head] != EXPANDED or not self.have_all_ended("map", head, self.instances[head]):
            return False
        self.put(head, self.worst(head))
        return True

    def worst(self, head: int) -> int:
        """What a map has come to as a whole."""
        found = {self.states[slot] for slot in self.slots(head)}
        return next(state for state in WORST if state in found)

    def has_work(self, row: int) -> bool:
        """Whether an instance of a map has not ended."""
        return row in self.widths and not self.have_all_ended("map", row, self.instances[row])

    def expand(self, rows: Iterable[int], width: int) -> None:
        """These have so many instances from now on: those that they had keep what they did."""
        rows = [*rows]
        for row in rows:
            for slot in self.slots(row)[width:]:
                self.put(slot, REMOVED)
            self.widen(row, width)
            for slot in self.slots(row):
                if self.states[slot] == REMOVED:
                    self.clear(slot)
                if self.is_spent(slot) and not self.has_ended(slot):
                    self.put(slot, CANCELLED)
            self.put(row, EXPANDED)
        self.due = {unit for unit in self.due if unit[1] < width or not {*rows} & {*self.plan.groups[unit[0]].rows}}
        self.look_for_settled({group for row in rows for group, place in self.units(self.slots(row)[0]) if place >= 0})
        for row in rows:
            for slot in self.slots(row):
                if self.has_ended(slot) or self.decide_if_waiting(slot):
                    self.settle([slot])

    def give_up_map(self, row: int) -> None:
        """If this had instances once, there are none any more: this time it ends without."""
        if self.is_whole(row):
            for slot in self.slots(row):
                self.put(slot, REMOVED)
            del self.widths[row]
            self.due = {unit for unit in self.due if unit[1] < 0 or row not in self.plan.groups[unit[0]].rows}

    # --- The end of the run

    def cancel_waiting(self, *, teardowns: bool) -> None:
        """What does not run will not run, but for teardowns, if they are not to be cancelled too."""
        waiting = [slot for slot in self.those(*WAITING) if teardowns or not self.policy(slot).teardown]
        for slot in reversed(waiting):  # instances before what stands for them
            self.give_up_map(slot)
            self.put(slot, CANCELLED)
        self.settle([*waiting, *self.give_up_rounds()])
