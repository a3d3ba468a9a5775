"""The graphs whose order is measured: random ones from a seed, and those of real pipelines. A graph is the upstreams of
each task, in an order in which the tasks could run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

Graph = list[tuple[int, ...]]


def layered(random: Random) -> Graph:
    """Four to eight layers of up to 8, 16 or 24 tasks, each waiting for one to three of the layer before."""
    graph: Graph = []
    above: list[int] = []
    widest = random.choice([8, 16, 24])
    for _ in range(random.randint(4, 8)):
        layer = []
        for _ in range(random.randint(widest // 3, widest)):
            layer.append(len(graph))
            graph.append(tuple(sorted(random.sample(above, min(len(above), random.randint(1, 3))))))
        above = layer
    return graph


def fork_join(random: Random) -> Graph:
    """Two strands of one or two fork-joins each, side by side; a fork has up to 8, 16 or 24 branches of one to three
    tasks in a row."""
    graph: Graph = []
    ends = []
    widest = random.choice([8, 16, 24])
    for _ in range(2):
        last: tuple[int, ...] = ()
        for _ in range(random.randint(1, 2)):
            graph.append(last)
            fork, joined = len(graph) - 1, []
            for _ in range(random.randint(widest // 3, widest)):
                before = fork
                for _ in range(random.randint(1, 3)):
                    graph.append((before,))
                    before = len(graph) - 1
                joined.append(before)
            graph.append(tuple(joined))
            last = (len(graph) - 1,)
        ends.append(len(graph) - 1)
    graph.append(tuple(ends))
    return graph


def tree(random: Random) -> Graph:
    """From a root to the leaves, or from the leaves to it: 40 to 100 tasks, each on one of the 10 to 30 before it."""
    size, reach = random.randint(40, 100), random.choice([10, 20, 30])
    parents = [-1, *(random.randint(max(0, task - reach), task - 1) for task in range(1, size))]
    if random.random() < 0.5:
        return [(parent,) if parent >= 0 else () for parent in parents]
    below: list[list[int]] = [[] for _ in parents]
    for task, parent in enumerate(parents):
        if parent >= 0:
            below[size - 1 - parent].append(size - 1 - task)
    return [tuple(sorted(above)) for above in below]


RANDOM: dict[str, Callable[[Random], Graph]] = {"layered": layered, "fork-join": fork_join, "tree": tree}


def pipelines() -> dict[str, Graph]:
    """The pipelines of pipelines.txt, by name."""
    found: dict[str, Graph] = {}
    numbers: dict[str, int] = {}
    widths: dict[str, int] = {}
    for line in Path(__file__).with_name("pipelines.txt").read_text("utf-8").splitlines():
        if line.startswith("= "):
            graph: Graph = []
            found[line[2:]] = graph
            numbers, widths = {}, {}
        elif line and not line.startswith("#"):
            tasks, _, above = line.partition(" :")
            name, width = _split(tasks)
            widths[name] = int(width or 0)
            for index in [str(number + 1) for number in range(widths[name])] or [""]:
                graph.append(tuple(sorted({numbers[up] for up in _upstreams(above.split(), index, widths)})))
                numbers[name + index] = len(graph) - 1
    return found


def _upstreams(names: list[str], index: str, widths: dict[str, int]) -> list[str]:
    found = []
    for text in names:
        name, which = _split(text)
        if which == "*":
            found += [f"{name}{number + 1}" for number in range(widths[name])]
        else:
            found.append(name + (index if which == "i" else ""))
    return found


def _split(text: str) -> tuple[str, str]:
    """`name[x]` as name and x."""
    match = re.fullmatch(r"(\w+)(?:\[(.+)\])?", text)
    assert match, text
    return match[1], match[2] or ""
