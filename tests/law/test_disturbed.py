"""What is lawful after a disturbance, in cases that anybody can follow."""

from __future__ import annotations

from collections.abc import Mapping

from tests.law.description import RAISES, Act, Bodies, Body, Flow, Group, Task
from tests.law.disturbed import CANCEL, FAIL_FAST, TIMEOUT, Disturbance, complaints
from tests.law.law import UNEXPANDED, C, F, K, Law, Outcome, S, U

A, B, END = ("a", -1), ("b", -1), ("end", -1)
CHAIN = Flow((Task("a", retries=1), Task("b", after=("a",))))
SCOPE = Flow((Task("s", setup=True), Task("a", after=("s",)), Task("end", after=("s", "a"), teardown=True)))
SETUP = ("s", -1)


def wrong(
    flow: Flow,
    states: Mapping[tuple[str, int], str],
    verdict: str,
    disturbance: Disturbance,
    maps: Mapping[str, str] | None = None,
    **scripts: Act,
) -> list[str]:
    bodies = Bodies({Body(task, -1, ()): (act,) for task, act in scripts.items()})
    return complaints(Law(flow, bodies, rounds={}), Outcome({**states}, {**(maps or {})}, verdict), disturbance)


def test_what_had_not_started_is_cancelled_and_what_had_ended_stays() -> None:
    before = Disturbance(CANCEL, {A: S}, {})
    assert not wrong(CHAIN, {A: S, B: C}, C, before)
    assert wrong(CHAIN, {A: S, B: S}, S, before)
    assert wrong(CHAIN, {A: C, B: C}, C, before)


def test_a_body_that_was_asked_to_end_may_do_as_it_would_have() -> None:
    before = Disturbance(CANCEL, {}, {A: 0})
    assert not wrong(CHAIN, {A: S, B: C}, C, before)
    assert not wrong(CHAIN, {A: C, B: C}, C, before)
    assert wrong(CHAIN, {A: F, B: C}, C, before)


def test_a_failure_with_retries_left_is_none() -> None:
    assert wrong(CHAIN, {A: F, B: C}, C, Disturbance(CANCEL, {}, {A: 0}), a=Act(RAISES))
    assert not wrong(CHAIN, {A: C, B: C}, C, Disturbance(CANCEL, {}, {A: 0}), a=Act(RAISES))
    assert not wrong(CHAIN, {A: F, B: C}, C, Disturbance(CANCEL, {}, {A: 1}), a=Act(RAISES))


def test_each_disturbance_has_its_verdict() -> None:
    for kind, verdict in ((CANCEL, C), (TIMEOUT, F)):
        assert not wrong(CHAIN, {A: S, B: C}, verdict, Disturbance(kind, {A: S}, {}))
        assert wrong(CHAIN, {A: S, B: C}, S, Disturbance(kind, {A: S}, {}))
        assert not wrong(CHAIN, {A: S, B: S}, S, Disturbance(kind, {A: S}, {B: 0}))
    failed = Disturbance(FAIL_FAST, {A: F}, {})
    assert not wrong(CHAIN, {A: F, B: U}, F, failed, a=Act(RAISES))
    assert not wrong(CHAIN, {A: F, B: C}, F, failed, a=Act(RAISES))
    assert wrong(CHAIN, {A: S, B: C}, F, Disturbance(FAIL_FAST, {A: S}, {})), "nothing failed"


def test_a_teardown_runs_if_any_setup_succeeded_and_else_has_the_verdict_that_is_certain() -> None:
    before = Disturbance(CANCEL, {SETUP: S}, {})
    assert not wrong(SCOPE, {SETUP: S, A: C, END: S}, C, before)
    assert wrong(SCOPE, {SETUP: S, A: C, END: C}, C, before)
    before.again = True
    assert not wrong(SCOPE, {SETUP: S, A: C, END: C}, C, before)
    assert not wrong(SCOPE, {SETUP: C, A: C, END: C}, C, Disturbance(CANCEL, {}, {}))
    assert wrong(SCOPE, {SETUP: C, A: C, END: U}, C, Disturbance(CANCEL, {}, {}))
    failed = Disturbance(FAIL_FAST, {SETUP: F}, {})
    assert not wrong(SCOPE, {SETUP: F, A: U, END: U}, F, failed, s=Act(RAISES))
    assert wrong(SCOPE, {SETUP: F, A: U, END: K}, F, failed, s=Act(RAISES))


def test_a_map_that_was_not_expanded_is_cancelled() -> None:
    flow = Flow((Task("a", over=(2,)), Task("m.b", "m")), (Group("m", over=(2,)),))
    cut = {("a", UNEXPANDED): C, ("m.b", UNEXPANDED): C}
    assert not wrong(flow, cut, C, Disturbance(CANCEL, {}, {}), {"a": C, "m": C})
    expanded = {("a", 0): C, ("a", 1): C, ("m.b", UNEXPANDED): C}
    assert wrong(flow, expanded, C, Disturbance(CANCEL, {}, {}), {"a": S, "m": C})
    assert not wrong(flow, expanded, C, Disturbance(CANCEL, {("a", UNEXPANDED): S}, {}), {"a": S, "m": C})


def test_a_failure_in_a_group_that_begins_anew_disturbs_nothing() -> None:
    flow = Flow((Task("a", "g"), Task("b")), (Group("g", retries=1),))
    bodies = Bodies({Body("a", -1, (these,)): (Act(RAISES),) for these in (0, 1)})
    end, before = Outcome({A: F, B: C}, {}, F), Disturbance(FAIL_FAST, {A: F}, {})
    assert complaints(Law(flow, bodies, rounds={}), end, before)
    assert not complaints(Law(flow, bodies, rounds={("g", -1): 1}), end, before)
