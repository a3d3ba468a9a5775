"""The garbage collector rests while a workflow is compiled, and is afterwards as it was before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from penstock import Task, Workflow
from penstock.code.identity import Identify
from penstock.errors import CycleError
from penstock.plan.compile import compile_workflow


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def flow(*edges: tuple[str, str]) -> Workflow:
    made = Workflow("flow")
    for name, upstream in edges:
        made.add_task(Task(name, int, [upstream] if upstream else []))
    return made


def watched() -> tuple[Identify, list[bool]]:
    """What identifies functions, and notes whether the collector is on meanwhile."""
    seen: list[bool] = []

    class Watching(Identify):
        def __call__(self, func: object) -> tuple[str, str]:
            seen.append(gc.isenabled())
            return super().__call__(func)  # type: ignore[arg-type]

    return Watching(), seen


@pytest.mark.parametrize("is_on", [True, False])
def test_it_rests_and_is_then_as_it_was(is_on: bool):
    if not is_on:
        gc.disable()
    identify, seen = watched()
    compile_workflow(flow(("a", ""), ("b", "a")), identify)
    assert seen == [False, False]
    assert gc.isenabled() is is_on


def test_it_is_as_it_was_also_after_an_error():
    with pytest.raises(CycleError):
        compile_workflow(flow(("a", "b"), ("b", "a")), Identify())
    assert gc.isenabled()


def test_what_was_made_counts_as_old():
    gc.collect()
    compiled = compile_workflow(flow(*((f"t{number}", "") for number in range(1_000))), Identify())
    young = {id(one) for generation in (0, 1) for one in gc.get_objects(generation)}
    assert not young & {id(compiled.plan.upstreams), *map(id, compiled.tasks)}


def test_what_somebody_has_put_aside_stays_there():
    gc.freeze()
    before = gc.get_freeze_count()
    compile_workflow(flow(("a", "")), Identify())
    assert gc.get_freeze_count() == pytest.approx(before, rel=0.1)
    assert before > 1_000
