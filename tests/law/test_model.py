"""The reference model itself, against the words of the law and cases that anybody can follow."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from penstock.policy import TriggerRule
from tests.law.cells import SETS
from tests.law.description import FATAL, RAISES, SKIPS, Act, Bodies, Body, Flow, Group, Script, Task
from tests.law.graph import Graph
from tests.law.law import C, F, K, Law, S, U, trigger

TABLE = """
all_success: any F or U: upstream_failed; any K: skipped; else run
all_failed: any S or K: skipped; else run
all_done: else run
all_done_min_one_success: any K: skipped; no S: upstream_failed; else run
all_done_setup_success: any S: run; only K: skipped; else upstream_failed
one_success: any S: run; only K: skipped; else upstream_failed
one_failed: any F or U: run; else skipped
one_done: any S or F: run; else skipped
none_failed: any F or U: upstream_failed; else run
none_failed_min_one_success: any F or U: upstream_failed; any S: run; else skipped
none_skipped: any K: skipped; else run
all_skipped: any S or F or U: skipped; else run
always: else run
"""
"""The table of the law, word for word."""

STATES = {"S": S, "F": F, "U": U, "K": K}


def read(line: str, parents: str) -> str:
    """What a line of the table says of parents with these states."""
    for clause in line.split(": ", 1)[1].split("; "):
        condition, _, then = clause.rpartition(": ")
        if not condition:
            return clause.removeprefix("else ")
        kind, _, letters = condition.partition(" ")
        named = {*letters.split(" or ")}
        holds = {"any": bool(named & {*parents}), "no": not named & {*parents}, "only": {*parents} == named}
        if holds[kind]:
            return then
    raise AssertionError(line)


def test_the_table_names_every_rule() -> None:
    assert {line.partition(":")[0] for line in TABLE.strip().splitlines()} == {str(rule) for rule in TriggerRule}


@pytest.mark.parametrize("line", TABLE.strip().splitlines(), ids=lambda line: line.partition(":")[0])
def test_a_rule_says_what_the_table_says(line: str) -> None:
    rule, _, _ = line.partition(":")
    for parents in SETS:
        wanted = read(line, parents) if parents else "run"
        assert trigger(rule, frozenset(STATES[letter] for letter in parents)) == wanted, parents


# --- Cases


def law_of(*tasks: Task, groups: tuple[Group, ...] = (), **scripts: Act | Script) -> Law:
    """The law for these tasks; whoever has no script returns. A name with dots is written with two underscores."""
    bodies = {
        name.replace("__", "."): [script] if isinstance(script, Act) else script for name, script in scripts.items()
    }

    def invent(body: Body) -> Script:
        return tuple(bodies.get(body.task, (Act(),)))

    return Law(Flow(tasks, groups), Bodies(invent=invent))


def ends(law: Law) -> Mapping[str, str]:
    """The letters of the states of the instances of each task."""
    letters = {S: "S", F: "F", U: "U", K: "K"}
    found: dict[str, str] = {}
    for (task, _), state in law.outcome().states.items():
        found[task] = found.get(task, "") + letters[state]
    return found


def test_a_failure_fails_what_comes_after_it_and_the_run() -> None:
    law = law_of(Task("a"), Task("b", after=("a",)), Task("c", takes=("b",)), Task("d"), a=Act(RAISES))
    assert ends(law) == {"a": "F", "b": "U", "c": "U", "d": "S"}
    assert law.outcome().verdict == F


def test_an_attempt_that_is_tried_again_is_no_failure() -> None:
    tries = (Act(RAISES), Act(RAISES), Act())
    assert ends(law_of(Task("a", retries=2), a=tries)) == {"a": "S"}
    assert ends(law_of(Task("a", retries=1), a=tries)) == {"a": "F"}
    assert ends(law_of(Task("a", retries=2), a=(Act(RAISES), Act(FATAL), Act()))) == {"a": "F"}
    assert ends(law_of(Task("a", retries=2), a=(Act(RAISES), Act(SKIPS), Act()))) == {"a": "K"}


def test_a_branch_decides_of_its_children_and_not_of_teardowns() -> None:
    law = law_of(
        Task("s", setup=True),
        Task("choose", after=("s",), decides="branch"),
        Task("a", after=("choose",)),
        Task("b", after=("choose",), rule="always"),
        Task("end", after=("s", "choose"), teardown=True),
        choose=Act(chosen=("a",)),
    )
    assert ends(law) == {"s": "S", "choose": "S", "a": "S", "b": "K", "end": "S"}
    assert law.outcome().verdict == S


def test_a_branch_that_did_not_succeed_decides_nothing() -> None:
    tasks = Task("choose", decides="branch"), Task("a", after=("choose",), rule="all_done")
    assert ends(law_of(*tasks, choose=Act(SKIPS, chosen=()))) == {"choose": "K", "a": "S"}


def test_a_branch_follows_its_children_that_are_below_those_it_names() -> None:
    tasks = (
        Task("choose", decides="branch"),
        Task("a", after=("choose",)),
        Task("b", after=("a",)),
        Task("join", after=("choose", "b"), rule="none_failed_min_one_success"),
        Task("c", after=("choose",), rule="always"),
    )
    named = {"choose": "S", "a": "S", "b": "S", "join": "S", "c": "K"}
    assert ends(law_of(*tasks, choose=Act(chosen=("a",)))) == named
    assert ends(law_of(*tasks, choose=Act(chosen=("join",)))) == {**named, "a": "K", "b": "K"}
    assert ends(law_of(*tasks, choose=Act(chosen=("a",)), b=Act(SKIPS))) == {**named, "b": "K"}, "by its rule"
    assert ends(law_of(*tasks, choose=Act(chosen=()))) == {**named, "a": "K", "b": "K", "join": "K"}


@pytest.mark.parametrize(("far", "below"), [(True, "K"), (False, "S")])
def test_a_false_short_circuit_skips_all_below_it_or_its_children(far: bool, below: str) -> None:
    law = law_of(
        Task("gate", decides="short_circuit", far=far),
        Task("a", after=("gate",)),
        Task("b", after=("a",), rule="all_done"),
        gate=Act(chosen=()),
    )
    assert ends(law) == {"gate": "S", "a": "K", "b": below}


def test_a_setup_guards_what_is_above_one_of_its_teardowns() -> None:
    tasks = (
        Task("s", setup=True),
        Task("a", after=("s",), rule="all_done"),
        Task("b", after=("a",), rule="all_done"),
        Task("end", after=("s", "b"), teardown=True),
        Task("c", after=("a",), rule="all_done"),
    )
    assert ends(law_of(*tasks, s=Act(RAISES))) == {"s": "F", "a": "S", "b": "U", "end": "U", "c": "S"}
    assert ends(law_of(*tasks, s=Act(SKIPS))) == {"s": "K", "a": "S", "b": "K", "end": "K", "c": "S"}


def test_a_teardown_asks_only_its_setups_and_its_failure_does_not_count() -> None:
    tasks = Task("s", setup=True), Task("a", after=("s",)), Task("end", after=("s", "a"), teardown=True)
    law = law_of(*tasks, a=Act(SKIPS), end=Act(RAISES))
    assert ends(law) == {"s": "S", "a": "K", "end": "F"}
    assert law.outcome().verdict == S
    counts = Task("end", after=("s", "a"), teardown=True, on_failure_fail_run=True)
    assert law_of(*tasks[:2], counts, end=Act(RAISES)).outcome().verdict == F


def test_a_map_has_as_many_instances_as_there_are_combinations() -> None:
    law = law_of(Task("list"), Task("a", over=("list", 2)), Task("b", over=("a",)), list=Act(width=3))
    assert ends(law) == {"list": "S", "a": "SSSSSS", "b": "SSSSSS"}


def test_a_map_over_nothing_is_skipped_and_one_over_no_list_fails() -> None:
    tasks = Task("list"), Task("a", over=("list",)), Task("b", after=("a",), rule="none_failed")
    assert ends(law_of(*tasks, list=Act(width=0))) == {"list": "S", "a": "K", "b": "S"}
    assert ends(law_of(*tasks, list=Act(width=-1))) == {"list": "S", "a": "F", "b": "U"}


def test_in_a_mapped_group_each_instance_has_its_own_parent_and_outside_all_are_parents() -> None:
    flow = Flow(
        (
            Task("m.a", "m"),
            Task("m.b", "m", after=("m.a",)),
            Task("after", after=("m",), rule="one_failed"),
        ),
        (Group("m", over=(3,)),),
    )
    law = Law(flow, Bodies({Body("m.a", 1, ()): (Act(RAISES),)}))
    assert ends(law) == {"m.a": "SFS", "m.b": "SUS", "after": "S"}


def test_a_mapped_group_that_was_never_expanded_counts_as_one_parent() -> None:
    tasks = Task("a"), Task("m.b", "m"), Task("after", after=("m",), rule="all_done_min_one_success")
    groups = (Group("m", after=("a",), over=(0,)),)
    assert ends(law_of(*tasks, groups=groups)) == {"a": "S", "m.b": "K", "after": "K"}
    assert ends(law_of(*tasks, groups=groups, a=Act(RAISES))) == {"a": "F", "m.b": "U", "after": "U"}


def test_a_group_begins_anew_until_nothing_in_it_fails() -> None:
    flow = Flow(
        (Task("g.a", "g"), Task("g.b", "g", after=("g.a",)), Task("after", after=("g",))),
        (Group("g", retries=2),),
    )
    fails_once = Bodies({Body("g.a", -1, (0,)): (Act(RAISES),)})
    assert ends(Law(flow, fails_once)) == {"g.a": "S", "g.b": "S", "after": "S"}
    never_again = Bodies({Body("g.a", -1, (0,)): (Act(FATAL),)})
    assert ends(Law(flow, never_again)) == {"g.a": "F", "g.b": "U", "after": "U"}
    too_often = Bodies({Body("g.a", -1, (this,)): (Act(RAISES),) for this in range(3)})
    assert ends(Law(flow, too_often)) == {"g.a": "F", "g.b": "U", "after": "U"}
    assert ends(Law(flow, fails_once, rounds={})) == {"g.a": "F", "g.b": "U", "after": "U"}


def test_an_inner_group_has_all_its_rounds_in_each_round_of_the_outer_one() -> None:
    flow = Flow((Task("o.i.a", "o.i"),), (Group("o", retries=1), Group("o.i", parent="o", retries=1)))
    rounds = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for good in range(5):
        bodies = Bodies({Body("o.i.a", -1, these): (Act(RAISES),) for these in rounds[:good]})
        assert ends(Law(flow, bodies)) == {"o.i.a": "S" if good < 4 else "F"}


def test_a_mapped_group_begins_anew_index_by_index() -> None:
    flow = Flow((Task("m.a", "m"),), (Group("m", over=(3,), retries=1),))
    bodies = Bodies({Body("m.a", 1, (0,)): (Act(RAISES),), Body("m.a", 2, (1,)): (Act(RAISES),)})
    assert ends(Law(flow, bodies)) == {"m.a": "SSS"}


def test_the_verdict_over_leaves_asks_only_them() -> None:
    tasks = Task("a"), Task("b", after=("a",), rule="all_done")
    bodies = Bodies({Body("a", -1, ()): (Act(RAISES),)})
    assert Law(Flow(tasks), bodies).outcome().verdict == F
    assert Law(Flow(tasks, run_state="leaves"), bodies).outcome().verdict == S
    assert Law(Flow(tasks[:1], run_state="leaves"), bodies).outcome().verdict == F


def test_a_failure_that_is_allowed_fails_what_comes_after_and_not_the_run() -> None:
    tasks = Task("a", allow_failure=True), Task("b", after=("a",))
    law = law_of(*tasks, a=Act(RAISES))
    assert (ends(law), law.outcome().verdict) == ({"a": "F", "b": "U"}, S)
    assert C not in law.outcome().states.values()


# --- Edges to and from groups


def test_edges_of_groups_are_edges_of_their_first_and_last_tasks() -> None:
    flow = Flow(
        (
            Task("x"),
            Task("g.a", "g"),
            Task("g.b", "g", after=("g.a",)),
            Task("g.s", "g", setup=True),
            Task("g.end", "g", after=("g.s", "g.b"), teardown=True),
            Task("g.i.c", "g.i"),
            Task("y", after=("g",)),
            Task("z", after=("empty",)),
        ),
        (Group("g", after=("x",)), Group("g.i", parent="g", after=("g.a",)), Group("empty", after=("y",))),
    )
    graph = Graph(flow)
    assert {row: graph.upstreams(row) for row in graph.rows} == {
        "x": [],
        "g.a": ["x"],
        "g.b": ["g.a"],
        "g.s": ["x"],
        "g.end": ["g.b", "g.s"],
        "g.i.c": ["g.a"],
        "y": ["g.b", "g.s", "g.i.c"],
        "z": ["y"],
    }


def test_into_a_mapped_group_lead_only_edges_to_its_expansion() -> None:
    flow = Flow(
        (Task("x"), Task("g.m.a", "g.m"), Task("g.b", "g")),
        (Group("g", after=("x",)), Group("g.m", parent="g", over=(2,))),
    )
    graph = Graph(flow)
    assert {row: graph.upstreams(row) for row in graph.rows} == {"x": [], "g.m.a": [], "g.b": ["x"], "g.m": ["x"]}
    assert graph.guards("g.m.a") == ["g.m"]
    assert "x" in graph.above("g.m.a")
