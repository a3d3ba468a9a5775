"""No workload costs more than it did: counted, not timed, so that noise cannot hide a regression, nor feign one."""

from __future__ import annotations

import pytest

from bench import counts
from bench.counts import WORKLOADS, Counts, is_off


@pytest.fixture(scope="module")
def found() -> dict[str, Counts]:
    return counts.in_fresh_process()


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_task_costs_what_is_on_record(found: dict[str, Counts], workload: str):
    compared = [one for one in counts.compared(found) if one[0] == workload]
    assert compared
    off = [
        f"{name}: {now:g} a task, on record are {wanted:g}"
        for _, name, wanted, now in compared
        if is_off(name, wanted, now)
    ]
    assert not off, (
        f"{workload}: {'; '.join(off)}. If that is meant, `python -m bench counts record` writes down what it costs now"
    )


def test_what_is_counted_is_the_same_each_time(found: dict[str, Counts]):
    workload = "W1, durable"
    again = counts.in_fresh_process(workload)[workload]
    assert again["events"] == found[workload]["events"] == 2
    assert again["journal bytes"] == found[workload]["journal bytes"]
    for name in ("commits", "calls", "opcodes"):
        assert again[name] == pytest.approx(found[workload][name], rel=0.002)


def test_every_workload_is_on_record():
    assert set(counts.recorded()) == set(WORKLOADS)
