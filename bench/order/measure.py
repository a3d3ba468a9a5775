"""How far each order is from the optimum (`python -m bench order`), and the proof of the optima (`... prove`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

from bench.order.instances import OPTIMA, WORKERS, Instance, instances
from bench.order.laws import remembered
from bench.order.schedule import makespan, plan_of
from penstock.engine.priorities import ranks
from penstock.runtime.durations import medians

ORDERS = {
    "first come": "first come, first served",
    "first run": "no duration known: the number of tasks on the longest path",
    "learned": "durations learned from five runs, each off by a factor of exp(N(0, 0.4))",
    "known": "durations known exactly",
}
"""What is compared -> what it is."""


@dataclass(frozen=True)
class Result:
    """What came of one instance."""

    instance: Instance
    proved: bool
    """Whether the optimum is known; else the gaps are those to what no schedule can be shorter than."""
    gaps: dict[str, float]
    """By which part of the optimum each order's schedule is longer."""


def orders(instance: Instance) -> dict[str, Sequence[float]]:
    """The ranks by which each order goes."""
    plan = plan_of(instance.graph)
    history = remembered(instance.durations, Random(f"history of {instance.graph_name}, {instance.law}"))
    return {
        "first come": (),
        "first run": ranks(plan),
        "learned": ranks(plan, medians(history)),
        "known": ranks(plan, instance.durations),
    }


def measure() -> list[Result]:
    """All instances. KeyError for one whose optimum was not looked for."""
    return [_measured(instance, *_known_of(instance, json.loads(OPTIMA.read_text()))) for instance in instances()]


def _known_of(instance: Instance, optima: dict[str, list[object]]) -> tuple[int, int]:
    digest, bound, best = optima[instance.key]
    if digest != instance.digest:
        raise KeyError(f"the optimum of {instance.key} is that of another graph: python -m bench order prove")
    assert isinstance(bound, int)
    assert isinstance(best, int)
    return bound, best


def _measured(instance: Instance, bound: int, best: int) -> Result:
    gaps = {
        name: makespan(instance.graph, instance.durations, instance.workers, by) / bound - 1
        for name, by in orders(instance).items()
    }
    return Result(instance, bound == best, gaps)


def prove(seconds: float) -> None:
    """Look for the optima that are not known yet, for so many seconds each."""
    from bench.order.optimum import optimum

    optima = json.loads(OPTIMA.read_text()) if OPTIMA.exists() else {}
    kept = {}
    for instance in instances():
        graph, durations, workers = instance.graph, instance.durations, instance.workers
        before = optima.get(instance.key)
        if before is None or before[0] != instance.digest:
            shortest = min(makespan(graph, durations, workers, by) for by in orders(instance).values())
            before = [instance.digest, 0, shortest]
        _, bound, best = before
        if bound != best:
            found = optimum(graph, durations, workers, best, seconds)
            bound, best = max(bound, found.bound), found.best
            print(f"{instance.key}: {'optimum' if bound == best else f'{bound} to'} {best}", flush=True)
        kept[instance.key] = [instance.digest, bound, best]
        OPTIMA.write_text(_as_text({**optima, **kept}))
    OPTIMA.write_text(_as_text(kept))


def _as_text(optima: dict[str, list[object]]) -> str:
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in optima.items()) + "\n}\n"


# --- Tables


def table(results: Sequence[Result]) -> str:
    """Mean and worst gap by family, and by the number of workers, in Markdown."""
    lines = [
        "| | proved | " + " | ".join(ORDERS) + " |",
        "|---|---|" + "---|" * len(ORDERS),
    ]
    for title, group in groups(results):
        proved = [result for result in group if result.proved]
        cells = [f"{_percent(mean(_gaps(proved, name)))} ({_percent(max(_gaps(proved, name)))})" for name in ORDERS]
        lines.append(f"| {title} | {len(proved)} of {len(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def groups(results: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    """What the table has a line for."""
    for family in dict.fromkeys(result.instance.family for result in results):
        yield family, [result for result in results if result.instance.family == family]
    for workers in WORKERS:
        yield f"{workers} workers", [result for result in results if result.instance.workers == workers]
    for law in dict.fromkeys(result.instance.law for result in results):
        yield law, [result for result in results if result.instance.law == law]
    yield "**all**", [*results]


def unproved(results: Sequence[Result]) -> str:
    """The instances whose optimum is not known, against the bound that is proved."""
    rest = [result for result in results if not result.proved]
    if not rest:
        return "Every optimum is proved."
    worst = ", ".join(f"{name} {_percent(max(_gaps(rest, name)))}" for name in ORDERS)
    return f"{len(rest)} optima are not proved. Above the proved bound, and so at most above the optimum: {worst}."


def where_it_matters(results: Sequence[Result]) -> str:
    """The means without the instances on which any order will do."""
    some = [result for result in results if result.proved and result.gaps["first come"] > 0]
    means = ", ".join(f"{name} {_percent(mean(_gaps(some, name)))}" for name in ORDERS)
    return f"First come, first served is not optimal in {len(some)} of the workflows. The means of these: {means}."


def _gaps(results: Iterable[Result], name: str) -> list[float]:
    return [result.gaps[name] for result in results]


def _percent(part: float) -> str:
    return f"{part * 100:.1f} %"
