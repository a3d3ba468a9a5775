"""Random graphs, random bodies, random orders: the law of the engine, against a model that knows nothing of order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksRerun,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.plan.fingerprint import fit
from penstock.plan.plan import Plan
from penstock.policy import RUN_NOTICES, TASK_NOTICES, TaskPolicy
from tests.simulation.model import FAILURE, FATAL, LOST, SUCCESS, Script, final_states, verdict
from tests.simulation.plans import Graph, graphs, make_plan
from tests.simulation.simulator import ERROR, Simulation, labels, snapshot

ROOT = Path(__file__).parents[2]


class Case(NamedTuple):
    """A workflow and what its bodies do."""

    graph: list[list[int]]
    scripts: list[Script]
    retries: list[int]
    names: list[str] | None = None
    once: frozenset[int] = frozenset()
    """Tasks that begin one attempt at most, whose `retries` do not count."""
    told: tuple[tuple[str, ...], ...] = ()
    """What each task has a callback for, and last the workflow; nothing at all if it is empty."""

    @property
    def plan(self) -> Plan:
        told = self.told or ((),) * (len(self.graph) + 1)
        policies = [
            TaskPolicy(retries=count, retry_delay=5.0, retry_backoff=2.0, notices=told[number])
            if number not in self.once
            else TaskPolicy(at_most_once=True, notices=told[number])
            for number, count in enumerate(self.retries)
        ]
        names = self.names or [f"t{number}" for number in range(len(self.graph))]
        functions = tuple(f"module:{name}" for name in names)
        return make_plan(self.graph, names=names, policies=policies, functions=functions, timeout=1e6, notices=told[-1])

    @property
    def undisturbed(self) -> list[str]:
        retries = [0 if task in self.once else count for task, count in enumerate(self.retries)]
        return final_states(self.graph, self.scripts, retries, self.once)


ANY_SCRIPT = st.one_of(
    st.just((SUCCESS,)),
    st.integers(1, 3).map(lambda times: (FAILURE,) * times + (SUCCESS,)),
    st.just((FAILURE,)),
    st.just((FATAL,)),
    st.lists(st.sampled_from([SUCCESS, FAILURE, FATAL, LOST]), min_size=1, max_size=5).map(tuple),
)


def some_of(graph: Graph) -> st.SearchStrategy[frozenset[int]]:
    """Some of the tasks, as a rule few."""
    return st.integers(0, 2 ** len(graph) - 1).flatmap(
        lambda one: st.integers(0, 2 ** len(graph) - 1).map(
            lambda other: frozenset(task for task in range(len(graph)) if one & other >> task & 1)
        )
    )


def somebody_told(graph: Graph) -> st.SearchStrategy[tuple[tuple[str, ...], ...]]:
    """What there are callbacks for: nothing, everything, or whatever chance says."""
    everything = (*(TASK_NOTICES for _ in graph), RUN_NOTICES)
    return st.just(()) | st.just(everything) | st.tuples(*map(part_of, everything))


def part_of(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.integers(0, 31).map(lambda bits: tuple(name for number, name in enumerate(names) if bits >> number & 1))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    graph = draw(graphs())
    scripts = [draw(ANY_SCRIPT) for _ in graph]
    retries = [draw(st.integers(0, 3)) for _ in graph]
    return Case(graph, scripts, retries, once=draw(some_of(graph)), told=draw(somebody_told(graph)))


@st.composite
def steadfast_cases(draw: st.DrawFn) -> Case:
    """Bodies whose last word does not depend on how often they are asked, so that trying again changes no verdict."""
    graph, scripts, retries = draw(graphs(max_size=7)), [], []
    for _ in graph:
        failures = draw(st.integers(0, 2))
        script = draw(st.sampled_from([(FAILURE,) * failures + (SUCCESS,), (FAILURE,), (FATAL,)]))
        scripts.append(script)
        retries.append(failures + draw(st.integers(0, 1)))
    return Case(graph, scripts, retries)


SEEDS = st.integers(0, 2**32 - 1)
WORKERS = st.integers(1, 4)


@settings(max_examples=200)
@given(cases(), SEEDS, WORKERS)
def test_the_final_states_follow_from_graph_and_bodies_alone(case: Case, seed: int, workers: int) -> None:
    run = Simulation(case.plan, case.scripts, seed=seed, workers=workers).begin()
    assert labels(run.engine) == case.undisturbed
    assert run.engine.state == verdict(case.undisturbed)


@given(cases(), SEEDS, SEEDS)
def test_who_finishes_first_changes_no_state_and_no_count_of_attempts(case: Case, seed: int, other_seed: int) -> None:
    one = Simulation(case.plan, case.scripts, seed=seed, workers=1).begin().engine
    other = Simulation(case.plan, case.scripts, seed=other_seed, workers=4).begin().engine
    assert one.states == other.states
    assert one.attempts == other.attempts
    assert (one.failures, one.lost) == (other.failures, other.lost)


@given(cases(), SEEDS, WORKERS)
def test_a_replay_gives_the_same_engine_after_every_event(case: Case, seed: int, workers: int) -> None:
    run = Simulation(case.plan, case.scripts, seed=seed, workers=workers, watch=True).begin()
    again = RunEngine(case.plan, run_id="run")
    assert snapshot(again) == run.snapshots[0]
    for event, expected in zip(run.journal, run.snapshots[1:], strict=True):
        again.handle(event)
        assert snapshot(again) == expected


@settings(max_examples=50)
@given(steadfast_cases(), SEEDS, WORKERS)
def test_a_run_killed_anywhere_and_resumed_ends_as_if_nothing_had_happened(case: Case, seed: int, workers: int) -> None:
    undisturbed = Simulation(case.plan, case.scripts, seed=seed, workers=workers).begin()
    for length in range(len(undisturbed.journal) + 1):
        written = undisturbed.journal[:length]
        run = Simulation(case.plan, case.scripts, seed=seed + length, workers=workers, journal=written)
        done = set(run.engine.done())
        run.feed(RunResumed(run.tick()))
        run.go_on()
        assert labels(run.engine) == case.undisturbed
        assert run.engine.state == verdict(case.undisturbed)
        began = [event.task for event in run.journal[length:] if isinstance(event, AttemptStarted)]
        assert not done.intersection(began), "a task that had succeeded ran again"


@given(steadfast_cases(), SEEDS, st.data())
def test_a_run_killed_twice_ends_as_if_nothing_had_happened(case: Case, seed: int, data: st.DataObject) -> None:
    journal: list[Event] = Simulation(case.plan, case.scripts, seed=seed, workers=3).begin().journal
    for kill in range(2):
        written = journal[: data.draw(st.integers(0, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + kill, workers=3, journal=written)
        run.feed(RunResumed(run.tick()))
        journal = run.go_on().journal
    assert labels(run.engine) == case.undisturbed


@given(cases(), SEEDS, st.data())
def test_a_run_whose_driver_dies_and_that_another_adopts_ends_as_if_nothing_had_happened(
    case: Case, seed: int, data: st.DataObject
) -> None:
    """Twice at most: a third loss of an attempt is a failure. Whatever the bodies do: nobody gave them a new budget."""
    scripts = [tuple(word for word in script if word != LOST) or (SUCCESS,) for script in case.scripts]
    case = case._replace(scripts=scripts, once=frozenset())
    journal: list[Event] = Simulation(case.plan, case.scripts, seed=seed, workers=3).begin().journal
    for kill in range(2):
        written = journal[: data.draw(st.integers(1, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + kill, workers=3, journal=written)
        run.feed(RunResumed(run.tick(), by_hand=False))
        journal = run.go_on().journal
    assert labels(run.engine) == case.undisturbed
    assert run.engine.state == verdict(case.undisturbed)


@settings(max_examples=200)
@given(steadfast_cases(), SEEDS, st.data())
def test_a_resumed_task_has_all_its_inputs_even_those_that_died_with_their_process(
    case: Case, seed: int, data: st.DataObject
) -> None:
    volatile = data.draw(st.sets(st.integers(0, len(case.graph) - 1)))
    journal: list[Event] = Simulation(case.plan, case.scripts, seed=seed, workers=3, volatile=volatile).begin().journal
    for kill in range(2):
        written = journal[: data.draw(st.integers(0, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + kill, workers=3, journal=written, volatile=volatile)
        run.feed(RunResumed(run.tick()))
        journal = run.go_on().journal
    assert labels(run.engine) == case.undisturbed


@given(steadfast_cases(), SEEDS, st.data())
def test_a_run_that_goes_on_with_a_changed_plan_ends_as_that_plan_would_have(
    case: Case, seed: int, data: st.DataObject
) -> None:
    journal = Simulation(case.plan, case.scripts, seed=seed, workers=3).begin().journal
    before = RunEngine(case.plan, run_id="run")
    for event in journal[: data.draw(st.integers(0, len(journal)))]:
        before.handle(event)
    changed, numbers = change(data, case, before.done())
    assert not fit(case.plan, changed.plan, before.done()).problems
    engine = RunEngine(case.plan, run_id="run", plans={"new": changed.plan}.__getitem__)
    for name, value in vars(before).items():
        if name not in ("_handlers", "_plans"):
            setattr(engine, name, value)
    run = Simulation(changed.plan, changed.scripts, seed=seed, workers=3, engine=engine)
    run.succeeded = {numbers[task] for task in before.done()}
    engine.handle(PlanAdopted(run.tick(), "new"))
    run.feed(RunResumed(run.tick()))
    run.go_on()
    assert labels(run.engine) == changed.undisturbed


def change(data: st.DataObject, case: Case, done: list[int]) -> tuple[Case, dict[int, int]]:
    """The workflow with other undone tasks: some gone, some new, all wired anew; and the new numbers of what stayed."""
    stayed = [task for task in range(len(case.graph)) if task in done or data.draw(st.booleans())]
    order = [task for task in stayed if task in done] + [task for task in stayed if task not in done]
    fresh = data.draw(st.integers(0, 2))
    names = [f"t{task}" for task in order] + [f"new{number}" for number in range(fresh)]
    rank = {task: number for number, task in enumerate(order)}
    graph = [[rank[above] for above in case.graph[task]] for task in order if task in done]
    for number in range(len(graph), len(names)):
        graph.append(sorted(data.draw(st.sets(st.integers(0, number - 1)))) if number else [])
    scripts = [case.scripts[task] for task in order] + [data.draw(st.sampled_from([(SUCCESS,), (FATAL,)]))] * fresh
    retries = [case.retries[task] for task in order] + [0] * fresh
    shuffled = data.draw(st.permutations(range(len(names))))
    place = {number: shuffled.index(number) for number in shuffled}
    mixed = Case(
        [[place[above] for above in graph[number]] for number in shuffled],
        [scripts[number] for number in shuffled],
        [retries[number] for number in shuffled],
        [names[number] for number in shuffled],
    )
    return mixed, {task: place[rank[task]] for task in order}


@given(steadfast_cases(), SEEDS, st.data())
def test_a_run_stopped_in_good_order_counts_nothing_as_lost(case: Case, seed: int, data: st.DataObject) -> None:
    journal = Simulation(case.plan, case.scripts, seed=seed, workers=3).begin().journal
    for _ in range(4):
        written = journal[: data.draw(st.integers(0, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed, workers=3, journal=written)
        run.feed(DriverStopped(run.tick(), "SIGINT"))
        run.feed(RunResumed(run.tick()))
        journal = run.go_on().journal
    assert labels(run.engine) == case.undisturbed
    assert not run.engine.lost


@settings(max_examples=200)
@given(cases(), SEEDS, WORKERS, st.integers(0, 40), st.booleans())
def test_where_a_run_is_ended_each_task_ends_undisturbed_or_cancelled(
    case: Case, seed: int, workers: int, steps: int, timed_out: bool
) -> None:
    run = Simulation(case.plan, case.scripts, seed=seed, workers=workers)
    run.feed(RunStarted(run.tick()))
    for _ in range(steps):
        if run.over:
            break
        run.step()
    run.feed(RunTimedOut(run.tick()) if timed_out else CancelRequested(run.tick(), "ann"))
    run.timers.clear()  # a timer that rings now finds nothing to do
    run.go_on()
    states = labels(run.engine)
    for state, undisturbed in zip(states, case.undisturbed, strict=True):
        assert state in (undisturbed, "cancelled")
    if "cancelled" not in states:
        assert run.engine.state == verdict(states)
    else:
        assert run.engine.state == (RunState.FAILED if timed_out else RunState.CANCELLED)
        assert "timed out" in (run.engine.error or "") or "ann" in (run.engine.error or "")


@given(cases(), SEEDS)
def test_one_seed_gives_one_trace(case: Case, seed: int) -> None:
    one, other = (Simulation(case.plan, case.scripts, seed=seed, workers=2).begin() for _ in range(2))
    assert one.journal == other.journal
    assert one.commands == other.commands


TRACE = """
import hashlib
from tests.simulation.simulator import Simulation, snapshot
from tests.simulation.test_random_runs import Case

graph = [[n for n in range(task) if (task * 7 + n * 3) % 4 == 0] for task in range(40)]
scripts = [[("success",), ("failure", "success"), ("failure",), ("lost", "success")][task % 4] for task in range(40)]
case = Case(graph, scripts, [task % 3 for task in range(40)])
runs = [Simulation(case.plan, case.scripts, seed=seed, workers=3).begin() for seed in range(20)]
text = repr([(run.journal, run.commands, sorted(snapshot(run.engine).items())) for run in runs])
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_trace_does_not_depend_on_the_process() -> None:
    seen = set()
    for hash_seed in ("0", "1", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", TRACE],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1


# --- Events that come as they like


VALUES = (None, ValueRef("json", 1, None, "1"), ValueRef("volatile", 0))

Step = tuple[str, int, int]
"""What happens, to which of the tasks that it could happen to, and some number more."""

OF_A_TASK: dict[str, tuple[TaskState, Callable[[int, int, float, int], Event]]] = {
    "start": (TaskState.READY, lambda task, last, at, extra: AttemptStarted(task, last + 1, at)),
    "retry": (TaskState.RETRYING, lambda task, last, at, extra: RetryDue(task, at)),
    "succeed": (TaskState.RUNNING, lambda task, last, at, extra: AttemptSucceeded(task, last, at, VALUES[extra % 3])),
    "fail": (TaskState.RUNNING, lambda task, last, at, extra: AttemptFailed(task, last, at, ERROR)),
    "fail for good": (TaskState.RUNNING, lambda task, last, at, extra: AttemptFailed(task, last, at, ERROR, False)),
    "lose": (TaskState.RUNNING, lambda task, last, at, extra: AttemptLost(task, last, at, ERROR)),
    "end": (TaskState.RUNNING, lambda task, last, at, extra: AttemptCancelled(task, last, at)),
}
"""What happens to a task: the state that it must be in, and the event, given task, latest attempt, time and number."""

OF_THE_RUN: dict[str, Callable[[float], Event]] = {
    "begin": RunStarted,
    "cancel": lambda at: CancelRequested(at, "ann"),
    "time out": RunTimedOut,
    "stop": lambda at: DriverStopped(at, "SIGINT"),
    "resume": RunResumed,
    "adopt": lambda at: RunResumed(at, by_hand=False),
}
OF_NOTICES: dict[str, Callable[[float, str], Event]] = {
    "deliver": NoticeDelivered,
    "give up": lambda at, notice: NoticeDropped(at, notice, "nobody is there"),
    "set notifiers": lambda at, notice: NotifiersSet(at, (("slack", "mail") if len(notice) % 2 else ())),
}
"""What happens to the notices of a run, given the time and the id of one."""
WORK = ("start", "succeed", "fail", "fail for good", "lose", "retry")
DISTURBANCES = (*OF_THE_RUN, "end", "nonsense")


def next_event(engine: RunEngine, step: Step, at: float) -> Event | None:
    """An event that this engine could get, or one that it could not if the step is nonsense; None if there is none."""
    name, pick, extra = step
    if name in OF_THE_RUN:
        return OF_THE_RUN[name](at)
    everything = range(len(engine.plan))
    if name == "rerun":
        return TasksRerun(at, tuple(task for task in everything if (pick + 1) >> task & 1))
    if name in OF_NOTICES:
        notices = [*engine.notices, *engine.dropped, "nonsense"]
        return OF_NOTICES[name](at, notices[pick % len(notices)])
    if name == "nonsense":
        _, make = list(OF_A_TASK.values())[extra % len(OF_A_TASK)]
        return make(pick % len(everything), extra % 4, at, extra)
    state, make = OF_A_TASK[name]
    tasks = [task for task in everything if engine.task_state(task) is state]
    if not tasks:
        return None
    task = tasks[pick % len(tasks)]
    return make(task, engine.attempts[task], at, extra)


def disturb(graph: list[list[int]], once: int, steps: list[Step]) -> None:
    """Hand in events that mostly fit; each is taken and leaves no contradiction, or is refused and changes nothing."""
    policies = [
        TaskPolicy(at_most_once=True, notices=TASK_NOTICES)
        if once >> task & 1
        else TaskPolicy(retries=task % 3, notices=TASK_NOTICES[: task % 6])
        for task in range(len(graph))
    ]
    engine = RunEngine(make_plan(graph, policies=policies, timeout=60.0, notices=RUN_NOTICES), run_id="run")
    engine.handle(RunStarted(1.0))
    for number, step in enumerate(steps):
        event = next_event(engine, step, at=number + 2.0)
        if event is None:
            continue
        before = snapshot(engine)
        try:
            engine.handle(event)
        except InvalidEvent:
            assert snapshot(engine) == before, f"{event} was refused and changed something"
        check(engine)


def steps_of(*names: str) -> st.SearchStrategy[list[Step]]:
    some = st.one_of(st.sampled_from(WORK), st.sampled_from(WORK), st.sampled_from(names))
    return st.lists(st.tuples(some, st.integers(0, 31), st.integers(0, 6)), min_size=20, max_size=60)


FEW = st.sampled_from([0, 0, 1, 2, 5, 31])
"""Which of five tasks begin one attempt at most, as bits."""


@settings(max_examples=300)
@given(graphs(max_size=5), FEW, steps_of(*DISTURBANCES, *OF_NOTICES))
def test_any_event_is_taken_or_refused_whole(graph: list[list[int]], once: int, steps: list[Step]) -> None:
    disturb(graph, once, steps)


@settings(max_examples=300)
@given(graphs(max_size=5), FEW, steps_of(*DISTURBANCES, "rerun"))
def test_so_are_reruns(graph: list[list[int]], once: int, steps: list[Step]) -> None:
    disturb(graph, once, steps)


@given(cases(), SEEDS, st.data())
def test_a_rerun_is_refused_or_ends_and_is_a_success_only_if_every_task_is(
    case: Case, seed: int, data: st.DataObject
) -> None:
    ended = Simulation(case.plan, case.scripts, seed=seed, workers=3).begin()
    chosen = data.draw(st.sets(st.integers(0, len(case.graph) - 1), min_size=1))
    run = Simulation(case.plan, case.scripts, seed=seed, workers=3, journal=ended.journal)
    before = snapshot(run.engine), labels(run.engine)
    try:
        run.feed(TasksRerun(run.tick(), tuple(sorted(chosen))))
    except InvalidEvent:
        assert snapshot(run.engine) == before[0]
        return
    run.go_on()
    after = labels(run.engine)
    assert (run.engine.state == "success") == (set(after) == {"success"})
    for task, (was, now) in enumerate(zip(before[1], after, strict=True)):
        if was == "success" and task not in chosen:
            assert now == "success"
        assert run.engine.generation(task) == (task in chosen)


@settings(max_examples=200)
@given(graphs(sparse=True), SEEDS, st.integers(0, 511), st.integers(1, 511))
@example([[], [0], [1], [2]], 1, 0b0001, 0b1101)  # the second is not run again, and lies between
def test_nor_does_it_when_parts_of_a_run_run_again(graph: list[list[int]], seed: int, fatal: int, parts: int) -> None:
    """Each body succeeds at first, and then as it likes; what is not run again keeps its success."""
    everything = range(len(graph))
    chosen = [task for task in everything if parts >> task & 1]
    scripts = [(SUCCESS, FATAL if fatal >> task & 1 else SUCCESS) for task in everything]
    ended = Simulation(make_plan(graph), scripts, seed=1, workers=1).begin()
    for chance, workers in ((seed, 1), (seed + 1, 1), (seed, 4)):
        run = Simulation(make_plan(graph), scripts, seed=chance, workers=workers, journal=ended.journal)
        run.feed(TasksRerun(run.tick(), tuple(chosen)))
        states = labels(run.go_on().engine)
        for task in everything:
            held_up = any(states[upstream] != "success" for upstream in graph[task])
            undisturbed = "failed" if fatal >> task & 1 else "success"
            again = "upstream_failed" if held_up else undisturbed
            assert states[task] == (again if task in chosen else "success")


@pytest.mark.parametrize("missing", [0, 2])
def test_the_model_and_the_fuzz_can_fail(missing: int) -> None:
    """The checks above are worth something: an engine that was tampered with is told from a good one."""
    run = Simulation(make_plan([[], [0]]), [(SUCCESS,)] * 2, seed=1, workers=1)
    run.feed(RunStarted(run.tick()))
    check(run.engine)
    run.engine.missing[1] = missing
    with pytest.raises(AssertionError, match=r"missing|counted"):
        check(run.engine)
