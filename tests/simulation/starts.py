"""Whether a body may begin, by the law and by what is on record at that moment."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.engine.states import ENDED, TaskState
from tests.law.description import RETURNS
from tests.law.graph import EARLY_RULES
from tests.law.law import RUN, Circumstances, K, S, judge
from tests.simulation.course import Place
from tests.simulation.reading import Reading


def wrong(reading: Reading, place: Place) -> Iterator[str]:
    """What speaks against it."""
    row, index = place
    course = reading.course
    for other in course.graph.must_have_ended(row):
        if any(_is_open(reading, row, slot) for slot in course.slots(row, other, index)):
            yield f"that {other} has ended is not written"
            return
    if course.disturbance is None and not course.by_hand:
        verdict = judge(_circumstances(reading, row, index))
        if verdict != RUN:
            yield f"by what is written it is {verdict}"


def decisions(reading: Reading, place: Place) -> Iterator[tuple[Place, int]]:
    """Whose decisions have had a task run, and the batches that say what they decided."""
    row, index = place
    graph, course = reading.course.graph, reading.course
    above = [*graph.upstreams(row), *graph.must_have_ended(row), row]
    for other in dict.fromkeys(above):
        places = [(other, -1), *(course.place(slot) for slot in course.slots(row, other, index) if other != row)]
        for one in dict.fromkeys(places):
            if one in reading.decided:
                yield one, reading.decided[one]


def _is_open(reading: Reading, row: str, slot: int) -> bool:
    """Whether what an instance of a row sees has not ended, or a group around it that is tried again is not settled."""
    engine, graph = reading.engine, reading.course.graph
    if engine.task_state(slot) not in (*ENDED, TaskState.EXPANDED):
        return True
    mine, other = graph.retried_around(row), engine.plan.names[engine.row(slot)]
    around = [group for group in graph.retried_around(other) if group not in mine]
    return any(_is_unsettled(reading, group, engine.index(slot)) for group in around)


def _is_unsettled(reading: Reading, group: str, index: int) -> bool:
    """Whether something in a group is still to be done, or will be; in a map, for this index."""
    engine, graph, course = reading.engine, reading.course.graph, reading.course
    if graph.map_of_group(group) and index < 0:
        return False  # it was not expanded, so it has no rounds
    due = {(engine.plan.groups[number].name, place) for number, place in engine.rounds_due}
    if (group, index) in due or (group, -1) in due:
        return True
    for row in graph.rows_in(group):
        for slot in course.instances(row):
            in_question = not graph.map_of_group(group) or engine.index(slot) == index
            if in_question and engine.task_state(slot) not in (*ENDED, TaskState.EXPANDED):
                return True
    return False


def _circumstances(reading: Reading, row: str, index: int) -> Circumstances:
    """What the verdict on a task is made of, as far as it is written. What an early rule does not wait for is left
    out."""
    course, graph = reading.course, reading.course.graph
    early = graph.rule(row) in EARLY_RULES

    def states(others: list[str]) -> frozenset[str]:
        slots = [slot for other in others for slot in course.slots(row, other, index)]
        return frozenset(course.label(slot) for slot in slots if not (early and _is_open(reading, row, slot)))

    decisions = []
    for decider in graph.deciders(row):
        for slot in course.slots(row, decider, index):
            if course.label(slot) == S:
                decisions.append(_chose(reading, course.place(slot), row))
    guards, parents = states(graph.guards(row)), states(graph.judged_by(row))
    if graph.judged_by(row) and not parents and graph.rule(row) != "always":
        guards |= {K}  # nothing has ended that would let it run
    return Circumstances(graph.rule(row), tuple(decisions), 0, guards, parents)


def _chose(reading: Reading, decider: Place, row: str) -> bool:
    """Whether a decider that succeeded lets a task run, by what its body did."""
    course = reading.course
    act = course.endings[course.last[decider]]
    if act.what != RETURNS or act.chosen is None:
        return True
    return course.graph.tasks[decider[0]].decides == "branch" and row in course.graph.chosen(decider[0], act.chosen)
