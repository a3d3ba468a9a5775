"""What must hold between any two events of a run, seen from outside: who may start has been let start, who need not
wait for a verdict has it, and nobody has started too early."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from penstock.engine.events import AttemptStarted, Event
from penstock.engine.invariants import check
from penstock.engine.states import ENDED, TaskState
from tests.law.graph import EARLY_RULES
from tests.law.law import RUN, Circumstances, F, K, S, U, failure_counts, judge, trigger
from tests.law.play import Play

UNKNOWN = "unknown"


class Watch:
    """Looks at a run after each event; what is wrong is kept in `found`."""

    def __init__(self, play: Play, *, thorough: bool) -> None:
        self.play = play
        self.graph = play.graph
        self.thorough = thorough
        self.found: list[str] = []

    def __call__(self, event: Event) -> None:
        check(self.play.engine)
        if self.graph.flow.fail_fast:
            self._look_at_failures()
        if not self.thorough or self.play.disturbance:
            return
        if isinstance(event, AttemptStarted):
            self._look_at_start(event.task)
        for row in self.graph.rows:
            for slot in self._open_slots(row):
                self._look_at(slot)

    def _look_at_failures(self) -> None:
        """The first failure that counts disturbs the run; one in a retried group may have to wait."""
        play = self.play
        labels = play.labels()
        failed = [row for (row, _), label in labels.items() if label == F and failure_counts(self.graph, row)]
        if any(not self.graph.retried_around(row) for row in failed):
            waiting = [
                key
                for key, label in labels.items()
                if label in ("pending", "ready", "retrying") and not self.graph.is_teardown(key[0])
            ]
            if waiting:
                self.found.append(f"{failed} failed, and the run goes on with {waiting}")

    # --- Starts

    def _look_at_start(self, slot: int) -> None:
        row = self.play.row(slot)
        missing = [other for other in self.graph.must_have_ended(row) if self._is_open(slot, other)]
        if missing:
            self.found.append(f"{self.play.engine.name(slot)} started before {missing} had ended")

    def _is_open(self, slot: int, other: str) -> bool:
        """Whether something that an instance sees of another task has not ended, or a group around that is not settled
        that the instance is not in."""
        play, mine = self.play, self.graph.retried_around(self.play.row(slot))
        waiting = {(play.plan.groups[group].name, index) for _, group, index in play.group_timers}
        for one in self._slots(slot, other):
            place = play.engine.index(one)
            groups = [group for group in self.graph.retried_around(other) if group not in mine]
            if any(group in (name for name, index in waiting if index in (-1, place)) for group in groups):
                return True
            around = [one, *(inner for group in groups for inner in self._inside(group, place))]
            if any(play.state_of(inner) not in (*ENDED, TaskState.EXPANDED) for inner in around):
                return True
        return False

    def _inside(self, group: str, place: int) -> Iterator[int]:
        """What is in a group, of this place if it is in a map. Of a map without instances nothing could begin anew."""
        if self.graph.map_of_group(group) and place < 0:
            return
        for row in self.graph.rows_in(group):
            for inner in self.play.instances(row):
                if not self.graph.map_of_group(group) or self.play.engine.index(inner) == place:
                    yield inner

    # --- Verdicts

    def _open_slots(self, row: str) -> list[int]:
        """What of a row has no verdict yet."""
        play = self.play
        slots = [play.plan.numbers[row]] if self.graph.is_mapped(row) else play.instances(row)
        return [slot for slot in slots if play.state_of(slot) == TaskState.PENDING]

    def _look_at(self, slot: int) -> None:
        """Complain if an instance waits, and need not."""
        row = self.play.row(slot)
        verdicts = {judge(case) for case in self._possible_cases(slot)}
        if len(verdicts) > 1:
            return
        verdict = verdicts.pop()
        if verdict != RUN and not self._may_be_late(slot):
            self.found.append(f"{self.play.engine.name(slot)} waits, though nothing can change that it is {verdict}")
        elif verdict == RUN and not any(
            UNKNOWN in self._seen(slot, other) for other in self.graph.must_have_ended(row)
        ):
            self.found.append(f"{self.play.engine.name(slot)} waits, though it may run")

    def _may_be_late(self, slot: int) -> bool:
        """Whether the verdict not to run may come later than it is certain: a teardown's comes when its scope has
        ended, and another's when its deciders and guards have, and what an early one takes values from, and its
        rule is certain by itself."""
        row = self.play.row(slot)
        if self.graph.is_teardown(row):
            return any(UNKNOWN in self._seen(slot, other) for other in self.graph.must_have_ended(row))
        gates = [*self.graph.deciders(row), *self.graph.guards(row)]
        if self.graph.rule(row) in EARLY_RULES:
            gates += self.graph.tasks[row].takes
        parents = [state for other in self.graph.judged_by(row) for state in self._seen(slot, other)]
        of_rule = {trigger(self.graph.rule(row), seen) for seen in _possible(parents)}
        return len(of_rule) > 1 or any(UNKNOWN in self._seen(slot, other) for other in gates)

    def _possible_cases(self, slot: int) -> Iterator[Circumstances]:
        """All that the verdict on an instance may come to depend on, whatever comes of what has not ended."""
        row = self.play.row(slot)
        rule = self.graph.rule(row)
        decisions = [self._decision(slot, other) for other in self.graph.deciders(row)]
        if False in decisions:
            yield Circumstances(rule, (False,), 0, frozenset(), frozenset())
            return
        guards = [state for other in self.graph.guards(row) for state in self._seen(slot, other)]
        parents = [state for other in self.graph.judged_by(row) for state in self._seen(slot, other)]
        for decision in (True, False) if None in decisions else (True,):
            for those, seen in product(_possible(guards), _possible(parents)):
                yield Circumstances(rule, (decision,), 0, those, seen)

    def _decision(self, slot: int, decider: str) -> bool | None:
        """Whether a decider lets an instance run; None: nobody knows yet."""
        play, row = self.play, self.play.row(slot)
        if self._may_change(slot, decider):
            return None
        is_branch = self.graph.tasks[decider].decides == "branch"
        for one in self._slots(slot, decider):
            if play.state_of(one) == TaskState.SUCCESS:
                names = play.acts[one].chosen
                if names is not None and not (is_branch and row in self.graph.chosen(decider, names)):
                    return False
        return None if UNKNOWN in self._seen(slot, decider) else True

    # --- What an instance sees of others

    def _slots(self, slot: int, other: str) -> list[int]:
        play = self.play
        index = play.engine.index(slot)
        if self.graph.same_map(play.row(slot), other) and index >= 0:
            return [play.engine.slot(play.plan.numbers[other], index)]
        return play.instances(other)

    def _may_change(self, slot: int, other: str) -> bool:
        """Whether another task is in a retried group that the instance is not in: it may begin anew."""
        mine = self.graph.retried_around(self.play.row(slot))
        return any(group not in mine for group in self.graph.retried_around(other))

    def _seen(self, slot: int, other: str) -> list[str]:
        """The states in which an instance sees another task; UNKNOWN for what has not ended for good."""
        play = self.play
        if other not in self.graph.tasks:
            state = play.map_state(other)
            return [state if state in (S, F, U, K) else UNKNOWN]
        if self._may_change(slot, other):
            return [UNKNOWN]
        states = [play.state_of(one) for one in self._slots(slot, other)]
        return [state.label if state in ENDED else UNKNOWN for state in states]


def _possible(states: list[str]) -> list[frozenset[str]]:
    """All sets of states that these may come to."""
    known = frozenset(states) - {UNKNOWN}
    if UNKNOWN not in states:
        return [known]
    return [known | frozenset(more) for count in range(1, 5) for more in combinations((S, F, U, K), count)]
