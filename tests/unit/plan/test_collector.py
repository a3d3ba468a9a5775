"""The garbage collector rests while a workflow is compiled, and is afterwards as it was before."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from penstock import Task, Workflow
from penstock.code.identity import Identify
from penstock.errors import CycleError
from penstock.plan.compile import compile_workflow

THIRTY = [(f"t{number}", "") for number in range(30)]


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
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


class Ring:
    """Something that only the collector finds once it is thrown away."""

    def __init__(self) -> None:
        self.itself = self


def test_what_others_throw_away_is_found_however_often_workflows_are_compiled():
    thrown = [ref(Ring()) for _ in range(300) if compile_workflow(flow(*THIRTY), Identify())]
    assert sum(1 for ring in thrown if ring() is not None) < 200
