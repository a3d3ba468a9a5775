"""When a task may begin, and what becomes of one that may not: deciders, then guards, then its rule."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.commands import DispatchTasks, TasksSettled, WithdrawTasks
from penstock.engine.states import RunState, TaskState
from penstock.policy import EARLY_RULES, TriggerRule
from tests.unit.engine.played import Played, plan_of
from tests.unit.engine.test_law import TABLE, VERDICT

RULES = [rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS]
LATE = [rule for rule in RULES if rule not in EARLY_RULES]


def below(rule: str, *ends: str, upstreams: int = 3) -> Played:
    """A run in which the first of some tasks have ended so; x is below all of them by a rule."""
    names = "abcdef"[:upstreams]
    run = Played(plan_of({**dict.fromkeys(names, ""), "x": " ".join(names)}, rules={"x": rule}))
    for name, end in zip(names, ends, strict=False):
        run.end(name, end)
    return run


# --- The rule alone


@pytest.mark.parametrize("rule", RULES)
def test_a_task_is_what_its_rule_makes_of_its_upstreams_in_whatever_order_they_end(rule: TriggerRule) -> None:
    for ends in ("SSS", "SSF", "SSK", "SFK", "FFF", "FFK", "KKK", "KKS"):
        expected = TABLE[rule][frozenset(ends)]
        letters = {below(rule, *order)["x"] for order in permutations(ends)}
        assert [VERDICT[letter.upper()] for letter in letters] == [expected], ends


@pytest.mark.parametrize("rule", RULES)
def test_a_task_below_nothing_runs(rule: TriggerRule) -> None:
    assert below(rule, upstreams=0)["x"] == "r"


@pytest.mark.parametrize("rule", LATE)
def test_most_rules_let_a_task_start_when_the_last_upstream_has_ended(rule: TriggerRule) -> None:
    runs = [ends for ends in ("SSS", "FFF", "KKK", "SFS") if TABLE[rule][frozenset(ends)] is VERDICT["R"]]
    assert runs
    for ends in runs:
        assert below(rule, *ends[:2])["x"] == "."
        assert below(rule, *ends)["x"] == "r"


@pytest.mark.parametrize(
    ("rule", "ends"),
    [("one_success", "S"), ("one_failed", "F"), ("one_done", "S"), ("one_done", "F"), ("always", "")],
)
def test_some_let_it_start_as_soon_as_one_has_ended_so(rule: str, ends: str) -> None:
    run = below(rule, *ends)
    assert run["x"] == "r"
    run.ok("x")  # and what the others do does not matter any more
    assert run.ok("b").fail("c")["x"] == "S"


@pytest.mark.parametrize(("rule", "ends"), [("one_success", "FK"), ("one_failed", "SK"), ("one_done", "KK")])
def test_they_wait_for_the_last_otherwise(rule: str, ends: str) -> None:
    assert below(rule, *ends)["x"] == "."


def test_always_does_not_even_wait_for_one() -> None:
    run = below("always")
    assert (run.letters, run.command(DispatchTasks)) == ("rrrr", ["a", "b", "c", "x"])


@pytest.mark.parametrize(
    ("rule", "end", "letter"),
    [
        ("all_success", "F", "U"),
        ("all_failed", "S", "K"),
        ("all_failed", "K", "K"),
        ("all_done_min_one_success", "K", "K"),
        ("none_failed", "F", "U"),
        ("none_failed_min_one_success", "F", "U"),
        ("none_skipped", "K", "K"),
        ("all_skipped", "S", "K"),
        ("all_skipped", "F", "K"),
    ],
)
def test_a_task_that_will_not_run_is_told_so_at_once(rule: str, end: str, letter: str) -> None:
    run = below(rule, end)
    assert run["x"] == letter
    assert run.commands == [
        TasksSettled([3], TaskState.UPSTREAM_FAILED if letter == "U" else TaskState.SKIPPED),
    ]
    assert run.engine.ended[3] == run.now
    assert run.ok("b").fail("c")["x"] == letter  # and it stays so


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        ("all_success", "K"),  # a failure would make it upstream_failed
        ("none_failed_min_one_success", "K"),
        ("all_done_min_one_success", "F"),
        ("one_success", "F"),
        ("one_failed", "S"),
        ("one_done", "K"),
    ],
)
def test_what_another_may_still_change_is_not_told_yet(rule: str, end: str) -> None:
    assert below(rule, end)["x"] == "."


def test_a_failed_attempt_that_is_tried_again_is_no_failure_yet() -> None:
    run = Played(plan_of({"a": "", "x": "a"}, rules={"x": "one_failed"}, options={"a": {"retries": 1}}))
    run.fail("a")
    assert run.letters == "~."


def test_settled_tasks_settle_those_below_them_in_one_step() -> None:
    tasks = {"a": "", "k": "a", "b": "", "x": "b", "y": "x k", "z": "y"}
    run = Played(plan_of(tasks, rules={"y": "one_failed", "z": "all_skipped"})).skip("a")
    assert run.letters == "KKr..."
    run.ok("b").ok("x")
    assert run.letters == "KKSSKr"
    assert run.commands == [TasksSettled([4], TaskState.SKIPPED), DispatchTasks([5])]


def test_a_wave_tells_of_each_state_apart_and_in_order() -> None:
    tasks = {"a": "", "z": "a", "y": "z", "x": "a", "w": "x", "v": "a"}
    rules = {"z": "all_failed", "y": "all_success", "x": "none_skipped", "w": "none_skipped", "v": "none_failed"}
    run = Played(plan_of(tasks, rules=rules)).skip("a")
    assert run.letters == "KKKKKr"
    assert run.commands == [TasksSettled([1, 2, 3, 4], TaskState.SKIPPED), DispatchTasks([5])]
    run = Played(plan_of({"a": "", "b": "a", "c": "a", "d": "c"}, rules={"c": "all_skipped"})).fail("a")
    assert run.commands[:2] == [
        TasksSettled([2, 3], TaskState.SKIPPED),
        TasksSettled([1], TaskState.UPSTREAM_FAILED),
    ]


def test_what_is_ready_is_told_in_order_whatever_way_it_became_so() -> None:
    run = Played(plan_of({"y": "x", "z": "a", "x": "a", "a": ""}, rules={"y": "all_skipped", "x": "all_failed"})).ok(
        "a"
    )
    assert run.commands == [TasksSettled([2], TaskState.SKIPPED), DispatchTasks([0, 1])]


# --- Deciders before guards before rules


def held(deciders: str = "d", guards: str = "g", rule: str = "always", *, odd: bool = False) -> Played:
    """A run of x, which has two deciders, two guards, and an upstream."""
    tasks = {"d": "", "e": "", "g": "", "h": "", "a": "", "x": "a"}
    plan = plan_of(tasks, rules={"x": rule}, deciders={"x": deciders}, guards={"x": guards})
    return Played(plan, odd=odd)


def test_whoever_is_not_chosen_is_skipped_at_once_whatever_its_guards_and_its_rule() -> None:
    for rule in RULES:
        run = held("d e", "g h", rule).fail("g")
        assert run["x"] == "."
        assert run.ok("d", chosen="")["x"] == "K"
        assert run.fail("h", "a")["x"] == "K"


def test_any_of_its_deciders_may_skip_it() -> None:
    assert held("d e").ok("d").ok("e", chosen="")["x"] == "K"
    # Chosen though it is not right below them.
    assert held("d e", odd=True).ok("e", chosen="").ok("d", chosen="x")["x"] == "K"
    assert held("d e", odd=True).ok("d", chosen="x").ok("e", chosen="x").ok("g")["x"] == "r"


def test_a_decider_that_chose_everything_has_skipped_nothing() -> None:
    assert held().ok("d").ok("g")["x"] == "r"


@pytest.mark.parametrize("end", "FK")
def test_a_decider_that_did_not_succeed_has_decided_nothing(end: str) -> None:
    run = held().ok("g").end("d", end)
    assert run["x"] == "r"


def test_deciders_and_guards_are_waited_for() -> None:
    run = held("d e", "g h")
    for name in ("a", "d", "e", "g"):
        assert run.ok(name)["x"] == "."
    assert run.ok("h")["x"] == "r"


@pytest.mark.parametrize(
    ("first", "second", "letter"),
    ["SSr", "FSU", "SFU", "FKU", "KFU", "KSK", "SKK", "KKK"],
)
def test_guards_must_have_succeeded_whatever_the_rule(first: str, second: str, letter: str) -> None:
    for rule in ("always", "all_done", "none_failed"):
        run = held("d", "g h", rule).ok("d", "a").end("g", first).end("h", second)
        assert run["x"] == letter


def test_a_guard_that_could_not_run_has_failed() -> None:
    plan = plan_of({"a": "", "g": "a", "x": ""}, guards={"x": "g"})
    assert Played(plan).fail("a").letters == "FUU"


def test_guards_do_not_run_a_task_that_its_rule_will_not_let_run() -> None:
    assert held(rule="all_failed").ok("d", "g", "a")["x"] == "K"
    assert held(rule="all_success").ok("d", "g").fail("a")["x"] == "U"
    assert held(rule="all_success").fail("a").ok("d")["x"] == "."  # the guard may be skipped, and x with it
    assert held(rule="all_success").fail("a").ok("d").skip("g")["x"] == "K"


# --- What must only have ended


@pytest.mark.parametrize("end", "SFK")
def test_what_a_task_waits_for_may_come_to_anything(end: str) -> None:
    plan = plan_of({"a": "", "b": "", "w": "", "x": "a b"}, rules={"x": "one_success"}, waits={"x": "w"})
    run = Played(plan).ok("a")
    assert run["x"] == "."
    assert run.end("w", end)["x"] == "r"


def test_early_rules_wait_for_those_of_whom_they_take_values() -> None:
    plan = plan_of({"a": "", "b": "", "x": "a b"}, rules={"x": "one_success"}, waits={"x": "b"}, inputs=[(), (), (1,)])
    run = Played(plan).ok("a")
    assert run["x"] == "."
    assert run.fail("b")["x"] == "r"


def test_one_task_may_be_upstream_decider_guard_and_waited_for_at_once() -> None:
    plan = plan_of({"a": "", "x": "a"}, deciders={"x": "a"}, guards={"x": "a"}, waits={"x": "a"})
    assert Played(plan).ok("a", chosen="x").letters == "Sr"
    assert Played(plan).ok("a", chosen="").letters == "SK"
    assert Played(plan).fail("a").letters == "FU"
    assert Played(plan).skip("a").letters == "KK"


# --- The run


def test_a_run_in_which_everything_was_skipped_is_a_success() -> None:
    run = Played(plan_of({"a": "", "b": "a"})).skip("a")
    assert (run.letters, run.verdict) == ("KK", "success")


def test_a_run_ends_with_a_success_that_settles_the_rest() -> None:
    run = Played(plan_of({"a": "", "b": "a", "c": "b"}, rules={"b": "all_failed"})).ok("a")
    assert (run.letters, run.verdict, run.engine.ended_at) == ("SKK", "success", run.now)


def test_a_failure_that_does_not_count_does_not_fail_the_run() -> None:
    plan = plan_of({"a": "", "b": "a", "c": ""}, options={"a": {"allow_failure": True}})
    run = Played(plan).fail("a").ok("c")
    assert (run.letters, run.verdict) == ("FUS", "success")
    run = Played(plan).fail("c").fail("a")
    assert run.verdict == "failed: task 'c' failed"


def test_any_failure_that_counts_fails_the_run() -> None:
    plan = plan_of({"a": "", "b": "a"}, rules={"b": "all_done"})
    assert Played(plan).fail("a").ok("b").verdict == "failed: task 'a' failed"


def test_with_leaves_only_these_count() -> None:
    plan = plan_of({"a": "", "b": "a"}, rules={"b": "all_done"}, run_state="leaves")
    assert Played(plan).fail("a").ok("b").verdict == "success"
    assert Played(plan).ok("a").fail("b").verdict == "failed: task 'b' failed"


def test_with_leaves_one_that_did_not_run_for_a_failure_counts_and_a_skipped_one_does_not() -> None:
    plan = plan_of({"a": "", "b": "a", "c": "a"}, rules={"c": "all_done"}, run_state="leaves")
    assert Played(plan).fail("a").ok("c").verdict == "failed: task 'b' did not run"
    assert Played(plan).skip("a").ok("c").verdict == "success"
    allowed = plan_of({"a": "", "b": ""}, options={"b": {"allow_failure": True}}, run_state="leaves")
    assert Played(allowed).ok("a").fail("b").verdict == "success"


# --- fail_fast


def test_the_first_failure_that_counts_ends_the_run() -> None:
    plan = plan_of({"a": "", "b": "", "c": "b", "d": ""}, options={"d": {"allow_failure": True}}, fail_fast=True)
    run = Played(plan).start("b").fail("d")
    assert (run.letters, run.verdict) == ("r>.F", "")
    run.start("a").fail("a")
    assert run.letters == "F>CF"
    assert run.ok("b").verdict == "failed: task 'a' failed, and fail_fast ended the rest"
    assert run.letters == "FSCF"


def test_a_failed_attempt_with_retries_left_does_not() -> None:
    plan = plan_of({"a": "", "b": ""}, options={"a": {"retries": 1}}, fail_fast=True)
    run = Played(plan).fail("a")
    assert run.letters == "~r"
    assert Played(plan).fail("a", retryable=False).letters == "FC"


def test_it_is_a_failure_of_the_run_whatever_its_leaves_came_to() -> None:
    plan = plan_of({"a": "", "b": "a", "c": ""}, rules={"b": "all_failed"}, fail_fast=True, run_state="leaves")
    run = Played(plan).start("c").fail("a")
    assert (run.letters, run.command(WithdrawTasks)) == ("FC>", ["b"])
    assert run.ok("c").verdict == "failed: task 'a' failed, and fail_fast ended the rest"


def test_a_failure_of_what_was_left_by_an_earlier_end_does_not_count_twice() -> None:
    plan = plan_of({"a": "", "b": "", "c": ""}, options={"b": {"allow_failure": True}}, fail_fast=True)
    run = Played(plan).ok("b", "c").fail("a").rerun("b", "c")
    assert run.letters == "Frr"
    assert run.fail("b").letters == "FFr"  # a has failed long ago, and b does not count
    assert run.ok("c").verdict == "failed: task 'a' failed"


# --- Nothing depends on who ends first


@st.composite
def gated_plans(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Tasks with rules, deciders, guards and others that they wait for."""
    names = "abcdefg"[: draw(st.integers(2, 7))]
    tasks = {
        name: " ".join(above for above in names[:place] if draw(st.booleans())) for place, name in enumerate(names)
    }
    columns: dict[str, dict[str, str]] = {"rules": {name: draw(st.sampled_from(RULES)) for name in names}}
    for column in ("deciders", "guards", "waits"):
        chosen = {
            name: "".join(above for above in names[:place] if draw(st.integers(0, 4)) == 0)
            for place, name in enumerate(names)
        }
        columns[column] = {name: " ".join(above) for name, above in chosen.items() if above}
    return tasks, columns


def law_says(
    tasks: dict[str, str], columns: dict[str, dict[str, str]], ends: dict[str, str], skipped: set[tuple[str, str]]
) -> str:
    """What becomes of all tasks, from their upstreams down."""
    states: dict[str, str] = {}
    for name, upstreams in tasks.items():
        deciders = columns["deciders"].get(name, "").split()
        guards = {states[guard] for guard in columns["guards"].get(name, "").split()}
        rule = TABLE[TriggerRule(columns["rules"][name])][frozenset(states[above] for above in upstreams.split())]
        if any(states[decider] == "S" and (decider, name) in skipped for decider in deciders):
            states[name] = "K"
        elif guards & {"F", "U"}:
            states[name] = "U"
        elif "K" in guards:
            states[name] = "K"
        else:
            states[name] = {VERDICT["R"]: ends[name], VERDICT["K"]: "K", VERDICT["U"]: "U"}[rule]
    return "".join(states.values())


@given(gated_plans(), st.data(), st.integers(0, 2**32))
def test_what_becomes_of_a_task_does_not_depend_on_who_ends_first(
    gated: tuple[dict[str, str], dict[str, dict[str, str]]], data: st.DataObject, seed: int
) -> None:
    tasks, columns = gated
    ends = {name: data.draw(st.sampled_from("SSSFK")) for name in tasks}
    pairs = [(above, name) for name, words in columns["deciders"].items() for above in words.split()]
    skipped = {pair for pair in pairs if data.draw(st.booleans())}
    expected = law_says(tasks, columns, ends, skipped)
    for order in range(4):
        random = Random(seed + order)
        run = Played(plan_of(tasks, **columns), odd=True)  # type: ignore[arg-type]  # a branch chooses what is far below
        while run.engine.state is RunState.RUNNING:
            able = [name for name in tasks if run[name] in "r>"]
            name = random.choice(able)
            if run[name] == "r":
                run.start(name)
            elif ends[name] == "S":
                run.ok(name, chosen=" ".join(below for below in tasks if (name, below) not in skipped))
            else:
                run.end(name, ends[name])
        assert run.letters == expected
        assert run.verdict.partition(":")[0] == ("failed" if "F" in expected else "success")
        assert run.replayed()
