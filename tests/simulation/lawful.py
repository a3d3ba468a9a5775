"""Whether the end of a simulated run is the one that the law gives it, by the graph and by what its bodies came to."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.policy import MAX_LOST_ATTEMPTS
from tests.law.description import FATAL, RAISES, RETURNS, SKIPS, Act, Bodies, Body, Flow, Script
from tests.law.disturbed import FAIL_FAST, Disturbance, complaints
from tests.law.law import C, F, Instance, K, Law, Outcome, S, failure_counts, judge
from tests.law.trial import differences
from tests.simulation.course import Course, Place
from tests.simulation.reading import Reading
from tests.simulation.referee import Referee
from tests.simulation.work import LOST

_STATES = {RETURNS: S, SKIPS: K, RAISES: F, FATAL: F}


class Lawful:
    """Judges one run that has ended."""

    def __init__(self, referee: Referee, reading: Reading) -> None:
        self._referee = referee
        self._reading = reading
        self._course: Course = reading.course
        self._flow: Flow = reading.course.graph.flow
        self._end: Outcome = reading.course.outcome()
        self._endings = {**self._course.endings, **{self._course.body(place): Act(FATAL) for place in self._given_up()}}

    def complaints(self) -> list[str]:
        """What is unlawful about the end."""
        course, end = self._course, self._end
        wrong = [*self._wrong_endings()]
        if wrong or course.remade or course.rerun:  # what ran again, and what did not, is for the engine's own tests
            return wrong
        if course.by_hand:
            return [*self._local()]
        bodies = Bodies({body: (act,) for body, act in self._endings.items()}, self._invent)
        disturbance = course.disturbance
        if disturbance is None and self._flow.fail_fast and self._has_failed():
            disturbance = Disturbance(FAIL_FAST, course.ended(), {})
        undisturbed = Law(self._flow, bodies)
        wrong = [*self._too_many_rounds(undisturbed)]
        if disturbance is None:
            return [*wrong, *differences(undisturbed.outcome(), end)]
        for place in self._given_up():
            if place in disturbance.running:  # however many retries were left
                disturbance.running = {**disturbance.running, place: self._retries(place)}
        return [*wrong, *complaints(Law(self._flow, bodies, rounds=course.rounds), end, disturbance)]

    def _retries(self, place: Place) -> int:
        return self._course.graph.tasks[place[0]].retries

    def _too_many_rounds(self, law: Law) -> Iterator[str]:
        """Which groups began anew more often than they would have in a run that nobody disturbed."""
        for (group, index), rounds in self._course.rounds.items():
            outermost = not any(law.graph.groups[around].retries for around in law.graph.groups_above(group))
            if outermost and rounds > law.last_round(group, index, ()):
                yield f"group {group} of index {index} began anew {rounds} times"

    def _invent(self, body: Body) -> Script:
        """What a body would have come to that was never asked, or not to the end."""
        return (self._course.work.comes_to(body, self._course.graph.tasks[body.task].retries),)

    def _has_failed(self) -> bool:
        states = [*((row, state) for (row, _), state in self._end.states.items()), *self._end.maps.items()]
        return any(state == F and failure_counts(self._course.graph, row) for row, state in states)

    # --- Single bodies

    def _given_up(self) -> list[Place]:
        """Those whose attempts vanished too often, so that nobody knows what they would have come to."""
        found = []
        engine, lost = self._reading.engine, self._reading.lost
        for place in dict.fromkeys([*self._course.last, *self._reading.started]):
            slot = self._reading.slot(place)
            if slot is None or engine.task_state(slot).label != F:
                continue
            now = place, engine.generation(slot)
            once = self._referee.step(place).once and now not in self._reading.outcomes
            if once or lost.get(now, 0) >= MAX_LOST_ATTEMPTS:
                found.append(place)
        return found

    def _wrong_endings(self) -> Iterator[str]:
        """Tasks whose bodies have run, and that ended otherwise than these do."""
        given_up = self._given_up()
        for place, body in self._course.last.items():
            state = self._end.states.get(place)
            if place in given_up or state not in (S, F, K):
                continue
            ending, slot = self._course.endings[body], self._reading.slot(place)
            ran = slot is not None and bool(self._reading.engine.attempts[slot])
            if not ran:
                continue  # not in this generation
            if self._course.by_hand and state == K != _STATES[ending.what]:
                continue  # it was to be tried again, and by then the law kept it from that: see below
            if state != _STATES[ending.what]:
                yield f"{place} is {state}, and its body {ending.what}"
            wanted = self._course.work.comes_to(body, self._retries(place)).what
            if _STATES[wanted] != state and not self._may_differ(place, body):
                yield f"{place} is {state}, its body {wanted}"

    def _may_differ(self, place: Place, body: Body) -> bool:
        """Whether a body may have come to something else than its script says: it lacked inputs, was too late, or
        vanished often, which was forgiven."""
        if self._referee.may_lack_inputs(place) or self._course.disturbance:
            return True
        if place[0] in self._course.work.calls:  # what becomes of its run has been looked at
            return bool(self._referee.scenario.faults)
        if self._course.by_hand and Act(LOST) in self._course.work.script(body):
            return True
        stopped = self._referee.scenario.faults & {"pause", "values", "disk", "stall", "cut"}
        return self._referee.step(place).options.get("timeout") is not None and bool(stopped)

    # --- Runs of which parts were done anew

    def _local(self) -> Iterator[str]:
        """What no body has run for is as the law has it, by how all else has ended."""
        rounds = dict[tuple[str, int], int]()
        latest: dict[Body, Script] = {}
        for (row, index), body in self._course.last.items():
            latest[Body(row, index, (0,) * len(body.rounds))] = (self._endings[body],)
        law = _AsItEnded(self._flow, Bodies(latest, self._invent), rounds, self._end)
        given_up = self._given_up()
        for key, state in self._end.states.items():
            row, index = key
            slot = self._reading.slot((row, max(index, -1)))
            latest_body = self._course.last.get(key)
            ran = slot is not None and bool(self._reading.engine.attempts[slot])
            if latest_body is not None:
                ran = ran and state == _STATES[self._endings[latest_body].what]
            if ran or key in given_up or law.is_map(row) or state == C:
                continue
            if row == self._course.work.added and law.graph.deciders(row):
                continue  # a branch has chosen before there was such a task
            case = law.circumstances(law.settled(row, index, ()))
            if C not in case.guards | case.parents and judge(case) != state:
                yield f"{row}[{index}] is {state}, by the ends of the others it is {judge(case)}"


class _AsItEnded(Law):
    """The law, asked about one task after the other, given how all others ended."""

    def __init__(self, flow: Flow, bodies: Bodies, rounds: dict[tuple[str, int], int], end: Outcome) -> None:
        super().__init__(flow, bodies, rounds)
        self._end = end

    def state(self, each: Instance) -> str:
        """How it ended."""
        found = self._end.states.get((each.row, each.place))
        if found is None:
            found = self._end.maps.get(each.row)
        return found if found is not None else super().state(each)
