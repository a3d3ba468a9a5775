"""Setting tasks going again, and bringing the rest of the run in line with that."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from penstock.engine.columns import (
    CANCELLED,
    DEFERRED,
    EXPANDED,
    FAILED,
    PENDING,
    READY,
    RETRYING,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
)
from penstock.engine.events import ErrorText
from penstock.engine.law import WHILE_OPEN, Verdict, may_run
from penstock.engine.readiness import Wave
from penstock.engine.rounds import Rounds
from penstock.engine.states import Cause

_OF_THE_LAW = (UPSTREAM_FAILED, SKIPPED, CANCELLED)
_TRIED_AGAIN = (FAILED, CANCELLED)
_PATIENT = frozenset(rule for rule, table in enumerate(WHILE_OPEN) if table[0] == Verdict.WAIT)
"""Rules that say nothing before an upstream has ended."""


class Again(Rounds):
    """The tasks of one run, as they are tried again by resume, rerun and another plan."""

    # --- What is tried again

    def _unsuccessful(self) -> list[int]:
        """What a resume by hand tries again: what failed or was cancelled, and what the law made of others because of
        that; not what may begin only once and has, nor what that holds up."""
        ended = [slot for slot in self._those(*_TRIED_AGAIN) if not self._is_expanded_head(slot)]
        left = {slot for slot in ended if self.is_spent(slot)}
        tried = [slot for slot in ended if slot not in left]
        if left:
            tried = self._not_held_up(tried, left)
        held_up = [slot for slot in self._those(UPSTREAM_FAILED) if not self._is_expanded_head(slot)]
        again = {*tried, *(slot for slot in held_up if self._is_stale_verdict(slot))}
        if not again:
            return []
        again |= self._derived_below(again, left)
        return sorted(again | self._around(again))

    def _not_held_up(self, slots: Iterable[int], left: set[int]) -> list[int]:
        """Those of the tasks that could run though others stay as they have ended; what could not stays so too."""
        place = {row: number for number, row in enumerate(self.plan.order)}
        tried = []
        for slot in sorted(slots, key=lambda slot: place[self.row(slot)]):
            row = self.row(slot)
            mask = 0
            for upstream in self.plan.upstreams[row]:
                above = self.slot_beside(slot, upstream)
                mask |= self._outcomes(above) if above in left else 0
            held = any(self.slot_beside(slot, guard) in left for guard in self.plan.guards.get(row, ()))
            if held or not may_run(self.plan.policies[row].trigger_rule, mask):
                left.add(slot)
            else:
                tried.append(slot)
        return tried

    def _is_expanded_head(self, slot: int) -> bool:
        return slot in self.widths and self.states[slot] not in (PENDING, READY)

    def _is_stale_verdict(self, slot: int) -> bool:
        """Whether the law would say something else of a task today that it kept from running."""
        return self.weigh_anew(slot)[0] is not Verdict.UPSTREAM_FAILED

    def weigh_anew(self, slot: int) -> tuple[Verdict, tuple[int, int, int | None]]:
        """What the law says of a task, wherever it stands, by what the others have come to; and the counts that this
        goes by: what is missing, the outcomes of the others, and what else holds it."""
        kept = self._counted(slot)
        try:
            self._count(slot)
            return self._weigh(slot), self._counted(slot)
        finally:
            self.missing[slot], self.masks[slot] = kept[:2]
            if kept[2] is not None:
                self.held[slot] = kept[2]

    def _counted(self, slot: int) -> tuple[int, int, int | None]:
        return self.missing[slot], self.masks[slot], self.held.get(slot)

    def _derived_below(self, slots: Iterable[int], left: Collection[int]) -> set[int]:
        """What lies below tasks and has ended by the law alone, as far as only such lies between; without those that
        are left as they are."""
        found: set[int] = set()
        frontier = [*slots]
        for slot in frontier:
            for target in self._waiting_for(slot):
                derived = self.states[target] in _OF_THE_LAW and target not in self.skips
                if derived and target not in found and target not in left and not self.is_spent(target):
                    found.add(target)
                    frontier.append(target)
        return {slot for slot in found if slot not in self.widths}  # a map is as its instances are

    def _waiting_for(self, slot: int) -> Iterable[int]:
        """The slots below a task, of maps those of their instances, whether or not they are to be expanded again."""
        row, plan = self.row(slot), self.plan
        for down in (*plan.downstreams[row], *plan.followers.get(row, ())):
            if slot >= self.size and plan.are_together(row, down):
                yield self.instances[down][self.index(slot)]
            else:
                yield from self.slots(down)

    def _around(self, slots: Iterable[int]) -> set[int]:
        """The setups and teardowns of what will run again, where a teardown has begun its work already."""
        plan, again = self.plan, {*slots}
        found: set[int] = set()
        for teardown, setups in plan.setups.items():
            scope = {*plan.upstreams[teardown], *plan.waits.get(teardown, ())}
            for slot in self.slots(teardown):
                if self.attempts[slot] and any(not again.isdisjoint(self._all_beside(slot, row)) for row in scope):
                    found.add(slot)
                    found.update(*(self._all_beside(slot, setup) for setup in setups))
        return found

    def _all_beside(self, slot: int, row: int) -> Iterable[int]:
        """The slots of another row that concern a task: of a map as a whole its instances."""
        beside = self.slot_beside(slot, row)
        return self.slots(row) if beside == row else (beside,)

    # --- Doing it

    def _return(self, slots: list[int], at: float) -> None:
        self._reset(slots)
        for slot in slots:
            if self.is_spent(slot):
                self._cancel_spent(slot, at)

    def _cancel_spent(self, slot: int, at: float) -> None:
        """What may begin only once, and has, is there again and not to begin."""
        self._move(slot, Cause.CANCELLED)
        self.ended[slot] = at
        self._pause_no_more(slot)
        self.errors.setdefault(slot, ErrorText("TaskCancelled", "it had begun, and at_most_once forbids more"))

    def _set_going(self, slots: Iterable[int]) -> None:
        """Try tasks again. What has succeeded or may not be begun again, and is done anew for others, begins
        a new generation: it is other work than before."""
        slots = [*slots]
        self._begin_generation(slot for slot in slots if self.states[slot] == SUCCESS or self.is_spent(slot))
        self._reset(slots)

    def _realign(self, at: float) -> None:
        """Bring all else in line after a reset: the counts, what cannot run, and what must be made again."""
        self._recount(at)
        self._weigh_all(at)
        if dead := self._dead_inputs():
            self._reset(dead)
            self._recount(at)
            self._weigh_all(at)

    def _recount(self, at: float) -> None:
        """Count anew what everything waits for, from the states of the tasks alone."""
        self._recount_rounds()
        if self.plan.maps:
            self._realign_maps(at)
        self._forget_rounds_that_go_on()
        for row in self.plan.order:
            slots = [row] if row not in self.widths else [row, *self.slots(row)]
            for slot in slots:
                self._count(slot)
                if self.states[slot] in (READY, RETRYING, DEFERRED) and not self._may_go_on(slot):
                    self._move(slot, Cause.RESET)
                    self._pause_no_more(slot)
        self.unfinished = sum(state < SUCCESS for state in self.states[: self.size])

    def _may_go_on(self, slot: int) -> bool:
        """Whether a task that could run still can."""
        return self._weigh(slot) is Verdict.RUN and not (self.plan.maps and self.is_on_hold(slot))

    def _realign_maps(self, at: float) -> None:
        """Put the head of each map where its instances say; then let those wait that must be expanded again first.
        If one waits, groups around it are not over, and maps after those wait too."""
        for head in self.widths:
            self._realign_head(head, at)
        maps = [row for row in self.plan.order if row in self.plan.maps]
        self._recount_rounds()
        while any([self._hold_map(row) for row in maps]):  # noqa: C419  (each of them, in this order)
            self._recount_rounds()

    def _realign_head(self, head: int, at: float) -> None:
        """Put the head of a map where its instances say: it goes on, or has ended as the worst of them; but in a group
        that is not expanded it waits for that."""
        self._tally(head)
        before, ended_at = self.states[head], self.ended[head]
        expansion = self.plan.mapped[head]
        if expansion == head and before in (PENDING, READY):
            return
        if before != PENDING:
            self._move(head, Cause.RESET)
        if expansion != head and self.states[expansion] != SUCCESS:
            return
        self._move(head, Cause.EXPANDED)
        if not self.open[head]:
            self._close_map(head, at)
            if self.states[head] == before:
                self.ended[head] = ended_at

    def _hold_map(self, row: int) -> bool:
        """Let a map wait in which something is to be done, and which would not be expanded today as it was; and with it
        all that it expands. Whether it had gone on till now."""
        inside = self.plan.expanded_by.get(row, (row,))
        goes_on = self.states[row] == (EXPANDED if row in inside else SUCCESS) and any(map(self._has_work, inside))
        waiting = []
        if goes_on and self.weigh_anew(row)[0] is not Verdict.RUN:
            waiting = [row]
            self._move(row, Cause.RESET)
        if self.states[row] == PENDING:
            waiting += [head for head in inside if head != row and self.states[head] != PENDING]
            self._reset(waiting)
        return bool(waiting)

    def _has_work(self, row: int) -> bool:
        """Whether an instance of a map has not ended, or will begin anew with its group."""
        return row in self.widths and self.open[row] > 0

    def _weigh_all(self, at: float) -> None:
        """Settle whatever can be settled, and make ready whatever can run."""
        wave, queue = Wave(), list[int]()
        missing, masks, states = self.missing, self.masks, self.states
        patient = frozenset[int]() if self.held or self.plan.setups else _PATIENT
        for slot in self._those(PENDING):
            if missing[slot] and not masks[slot] and slot < self.size and self.plan.rules[slot] in patient:
                continue  # nothing that it waits for has ended, as for most where a run begins
            if states[slot] == PENDING:  # still, since one may settle another
                self._decide(slot, at, wave, queue)
        self._spread(queue, at, wave)

    # --- Values that are gone

    def _dead_inputs(self) -> list[int]:
        """Succeeded tasks whose value died with its process, and is wanted by a task that will run, or that may run in
        another round of its group."""
        volatile = {slot for slot, value in self.values.items() if value.codec == "volatile"}
        if not volatile:
            return []
        dead = []
        will_run = {slot for slot, state in enumerate(self.states) if state < SUCCESS and state != EXPANDED}
        for row in reversed(self.plan.order):
            for slot in self.slots(row):
                # For what is spent, the consumer will say that its value is gone.
                if slot not in volatile or self.states[slot] != SUCCESS or self.is_spent(slot):
                    continue
                if not self._units_around(slot).isdisjoint(self.rounds_due):
                    continue  # it is made again anyway
                if any(
                    target in will_run or self._may_run_in_another_round(target, slot)
                    for target in self._consumers(slot, row)
                ):
                    dead.append(slot)
                    will_run.add(slot)
        return dead

    def _may_run_in_another_round(self, slot: int, without: int) -> bool:
        """Whether a task may be done anew, with its group, where another is not."""
        units = self._units_around(slot) - self._units_around(without) - self.settled
        return any(map(self._has_rounds_left, units))

    def _consumers(self, slot: int, row: int) -> Iterable[int]:
        """The slots that take the value of a task, those of maps over it included."""
        for down in self.plan.downstreams[row]:
            if row in self.plan.inputs[down]:
                yield from (target for target, _ in self._targets(slot, row, down))
                if down in self.widths and self.plan.mapped[down] == down:
                    yield from self.slots(down)
