"""Random workflows, really run in threads: nothing starts too early, and the end is always the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Task, Workflow, WorkflowManager, current
from penstock.engine.invariants import check
from tests.simulation.model import FAILURE, FATAL, SUCCESS, Script, final_states, outcome, verdict
from tests.simulation.plans import graphs
from tests.unit.runtime.waiting import states


class Fatal(BaseException):
    """A failure that is not tried again, not being an Exception."""


class Bodies:
    """The bodies of a workflow, played from scripts, and the order of what they did."""

    def __init__(self, graph: list[list[int]], scripts: list[Script]) -> None:
        self.graph = graph
        self.scripts = scripts
        self.lock = threading.Lock()
        self.attempts = [0] * len(graph)
        self.succeeded: set[int] = set()
        self.running: set[int] = set()
        self.wrong: list[str] = []

    def play(self, task: int) -> list[int]:
        with self.lock:
            missing = [upstream for upstream in self.graph[task] if upstream not in self.succeeded]
            if missing or task in self.running or task in self.succeeded:
                self.wrong.append(f"{task} starts: {missing} missing, {self.running} running, {self.succeeded} done")
            self.running.add(task)
            ending = outcome(self.scripts[task], self.attempts[task])
            self.attempts[task] += 1
        with self.lock:
            self.running.remove(task)
            if ending == SUCCESS:
                self.succeeded.add(task)
        if ending == FATAL:
            raise Fatal
        if ending == FAILURE:
            raise ValueError("as the script says")
        return [task]

    def body(self, task: int) -> Any:
        def run(*inputs: list[int]) -> list[int]:
            for upstream, value in zip(self.graph[task], inputs, strict=False):
                if value != [upstream]:
                    self.wrong.append(f"{task} got {value} from {upstream}")
                value.append(-1)
            return self.play(task)

        return run


SCRIPTS = st.one_of(
    st.just((SUCCESS,)),
    st.just((SUCCESS,)),
    st.integers(1, 3).map(lambda times: (FAILURE,) * times + (SUCCESS,)),
    st.just((FATAL,)),
)


@settings(max_examples=60)
@given(st.data(), graphs(max_size=14, min_size=2), st.integers(1, 5), st.booleans())
def test_a_random_workflow_ends_as_the_model_says(
    data: st.DataObject, graph: list[list[int]], workers: int, with_data: bool
) -> None:
    scripts = [data.draw(SCRIPTS) for _ in graph]
    retries = [data.draw(st.integers(0, 3)) for _ in graph]
    bodies = Bodies(graph, scripts)
    flow = Workflow("random")
    tasks = [Task(f"t{number}", bodies.body(number), retries=retries[number]) for number in range(len(graph))]
    for number, above in enumerate(graph):
        upstreams = [tasks[upstream] for upstream in above]
        if with_data:
            tasks[number].args = upstreams
        else:
            tasks[number].dependencies = upstreams
        flow.add_task(tasks[number])
    expected = final_states(graph, scripts, retries)
    manager = WorkflowManager("memory", workers=workers, observers=[])
    run = manager.run(flow, raise_on_failure=False)
    assert bodies.wrong == []
    assert list(states(run).values()) == expected
    assert run.state == verdict(expected)
    replayed = manager.get(run.id)
    assert states(replayed) == states(run)
    assert [one.attempts for one in replayed.tasks] == [one.attempts for one in run.tasks] == bodies.attempts
    check(replayed._engine)


@settings(max_examples=40)
@given(st.data(), graphs(max_size=10, min_size=2), st.integers(1, 4))
def test_a_random_workflow_that_is_cancelled_and_resumed_ends_as_if_it_had_not_been(
    data: st.DataObject, graph: list[list[int]], workers: int
) -> None:
    scripts: list[Script] = [data.draw(st.sampled_from([(SUCCESS,), (FAILURE, SUCCESS), (FATAL,)])) for _ in graph]
    bodies = Bodies(graph, scripts)
    who = data.draw(st.integers(0, len(graph) - 1))
    manager = WorkflowManager("memory", workers=workers, observers=[])

    def cancelling(task: int) -> None:
        if task == who and bodies.attempts[task] == 0:
            manager.cancel(current().run_id, by="ann")
        bodies.play(task)

    flow = Workflow("random", defaults={"retries": 1})
    for number, above in enumerate(graph):
        flow.add_task(Task(f"t{number}", cancelling, [f"t{upstream}" for upstream in above], args=[number]))
    undisturbed = final_states(graph, scripts, [1] * len(graph))
    cancelled = manager.run(flow, raise_on_failure=False)
    ended = list(states(cancelled).values())
    assert all(state in (expected, "cancelled") for state, expected in zip(ended, undisturbed, strict=True))
    assert cancelled.state == ("cancelled" if "cancelled" in ended else verdict(undisturbed))
    resumed = manager.resume(cancelled.id, flow, raise_on_failure=False)
    assert list(states(resumed).values()) == undisturbed
    assert bodies.wrong == []
    check(manager.get(resumed.id)._engine)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_big_layered_workflow_runs_in_order(workers: int) -> None:
    width, depth = 20, 25
    graph = [
        [(layer - 1) * width + (column + step) % width for step in range(3)] if layer else []
        for layer in range(depth)
        for column in range(width)
    ]
    bodies = Bodies(graph, [(FAILURE, SUCCESS) if number % 7 == 0 else (SUCCESS,) for number in range(len(graph))])
    flow = Workflow("layered", defaults={"retries": 1})
    for number, above in enumerate(graph):
        flow.add_task(Task(f"t{number}", bodies.play, [f"t{upstream}" for upstream in above], args=[number]))
    run = WorkflowManager("memory", workers=workers, observers=[]).run(flow)
    assert bodies.wrong == []
    assert run.counts == {"success": width * depth}
