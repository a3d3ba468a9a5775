"""The reasons of the engine: of each task in whatever state, and down to a first cause."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.events import DriverStopped, GroupRetryDue, RunResumed, RunTimedOut, TasksMarked
from penstock.engine.explain import Explainer, Kind, held_up, outcomes_above
from penstock.engine.law import Verdict
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.policy import TaskPolicy
from tests.unit.engine.drawn_runs import Chance, draw_plan
from tests.unit.engine.played import Played, plan_of

CHAIN = {"a": "", "b": "a", "c": "b"}


def kind(run: Played, name: str) -> Kind:
    return Explainer(run.engine).reason(run.slot(name)).kind


def behind(run: Played, name: str) -> list[str]:
    return [run.engine.name(slot) for slot in Explainer(run.engine).reason(run.slot(name)).slots]


def test_what_waits_names_what_has_not_ended_and_what_is_ready_waits_for_a_worker():
    run = Played(plan_of({"a": "", "b": "", "c": "a b"})).ok("a")
    assert (kind(run, "c"), behind(run, "c")) == (Kind.UPSTREAMS, ["b"])
    assert kind(run, "b") is Kind.WORKER
    assert kind(run.start("b"), "b") is Kind.RUNNING


def test_a_run_that_has_not_begun_is_behind_all_its_tasks():
    assert Explainer(RunEngine(plan_of(CHAIN))).reason(2).kind is Kind.NOT_BEGUN


def test_a_retry_says_when():
    run = Played(plan_of({"a": ""}, options={"a": {"retries": 1, "retry_delay": 60.0}})).fail("a")
    reason = Explainer(run.engine).reason(0)
    assert (reason.kind, reason.at, reason.text) == (Kind.RETRY, run.now + 60, "ValueError: no")


def test_who_waits_for_a_group_waits_for_what_keeps_it_from_being_settled():
    plan = plan_of(
        {"a": "", "b": "", "after": "a"}, retried={"a b": TaskPolicy(retries=1, retry_delay=5.0)}, groups=None
    )
    run = Played(plan).ok("a")
    assert behind(run, "after") == ["b"]
    run.fail("b")
    reason = Explainer(run.engine).reason(run.slot("b"))
    assert (reason.kind, reason.at) == (Kind.ROUND, run.now + 5)
    assert (kind(run, "a"), behind(run, "a")) == (Kind.ROUND, ["b"])
    assert behind(run, "after") == ["a"]
    run.feed(GroupRetryDue(0, -1, run.tick()))
    assert kind(run, "b") is Kind.WORKER


def test_instances_wait_for_their_map_and_for_a_place_among_its_limit():
    plan = plan_of({"a": "", "m": "a"}, guards={"m": "a"}, maps="m", options={"m": {"max_active_instances": 1}})
    run = Played(plan)
    assert behind(run, "m") == ["a"]
    assert kind(run.ok("a"), "m") is Kind.EXPANSION
    run.expand("m", 2).start("m[0]")
    assert (kind(run, "m[1]"), behind(run, "m[1]")) == (Kind.LIMIT, ["m[0]"])
    assert (kind(run, "m"), behind(run, "m")) == (Kind.INSTANCES, ["m[0]", "m[1]"])
    run.ok("m[0]").fail("m[1]")
    assert (kind(run, "m"), behind(run, "m")) == (Kind.INSTANCES, ["m[1]"])


def test_what_is_ready_waits_for_other_tasks_of_its_run_or_for_slots():
    run = Played(replace(plan_of({"a": "", "b": "", "c": ""}), max_active_tasks=2))
    assert kind(run, "b") is Kind.WORKER
    assert Explainer(run.engine, lambda slot: "for a slot").reason(1)[0::3] == (Kind.SLOT, "for a slot")
    run.start("a", "c")
    assert (kind(run, "b"), behind(run, "b")) == (Kind.LIMIT, ["a", "c"])


def test_what_is_in_a_mapped_group_waits_for_its_expansion():
    plan = plan_of({"a": "", "g": "a", "x": "", "y": "x"}, guards={"g": "a"}, groups={"g": "x y"})
    run = Played(plan)
    assert (kind(run, "y"), behind(run, "y")) == (Kind.EXPANSION, ["g"])


def test_a_cancelled_task_says_who_what_or_which_task_ended_the_run():
    cancelled = Played(plan_of(CHAIN)).cancel()
    assert Explainer(cancelled.engine).reason(1)[0::3] == (Kind.CANCELLED_BY, "ann")
    late = Played(plan_of(CHAIN, timeout=3.0))
    late.feed(RunTimedOut(late.tick()))
    assert Explainer(late.engine).reason(1)[0::3] == (Kind.TIMED_OUT, "3")
    fast = Played(plan_of({"a": "", "b": ""}, fail_fast=True)).fail("a")
    assert (kind(fast, "b"), behind(fast, "b")) == (Kind.FAILED_FAST, ["a"])
    mapped = plan_of({"a": "", "m": "a", "b": ""}, guards={"m": "a"}, maps="m", fail_fast=True)
    run = Played(mapped).ok("a").expand("m", 2).fail("m[1]")
    assert behind(run, "b") == ["m[1]"]


def test_a_teardown_that_cannot_know_is_cancelled_because_of_its_setup():
    plan = plan_of({"s": "", "w": "s", "t": "s w"}, setups={"t": "s"}, waits={"t": "w"})
    run = Played(plan).start("s").cancel().heed("s")
    assert run["t"] == "C"
    assert behind(run, "t") == ["s"]


def test_a_mark_comes_before_all_else():
    run = Played(plan_of(CHAIN)).fail("a")
    run.feed(TasksMarked(run.tick(), (0,), "success", "ann", "by hand"))
    reason = Explainer(run.engine).reason(0)
    assert (reason.kind, reason.text) == (Kind.MARKED, "marked by ann: by hand")


def test_what_may_begin_only_once_says_so_after_a_resume():
    plan = plan_of({"a": "", "b": ""}, options={"a": {"at_most_once": True}})
    run = Played(plan).start("a").cancel().heed("a")
    run.feed(RunResumed(run.tick()))
    assert kind(run, "a") is Kind.SPENT


def test_what_a_rule_saw_is_counted():
    run = Played(plan_of({"a": "", "b": "", "c": "a b"}, rules={"c": "one_failed"})).ok("a").skip("b")
    assert (kind(run, "c"), behind(run, "c")) == (Kind.RULE, [])
    assert outcomes_above(run.engine, run.slot("c")) == {"success": 1, "skipped": 1}


def test_of_several_that_decide_the_one_is_named_that_left_it_out():
    plan = plan_of(
        {"a": "", "b": "", "x": "a b"},
        options={"a": {"decides": "branch"}, "b": {"decides": "short_circuit"}},
        deciders={"x": "a b"},
    )
    run = Played(plan).ok("a", chosen="x").ok("b", chosen="")
    assert (kind(run, "x"), behind(run, "x")) == (Kind.NOT_CHOSEN, ["b"])


def test_what_a_failure_holds_up_is_all_that_did_not_run_below_it():
    run = Played(plan_of({**CHAIN, "d": "", "e": "b d"})).ok("d").fail("a")
    assert held_up(run.engine, run.slot("a")) == 3


def test_who_waits_for_a_group_waits_for_what_in_it_is_to_begin_anew():
    retried = {"a b": TaskPolicy(retries=1), "b": TaskPolicy(retries=1, retry_delay=9.0)}
    run = Played(plan_of({"a": "", "b": "", "x": "a"}, retried=retried)).ok("a").fail("b")
    assert (run.letters, kind(run, "x"), behind(run, "x")) == ("SF.", Kind.UPSTREAMS, ["b"])


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_every_task_has_a_reason_that_fits_its_state_and_leads_to_a_first_cause(seed: int):
    random = Random(seed)
    engine = RunEngine(draw_plan(random, maps=True, rounds=True), run_id="run")
    for event in Chance(engine, random, calm=random.random() < 0.5).events(60):
        engine.handle(event)
    explainer = Explainer(engine)
    for slot in range(len(engine.states)):
        reason = explainer.reason(slot)
        state = engine.task_state(slot)
        if reason.kind is Kind.LEFT_OVER and state is not TaskState.CANCELLED:
            assert engine.weigh_anew(slot)[0] is not _VERDICTS[state], "the law would say the same of it today"
        else:
            assert reason.kind in _FITTING[state] or reason.kind in (Kind.MARKED, Kind.INSTANCES), engine.story(slot)
        waits = engine.task_state(slot) is TaskState.PENDING and engine.state is RunState.RUNNING
        if waits and not engine.is_on_hold(slot):
            verdict, (missing, _, held) = engine.weigh_anew(slot)
            assert verdict is Verdict.WAIT
            assert bool(reason.slots) == bool(missing or held), "what it counts is what it names"
        seen = {slot}
        frontier = [*reason.slots]
        while frontier:  # it comes to an end, since no task is behind itself
            one = frontier.pop()
            assert one != slot
            if one not in seen:
                seen.add(one)
                frontier += explainer.reason(one).slots


_VERDICTS = {TaskState.SKIPPED: Verdict.SKIP, TaskState.UPSTREAM_FAILED: Verdict.UPSTREAM_FAILED}
_BY_LAW = {Kind.GUARD, Kind.RULE}
_FITTING: dict[TaskState, set[Kind]] = {
    TaskState.PENDING: {Kind.UPSTREAMS, Kind.EXPANSION, Kind.NOT_BEGUN},
    TaskState.READY: {Kind.WORKER, Kind.LIMIT, Kind.EXPANSION},
    TaskState.RUNNING: {Kind.RUNNING},
    TaskState.RETRYING: {Kind.RETRY},
    TaskState.DEFERRED: {Kind.EARLY, Kind.MESSAGE},
    TaskState.EXPANDED: {Kind.INSTANCES},
    TaskState.SUCCESS: {Kind.SUCCEEDED, Kind.ROUND},
    TaskState.FAILED: {Kind.FAILED, Kind.ROUND},
    TaskState.SKIPPED: {*_BY_LAW, Kind.SAID, Kind.NOT_CHOSEN, Kind.NOTHING, Kind.ROUND},
    TaskState.UPSTREAM_FAILED: {*_BY_LAW, Kind.ROUND},
    TaskState.CANCELLED: {
        *_BY_LAW,
        Kind.CANCELLED_BY,
        Kind.TIMED_OUT,
        Kind.FAILED_FAST,
        Kind.SPENT,
        Kind.LEFT_OVER,
        Kind.ROUND,
    },
    TaskState.REMOVED: {Kind.REMOVED},
}


def test_a_driver_that_stopped_leaves_tasks_ready():
    run = Played(plan_of(CHAIN)).start("a")
    run.feed(DriverStopped(run.tick(), "SIGINT"))
    assert kind(run, "a") is Kind.WORKER
