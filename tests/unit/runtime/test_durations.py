"""What a run leaves behind of how long its tasks took."""

from __future__ import annotations

import zlib
from array import array

import pytest

from penstock.engine.events import AttemptStarted, AttemptSucceeded, MapExpanded, RunStarted
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState
from penstock.runtime.durations import ASKED, durations_of
from tests.unit.engine.played import plan_of


@pytest.mark.parametrize("width", [1, 9, ASKED, 3 * ASKED + 1])
def test_of_a_map_it_is_the_median_of_its_instances_or_of_some_that_lie_evenly_among_very_many(width: int) -> None:
    engine = RunEngine(plan_of({"m": ""}, maps="m"), run_id="run")
    engine.handle(RunStarted(1.0))
    engine.handle(MapExpanded(0, 1.0, width))
    for index in range(width):
        slot = engine.slot(0, index)
        engine.handle(AttemptStarted(slot, 1, 1.0))
        engine.handle(AttemptSucceeded(slot, 1, 1.0 + index))
    assert engine.state is RunState.SUCCESS
    left = durations_of(engine, "its plan")
    assert left is not None
    assert left.plan == "its plan"
    [seconds] = array("f", zlib.decompress(left.body))
    assert seconds == pytest.approx(width // 2, abs=width / 100)
