"""The graphs that are measured: lists of (number, upstreams) in an order in which they could run."""

from __future__ import annotations

import random

Graph = list[tuple[int, list[int]]]


def chain(size: int) -> Graph:
    """W1: each task waits for the one before."""
    return [(i, [i - 1] if i else []) for i in range(size)]


def fan(size: int) -> Graph:
    """W2: one, then `size` at once, then one that waits for all of them."""
    return [(0, []), *((i, [0]) for i in range(1, size + 1)), (size + 1, list(range(1, size + 1)))]


def layered(size: int, width: int = 100, parents: int = 3, seed: int = 7) -> Graph:
    """W3: layers of 100, each task waiting for three of the layer before."""
    choose = random.Random(seed)
    graph: Graph = []
    for i in range(size):
        above = (i // width - 1) * width
        graph.append((i, sorted(choose.sample(range(above, above + width), parents)) if above >= 0 else []))
    return graph


GRAPHS = {"chain": (chain, 1_000), "fan": (fan, 1_000), "layered": (layered, 10_000)}
