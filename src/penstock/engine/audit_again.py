"""What another driver finds of a run, and sets going again: read independently of the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy

from penstock.engine.audit_law import AuditLaw
from penstock.engine.audit_rounds import Unit
from penstock.engine.audit_states import (
    CANCELLED,
    DEFERRED,
    EXPANDED,
    FAILED,
    PAUSING,
    PENDING,
    REMOVED,
    RUNNING,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
    AuditStates,
)
from penstock.engine.law import Verdict, may_run
from penstock.plan.plan import Plan


class AuditAgain(AuditLaw):
    """The states of the tasks, when a run is resumed, tasks are run again, or another plan is followed."""

    # --- What a resumption by hand tries again

    def to_try_again(self) -> list[int]:
        """What failed or was cancelled, what was held up by a failure that there is no more, what was decided below
        these because of them, and the setups and teardowns around all these where a teardown has begun its work."""
        kept = self._kept()
        again = [slot for slot in self._unsuccessful() if slot not in kept]
        held_up = [slot for slot in self.those(UPSTREAM_FAILED) if not self.is_whole(slot)]
        again += [slot for slot in held_up if not self.is_still_held_up(slot)]
        again = self.with_decided_below(again, kept)
        return sorted({*again, *self._around(again)})

    def with_decided_below(self, slots: Iterable[int], kept: Collection[int] = ()) -> list[int]:
        """Tasks, and what lies below them and has ended by the law, as far as only such lies between."""
        frontier = [*slots]
        known = {*kept}
        for slot in frontier:
            for below in self._targets(slot):
                if below not in known and self._is_decided(below) and not self.is_spent(below):
                    known.add(below)
                    frontier.append(below)
        return frontier

    def _targets(self, slot: int) -> Iterator[int]:
        """What waits for a task, the instances of maps in the place of their heads."""
        for below in self.below(slot):
            if not self.is_whole(below):
                yield below
            elif self.is_mapped_itself(below):
                yield from self.slots(below)

    def _unsuccessful(self) -> list[int]:
        return [slot for slot in self.those(FAILED, CANCELLED) if not self.is_whole(slot)]

    def _kept(self) -> set[int]:
        """What stays as it ended: what may not start again, and what cannot run while that stays so."""
        kept = {slot for slot in self._unsuccessful() if self.is_spent(slot)}
        if kept:
            place = {row: number for number, row in enumerate(self.plan.order)}
            for slot in sorted(self._unsuccessful(), key=lambda slot: place[self.rows[slot]]):
                if self._is_kept_by(slot, kept):
                    kept.add(slot)
        return kept

    def _is_kept_by(self, slot: int, kept: set[int]) -> bool:
        row, seen = self.rows[slot], 0
        above = [self.beside(slot, other) for other in self.plan.upstreams[row]]
        for other in kept.intersection(above):
            seen |= self.came_to(other, slot)
        guards = [self.beside(slot, guard) for guard in self.plan.guards.get(row, ())]
        return not kept.isdisjoint(guards) or not may_run(self.plan.policies[row].trigger_rule, seen)

    def _is_decided(self, slot: int) -> bool:
        """Whether a task has ended by the law, and not by itself."""
        return slot not in self.idle and self.states[slot] in (UPSTREAM_FAILED, SKIPPED, CANCELLED)

    def _around(self, slots: Iterable[int]) -> Iterator[int]:
        """The teardowns that have begun, of what is tried again, and their setups."""
        tried = {*slots}
        for teardown, setups in self.plan.setups.items():
            scope = (*self.plan.upstreams[teardown], *self.plan.waits.get(teardown, ()))
            for slot in self.slots(teardown):
                if not self.last[slot]:
                    continue
                if any(one in tried for row in scope for one in self._seen_by(slot, row)):
                    yield slot
                    yield from (one for setup in setups for one in self._seen_by(slot, setup))

    def _seen_by(self, slot: int, row: int) -> Iterable[int]:
        beside = self.beside(slot, row)
        return (beside,) if beside != row else self.slots(row)

    def set_going(self, slots: Iterable[int]) -> None:
        """These are tried again with a fresh budget; what had succeeded or may start only once, as other work."""
        for slot in slots:
            if self.states[slot] == SUCCESS or self.is_spent(slot):
                self.begin_generation([slot])
                self.volatile.discard(slot)
            self.clear(slot)

    # --- What follows for all else

    def begin_again(self) -> None:
        """Bring all else in line. Values that lived in the process of the driver before are gone: they are made again
        for whoever still needs them, and what waits for those that make them waits."""
        self._line_up()
        wanting = [*self._gone_for_another_round()]
        for slot in wanting:
            self.clear(slot)
        wanting += self.those(PENDING, RUNNING, *PAUSING)
        for slot in wanting:
            for above in self._inputs(slot):
                if self._is_gone(above):
                    self.clear(above)
                    wanting.append(above)
        self._line_up()

    def go_on_after_marks(self, settled: set[Unit]) -> None:
        """Bring all else in line with what somebody said of tasks. Of groups that were not settled before, a round may
        be over with that, and be followed by another."""
        self._line_up_maps()
        while over := [unit for unit in self.settled - settled if self.is_tried_again(unit)]:
            self.due.add(max(over))  # the innermost
            self._line_up_maps()
        self._line_up_the_rest()

    def all_below(self, slot: int) -> list[int]:
        """Everything that waits for a task, or for what waits for it, and so on; for a group that is tried again as
        soon as for anything in it."""
        found = [slot]
        for one in found:
            found += [below for below in dict.fromkeys(self._targets(one)) if below not in found]
            for unit in self.units(one):
                beyond = [below for inside in self.all_of(unit) for below in self._targets(inside)]
                beyond = [below for below in dict.fromkeys(beyond) if unit not in self.units(below)]
                found += [below for below in beyond if below not in found]
        return found[1:]

    def _is_gone(self, slot: int) -> bool:
        """Whether a value is no more that was there, and is not made again anyway."""
        is_gone = slot in self.volatile and self.states[slot] == SUCCESS and not self.is_spent(slot)
        return is_gone and self.due.isdisjoint(self.units(slot))

    def _gone_for_another_round(self) -> set[int]:
        """Values that are no more, of tasks outside of a group that may have another round and then wants them."""
        found = set()
        for slot in (slot for slot, state in enumerate(self.states) if state != REMOVED):
            again = {unit for unit in self.units(slot) if unit not in self.settled and self.has_another_round(unit)}
            found |= {above for above in self._inputs(slot) if self._is_gone(above) and again - {*self.units(above)}}
        return found

    def _line_up(self) -> None:
        self._line_up_maps()
        self._line_up_the_rest()

    def _line_up_maps(self) -> None:
        """A map goes on, or waits to be expanded again, if anything in it does. Where one waits, what is after it or
        after a group around it does not hold either."""
        self.look_for_settled(range(len(self.plan.groups)))  # which heads of maps go by
        for head in self.widths:
            self._line_up_map(head)
        before = b""
        while before != self.states:
            before = bytes(self.states)
            self.look_for_settled(range(len(self.plan.groups)))
            for row in self.plan.order:
                self._see_whether_it_holds(row)
        self.due = {unit for unit in self.due if self.is_over(unit)}

    def _line_up_the_rest(self) -> None:
        """A retry of what depends on tasks that run again is not waited for any more."""
        for slot in self.those(*PAUSING):
            if self.is_on_hold(slot) or self.weigh(slot) is not Verdict.RUN:
                self.put(slot, PENDING)
        self.settle_all()

    def _line_up_map(self, head: int) -> None:
        around = self.expansion_of(head)
        waits = self.states[around] != SUCCESS if around >= 0 else self.states[head] == PENDING
        self.put(head, PENDING if waits else EXPANDED if self.has_work(head) else self.worst(head))

    def _see_whether_it_holds(self, row: int) -> None:
        around = self.expansion_of(row)
        if around >= 0 and self.states[around] == PENDING:
            self.put(row, PENDING)
        elif row in self.plan.expanded_by:
            if self.states[row] == SUCCESS and not self._holds(row, self.plan.expanded_by[row]):
                self.put(row, PENDING)
        elif self.is_mapped_itself(row) and self.states[row] == EXPANDED and not self._holds(row, [row]):
            self.put(row, PENDING)

    def _holds(self, map_: int, rows: Sequence[int]) -> bool:
        """Whether a map needs not be expanded again: nothing in it is to be done, or it would be expanded today as it
        was."""
        return not any(self.has_work(row) for row in rows) or self.weigh(map_) is Verdict.RUN

    def _inputs(self, slot: int) -> Iterator[int]:
        """The tasks whose values a task takes. In a mapped group each instance speaks for itself, also before its map
        is expanded again."""
        own = self.rows[slot]
        for row in self.plan.inputs[own]:
            if self.places[slot] >= 0 or not self.are_together(own, row):
                yield from self._seen_by(slot, row)

    # --- Another plan

    def adopt(self, plan: Plan) -> None:
        """Follow another plan. By its name and index, what has succeeded, failed or skipped itself stays so, and what
        may start once and has does not start again; all else begins anew, also what is mapped only now, or no more."""
        before = copy(self)
        slots = {before.key(slot): slot for slot in range(len(before.states))}
        self.retired |= {key: (before.last[slot], before.generations[slot]) for key, slot in slots.items()}
        due = {(self.plan.groups[group].name, place): self.rounds.get((group, place), 0) for group, place in self.due}
        self.lay_out(plan)
        were = [before.widths.get(before.plan.numbers.get(name, -1), 0) for name in plan.names]
        for row in range(len(plan)):
            around = self.expansion_of(row)
            alike = plan.expanded_by[around] if around >= 0 else (row,) if self.is_mapped_itself(row) else ()
            if width := max((were[one] for one in alike), default=0):
                self.widen(row, width)  # in a mapped group all have as many
        for slot in range(len(self.states)):
            key = self.key(slot)
            self.last[slot], self.generations[slot] = self.retired.get(key, (0, 0))
            was = slots.get(key)
            if was is not None and before.states[was] != REMOVED and before.kind(was) == self.kind(slot):
                self._take_over(slot, before, was)
            if self.is_spent(slot) and not self.has_ended(slot):
                self.put(slot, CANCELLED)
        for row, inside in plan.expanded_by.items():
            widths = {were[one] for one in inside}
            if self.states[row] == SUCCESS and (len(widths) > 1 or 0 in widths):
                self.put(row, PENDING)
        self._await_rounds(due)

    def _await_rounds(self, due: dict[tuple[str, int], int]) -> None:
        """The groups that were to begin anew do so, after so many rounds, if they are still tried again."""
        for number, group in enumerate(self.plan.groups):
            places = (
                range(max((self.widths.get(row, 0) for row in group.rows), default=0))
                if self._is_indexed(number)
                else (-1,)
            )
            for place in places if group.policy is not None else ():
                if (group.name, place) in due:
                    self.due.add((number, place))
                    self.rounds[number, place] = due[group.name, place]

    def _take_over(self, slot: int, before: AuditStates, was: int) -> None:
        """Keep of a task what it has done under the plan before."""
        state = before.states[was]
        if state in (SUCCESS, FAILED, EXPANDED) or was in before.idle or self.is_spent(slot):
            self.put(slot, state)
        if state == DEFERRED:  # whoever was asked is not asked again
            self.asked |= {(slot, topic): at for (asker, topic), at in before.asked.items() if asker == was}
        if was in before.idle:
            self.idle.add(slot)
        if was in before.volatile:
            self.volatile.add(slot)
        if was in before.chosen and state == SUCCESS:
            names = {before.plan.names[row] for row in before.chosen[was]}
            self.chosen[slot] = tuple(row for row, name in enumerate(self.plan.names) if name in names)
        if state == FAILED:  # whose story stays
            self.failures[slot], self.lost[slot] = before.failures.get(was, 0), before.lost.get(was, 0)
