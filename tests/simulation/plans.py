"""Plans without functions, and hypothesis's way of making them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy

Graph = Sequence[Sequence[int]]
"""The upstreams of each task."""


def make_plan(
    upstreams: Graph,
    *,
    names: Sequence[str] | None = None,
    policies: Sequence[TaskPolicy] | None = None,
    inputs: Graph | None = None,
    **fields: Any,
) -> Plan:
    """A plan of tasks t0, t1, ... that take the values of all their upstreams, unless `inputs` says otherwise."""
    size = len(upstreams)
    columns: dict[str, Any] = {
        "workflow": "flow",
        "names": tuple(names or (f"t{number}" for number in range(size))),
        "upstreams": tuple(tuple(sorted(above)) for above in upstreams),
        "inputs": tuple(tuple(sorted(above)) for above in (inputs if inputs is not None else upstreams)),
        "policies": tuple(policies or [TaskPolicy()] * size),
        "functions": tuple(f"module:f{number}" for number in range(size)),
        "digests": ("",) * size,
        "wiring": ("()",) * size,
        "numbered": frozenset(),
        "places": ("file.py:1",) * size,
    }
    return Plan(**{**columns, **fields})


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 9, min_size: int = 1, sparse: bool = False) -> list[list[int]]:
    """Graphs without cycles, in which a task may have a lower number than its upstreams; `sparse`: with long ways."""
    size = draw(st.integers(min_size, max_size))
    number = draw(st.permutations(range(size)))
    graph: list[list[int]] = [[] for _ in range(size)]
    for rank in range(size):
        above = draw(st.integers(0, 2**rank - 1))
        if sparse:
            above &= draw(st.integers(0, 2**rank - 1)) & draw(st.integers(0, 2**rank - 1)) | 1 << rank >> 1
        graph[number[rank]] = sorted(number[other] for other in range(rank) if above >> other & 1)
    return graph


@st.composite
def any_graphs(draw: st.DrawFn, max_size: int = 7) -> list[list[int]]:
    """Graphs with or without cycles, tasks that depend on themselves included."""
    size = draw(st.integers(0, max_size))
    rows = [draw(st.integers(0, 2**size - 1)) & draw(st.integers(0, 2**size - 1)) for _ in range(size)]
    return [[other for other in range(size) if row >> other & 1] for row in rows]
