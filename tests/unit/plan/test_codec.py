"""A plan as bytes and back."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Task, Workflow, WorkflowManager
from penstock.errors import StoreCorrupt
from penstock.plan.codec import _FORMAT, decode, encode
from penstock.plan.fingerprint import fingerprint
from penstock.plan.plan import Plan
from penstock.policy import RUN_NOTICES, Asking, TaskPolicy
from tests.simulation.plans import graphs, make_plan

SECONDS = st.floats(0, 1e9)
POLICIES = st.builds(
    TaskPolicy,
    retries=st.integers(0, 10),
    retry_delay=SECONDS,
    retry_backoff=st.floats(0, 10),
    max_retry_delay=st.none() | SECONDS,
    retry_jitter=st.floats(0, 1),
    timeout=st.none() | st.floats(min_value=5e-324, max_value=1e9),
    share=st.booleans(),
    commit_first=st.booleans(),
    notices=st.sampled_from([(), ("success",), ("failed", "retry")]),
    priority_weight=st.none() | st.integers(),
    weight_rule=st.sampled_from([None, "upstream", "absolute"]),
    pool=st.none() | st.text(),
    pool_slots=st.none() | st.integers(2),
    concurrency=st.none() | st.integers(1),
    asking=st.none() | st.builds(Asking, st.text(), st.text(), st.none() | SECONDS, st.none() | st.text()),
    waits_for=st.none() | st.text(),
) | st.builds(TaskPolicy, at_most_once=st.just(True))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    graph = draw(graphs(min_size=0))
    size = len(graph)

    def texts(unique: bool = False) -> list[str]:
        return draw(st.lists(st.text(min_size=1), min_size=size, max_size=size, unique=unique))

    return make_plan(
        graph,
        names=texts(unique=True),
        policies=draw(st.lists(POLICIES, min_size=size, max_size=size)),
        inputs=[sorted(draw(st.sets(st.sampled_from(above)))) if above else [] for above in graph],
        workflow=draw(st.text(min_size=1)),
        functions=tuple(texts()),
        digests=tuple(texts()),
        wiring=tuple(texts()),
        places=tuple(texts()),
        numbered=frozenset(draw(st.sets(st.integers(0, size - 1)))) if size else frozenset(),
        timeout=draw(st.none() | SECONDS),
        max_active_tasks=draw(st.none() | st.integers(1)),
        tags=tuple(draw(st.lists(st.text()))),
        build=draw(st.text()),
        notices=tuple(draw(st.lists(st.sampled_from(RUN_NOTICES), unique=True))),
    )


@given(plans())
def test_a_plan_survives_the_way_to_bytes_and_back(plan: Plan) -> None:
    assert decode(encode(plan)) == plan


@given(plans())
def test_equal_plans_have_equal_bytes_and_so_one_fingerprint(plan: Plan) -> None:
    again = decode(encode(plan))
    assert encode(again) == encode(plan)
    assert fingerprint(encode(again)) == fingerprint(encode(plan))


@given(plans(), plans())
def test_plans_that_differ_have_other_fingerprints(one: Plan, other: Plan) -> None:
    assert (one == other) == (fingerprint(encode(one)) == fingerprint(encode(other)))


FLOW = """
from penstock import Task, Workflow, WorkflowManager
from penstock.plan.codec import encode
from penstock.plan.fingerprint import fingerprint

def work(*values, **more):
    return {"a", "b", "c"} if values in ({1, 2, 3}, frozenset("abc")) else None

flow = Workflow("flow", defaults={"retries": 1}, tags=["x", "y"])
a, b, c = (flow.add_task(Task(name, work)) for name in "abc")
flow.add_task(Task("d", work, {"a", "b", c}, args=[{"s", "t", "u"}, {"k": frozenset("xyz")}, work, object()]))
print(fingerprint(encode(WorkflowManager("memory").compile(flow))))
"""


def test_the_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text(FLOW)
    seen = set()
    for hash_seed in ("0", "1", "2", "random"):
        done = subprocess.run(
            [sys.executable, str(file)], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def change(**changes: object) -> bytes:
    """The bytes of a plan with some of its columns replaced."""
    columns = json.loads(zlib.decompress(encode(make_plan([[], [0]]))))
    return zlib.compress(json.dumps({**columns, **changes}).encode())


DAMAGED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"plan",
    "no JSON": zlib.compress(b"plan"),
    "no object": zlib.compress(b"[1]"),
    "null": zlib.compress(b"null"),
    "empty object": zlib.compress(b"{}"),
    "cut short": encode(make_plan([[], [0]]))[:-5],
    "no UTF-8": zlib.compress(b"\xff\xfe{}"),
    "deeply nested": zlib.compress(b"[" * 100_000),
    "newer": change(format=_FORMAT + 1),
    "unknown column": change(colour=["red"]),
    "unknown policy": change(policies=[0, 9]),
    "policies of the wrong kind": change(policy=3),
    "policy with an unknown option": change(policy=[{"colour": "red"}]),
    "policy that contradicts itself": change(policy=[{"at_most_once": True, "retries": 1}]),
    "notices of the wrong kind": change(notices=3),
    "notices of a policy of the wrong kind": change(policy=[{"notices": 3}]),
    "format of the wrong kind": change(format="1"),
    "format before the first": change(format=0),
    "upstreams of the wrong kind": change(upstreams=[1, 2]),
    "names of the wrong kind": change(names=3),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_bytes_that_are_no_plan_are_refused(kind: str) -> None:
    with pytest.raises(StoreCorrupt):
        decode(DAMAGED[kind])


INCONSISTENT: dict[str, bytes] = {
    "a name too few": change(names=["t0"]),
    "a name twice": change(names=["t0", "t0"]),
    "an upstream that is not there": change(upstreams=[[], [7]]),
    "an upstream below zero": change(upstreams=[[], [-1]]),
    "a cycle": change(upstreams=[[1], [0]]),
    "upstreams that are no numbers": change(upstreams=[[], ["0"]]),
}


@pytest.mark.parametrize("kind", INCONSISTENT)
def test_a_plan_that_cannot_be_is_refused(kind: str) -> None:
    """A run that followed it would hang, or fail somewhere far from the cause."""
    with pytest.raises(StoreCorrupt):
        decode(INCONSISTENT[kind])


FIRST_FORMAT = (
    '{"workflow":"flow","names":["a","b"],"upstreams":[[],[0]],"inputs":[[],[0]],"policies":[0,1],'
    '"functions":["flows:a","flows:b"],"digests":["0f","1e"],"wiring":["()","(#a)"],"numbered":[0],'
    '"places":["flows.py:3","flows.py:8"],"timeout":3600.0,"tags":["x"],"build":"(day=\'2013-01-01\')",'
    '"selection":"{\\"only\\": [\\"a\\", \\"b\\"]}","format":1,"policy":['
    '{"retries":0,"retry_delay":0.0,"retry_backoff":1.0,"max_retry_delay":null,"retry_jitter":0.0,"timeout":null,'
    '"share":false},{"retries":2,"retry_delay":1.5,"retry_backoff":1.0,"max_retry_delay":null,"retry_jitter":0.0,'
    '"timeout":60.0,"share":true}]}'
)
"""What the first Penstock wrote, which knew no callbacks, no at_most_once and no commit_first."""


def test_a_plan_in_the_first_format_is_still_read() -> None:
    plan = decode(zlib.compress(FIRST_FORMAT.encode()))
    assert plan == Plan(
        workflow="flow",
        names=("a", "b"),
        upstreams=((), (0,)),
        inputs=((), (0,)),
        policies=(TaskPolicy(), TaskPolicy(retries=2, retry_delay=1.5, timeout=60.0, share=True)),
        functions=("flows:a", "flows:b"),
        digests=("0f", "1e"),
        wiring=("()", "(#a)"),
        numbered=frozenset({0}),
        places=("flows.py:3", "flows.py:8"),
        timeout=3600.0,
        tags=("x",),
        build="(day='2013-01-01')",
        selection='{"only": ["a", "b"]}',
    )
    assert hash(plan.policies[0]) == hash(TaskPolicy())
    assert decode(encode(plan)) == plan


def test_a_plan_in_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(StoreCorrupt, match="written by a newer Penstock; upgrade"):
        decode(change(format=_FORMAT + 1))


def test_what_a_plan_knows_is_derived_from_its_columns() -> None:
    a, b = Task("a", print), Task("b", print)
    flow = Workflow("flow")
    for one in (a, b, Task("c", print, [a], args=[b, {"k": b}]), Task("d", print, args=["x", b])):
        flow.add_task(one)
    plan = WorkflowManager("memory").compile(flow)
    assert len(plan) == 4
    assert plan.numbers == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert plan.downstreams == ((2,), (2, 3), (), ())
    assert plan.inputs == ((), (), (1,), (1,))
    assert plan.consumers == (0, 2, 0, 0)
