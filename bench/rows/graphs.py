"""Runs of empty tasks: W1, a chain; W2, a fan; W3, layers; W4, a million. And how long it takes to compile them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

from bench import contenders
from bench.contenders import per_task
from bench.graphs import GRAPHS, Graph, fan, layered
from bench.peers import installed
from bench.row import Aim, Figures, Measure, Medians, Row, figure, ratio

ONCE = 0.020
"""Seconds that a durable run may take once."""


OURS = ("tutorial", "stdlib", "memory", "durable", "default")


def _run(name: str, contender: Callable[[Graph, Path], Figures], most: int, size: int, folder: Path) -> Figures:
    graph = [*GRAPHS[name](min(size, most))]  # made before anybody's time begins
    return contender(graph, folder)


def _over_memory(medians: Medians, size: int) -> float:
    """Microseconds a task that a durable run takes longer, but for what it may take once."""
    tasks = medians["durable"]["seconds"] / medians["durable"]["us"] * 1e6
    return medians["durable"]["us"] - medians["memory"]["us"] - ONCE / tasks * 1e6


def graph_row(name: str, title: str, size: int, quick: int) -> Row:
    """A row for one of the graphs."""
    aims = [
        Aim(
            "in memory, define and compile included, beside the standard library",
            0.8,
            "times",
            ratio("memory", "stdlib"),
        ),
        Aim("in memory, the run alone, beside the standard library", 0.8, "times", _run_alone),
        Aim("in memory, beside the tutorial", 6, "times", ratio("memory", "tutorial")),
    ]
    if name == "W1":
        aims.append(Aim("durable", 60, "us a task", figure("durable", "us")))
    else:
        aims.append(Aim("durable, over memory and 20 ms once", 12, "us a task", _over_memory))
    measures: dict[str, Measure] = {part: partial(_run, name, getattr(contenders, part), size) for part in OURS}
    measures |= {peer: partial(_run, name, there.run, there.most) for peer, there in installed(name).items()}
    return Row(name, title, measures, size, quick, aims)


def _run_alone(medians: Medians, size: int) -> float:
    return medians["memory"]["run_us"] / medians["stdlib"]["us"]


# --- A million tasks


def _million(contender: Callable[[Graph, Path], Figures], size: int, folder: Path) -> Figures:
    return contender(fan(size), folder)  # nobody's memory holds the graph but its own


MILLION = Row(
    "W4",
    "1,000,000 tasks between a first and a last, in memory",
    {name: partial(_million, getattr(contenders, name)) for name in ("tutorial", "memory")},
    1_000_000,
    20_000,
    [
        Aim("time, beside the tutorial", 6, "times", ratio("memory", "tutorial")),
        Aim("memory, beside the tutorial", 1.5, "times", ratio("memory", "tutorial", "peak")),
    ],
    memory=5 << 30,
)


# --- Define and compile


def compile_graph(tasks: int, size: int, folder: Path) -> Figures:
    """Define and compile layers; `size` is the most that is to be tried."""
    from penstock import Task, WorkflowManager

    manager = WorkflowManager("memory")
    manager.add_task(Task("first", lambda: None))
    manager.compile()
    manager, tasks = WorkflowManager("memory"), min(tasks, size)
    graph = [*layered(tasks)]
    began = perf_counter()
    for i, upstreams in graph:
        manager.add_task(Task(f"t{i}", lambda i=i: contenders.body(i), [f"t{u}" for u in upstreams]))
    defined = perf_counter()
    plan = manager.compile()
    figures = dict(per_task(perf_counter() - began, tasks))
    assert len(plan) == tasks
    figures["define_us"] = (defined - began) / tasks * 1e6
    return figures


_SIZES = {"10,000": 10_000, "100,000": 100_000, "1,000,000": 1_000_000}
COMPILE = Row(
    "compile",
    "define and compile W3",
    {name: partial(compile_graph, tasks) for name, tasks in _SIZES.items()},
    1_000_000,
    10_000,
    [
        *(Aim(f"{name} tasks", 12, "us a task", figure(name, "us")) for name in _SIZES),
        Aim("1,000,000 tasks beside 10,000, a task", 1.25, "times", ratio("1,000,000", "10,000")),
    ],
    memory=4 << 30,
)
