"""A part of a workflow: what is selected, and that it keeps its order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.code.identity import Identify
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import PenstockError
from penstock.plan.codec import decode, encode
from penstock.plan.compile import Compiled, compile_workflow
from penstock.plan.graph import reach
from penstock.runtime.selection import Selection, select


@st.composite
def workflows(draw: st.DrawFn) -> Compiled:
    """A compiled workflow in which no values are passed."""
    size = draw(st.integers(1, 12))
    flow = Workflow("flow")
    for number in range(size):
        above = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        flow.add_task(Task(f"t{number}", print, [f"t{upstream}" for upstream in sorted(above)]))
    return compile_workflow(flow, Identify())


@st.composite
def selections(draw: st.DrawFn) -> tuple[Compiled, Selection]:
    compiled = draw(workflows())
    some = st.lists(st.sampled_from(compiled.plan.names), max_size=3, unique=True).map(tuple)
    return compiled, Selection(draw(some), draw(some), draw(some))


@given(selections())
def test_a_part_keeps_the_order_of_its_tasks(given_: tuple[Compiled, Selection]):
    compiled, selection = given_
    whole = compiled.plan
    try:
        part = select(compiled, selection).plan
    except PenstockError:
        return  # nothing is selected: see below
    assert list(part.names) == [name for name in whole.names if name in part.numbers]
    for name in part.names:
        below = {part.names[task] for task in reach([part.numbers[name]], part.downstreams)}
        wanted = {whole.names[task] for task in reach([whole.numbers[name]], whole.downstreams)} & set(part.names)
        assert below == wanted, "what came after it still does, also through tasks that are left out"
    assert Selection.of(part) == selection
    assert decode(encode(part)) == part


@given(selections())
def test_what_is_selected(given_: tuple[Compiled, Selection]):
    compiled, selection = given_
    plan = compiled.plan
    only, from_, until = (
        {plan.numbers[name] for name in names} for names in (selection.only, selection.from_, selection.until)
    )
    everything = set(range(len(plan)))
    between = (reach(from_, plan.downstreams) if from_ else everything) & (
        reach(until, plan.upstreams) if until else everything
    )
    wanted = only | (between if from_ or until or not only else set())
    if wanted:
        assert selection.tasks(plan) == sorted(wanted)
    else:
        with pytest.raises(PenstockError, match="nothing lies"):
            selection.tasks(plan)


def test_no_selection_is_the_workflow_itself():
    flow = Workflow("flow")
    flow.add_task(Task("only", print))
    compiled = compile_workflow(flow, Identify())
    assert select(compiled, Selection()) is compiled
    assert Selection.of(compiled.plan) == Selection()


def test_a_value_that_is_left_out_is_named():
    flow = Workflow("flow")
    source = flow.add_task(Task("source", int))
    flow.add_task(Task("sink", print, args=[source.output]))
    compiled = compile_workflow(flow, Identify())
    with pytest.raises(PenstockError, match="task 'sink' needs the value of 'source'"):
        select(compiled, Selection(only=("sink",)))
    assert select(compiled, Selection(only=("sink", "source"))).plan.inputs == ((), (0,))
    with pytest.raises(PenstockError, match="did you mean 'sink'"):
        select(compiled, Selection(until=("snik",)))
