"""The parts of docs/concepts/speed.md that are made from the results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.machine import ROOT
from bench.peers import RECORDED, RECORDED_ON
from bench.report import quantity
from bench.results import Results

PAGE = ROOT / "docs" / "concepts" / "speed.md"
CHART = ROOT / "docs" / "images" / "speed.svg"
_NAMES = {
    "tutorial": "the tutorial's loop, one thread",
    "stdlib": "`graphlib` and `ThreadPoolExecutor`, two threads",
    "memory": "**Penstock, memory store**, two threads",
    "durable": "**Penstock, durable**, two threads",
    "default": "**Penstock, durable**, the default number of threads",
}
_GRAPHS = ("W1", "W2", "W3")


def filled(page: str, results: Results) -> str:
    """The page with what is made from the results in its places: between `<!-- made: NAME -->` and `<!-- end -->`."""

    def place(found: re.Match[str]) -> str:
        return f"{found[1]}\n{_PARTS[found[2]](results)}\n{found[3]}"

    return re.sub(r"(<!-- made: (\w+) -->)\n.*?(<!-- end -->)", place, page, flags=re.DOTALL)


def machine(results: Results) -> str:
    """What it was measured on."""
    on = results["machine"]
    median, worst = on["fdatasync_us"]
    size = (
        " **This was a trial run with small sizes: its figures are not those of the table.**"
        if results["quick"]
        else ""
    )
    return (
        f"Measured {results['date'].replace('T', ' ').replace('+00:00', ' UTC')} at commit `{on['commit']}`"
        f"{' with changes' if on['changed'] else ''}: {on['cores']} cores ({on['processor']}), "
        f"{on['memory'] / 2**30:.0f} GiB, {on['system']}, Python {on['python']}, SQLite {on['sqlite']}, "
        f'{on["file_system"]}. Durable means `durability="full"`, the default: what is acknowledged has been synced '
        f"to this disk, where `fdatasync` takes {median:.0f} µs (99th percentile {worst:,.0f} µs). The machine's load "
        f"was {on['load']:.1f} when it began.{size}"
    )


def aims(results: Results) -> str:
    """The table of aims."""
    lines = ["| | | measured | aim | |", "|---|---|---|---|---|"]
    for row in results["rows"].values():
        title = row["title"]
        for aim in row["aims"]:
            value, most = quantity(aim["value"], aim["unit"]), quantity(aim["most"], aim["unit"])
            lines.append(f"| {title} | {aim['what']} | {value} | {most} | {'met' if aim['met'] else 'not met'} |")
            title = ""
        if row["note"]:
            lines.append(f"| {title} | {row['note']} | | | |")
    return "\n".join(lines)


def overhead(results: Results) -> str:
    """Time a task of everybody who was measured, and of those on record."""
    lines = ["| µs a task | kept | W1 | W2 | W3 |", "|---|---|---|---|---|"]
    kept = {"durable": "a journal in SQLite, synced", "default": "a journal in SQLite, synced"}
    parts = list(dict.fromkeys(part for graph in _GRAPHS for part in _parts(results, graph)))
    for part in parts:
        cells = [_cell(_parts(results, graph).get(part)) for graph in _GRAPHS]
        lines.append(f"| {_NAMES.get(part, part)} | {kept.get(part, 'nothing')} | {' | '.join(cells)} |")
    for name, graphs in RECORDED.items():
        cells = [f"{graphs[g][0]:,.0f} ({graphs[g][1]:,})" if g in graphs else "" for g in _GRAPHS]
        lines.append(f"| {name}, recorded | {next(iter(graphs.values()))[2]} | {' | '.join(cells)} |")
    lines.append(f"\n*recorded*: {RECORDED_ON}; in brackets the number of tasks.")
    if results["missing"]:
        absent = "; ".join(results["missing"])
        lines.append(f"Not installed where this was measured, and so only recorded: {absent}.")
    return "\n".join(lines)


def _parts(results: Results, graph: str) -> Mapping[str, Any]:
    parts: Mapping[str, Any] = results["rows"].get(graph, {}).get("parts", {})
    return parts


def _cell(figures: Mapping[str, Any] | None) -> str:
    return "" if figures is None else f"{figures['us'][0]:,.1f}"


def store(results: Results) -> str:
    """What a task run leaves in the store."""
    texts = [f"{_parts(results, graph)['durable']['bytes'][0]:,.0f} ({graph})" for graph in _sized(results)]
    return f"Bytes that a task run leaves in the store, all files of it: {', '.join(texts)}."


def _sized(results: Results) -> Iterator[str]:
    return (graph for graph in _GRAPHS if "bytes" in _parts(results, graph).get("durable", {}))


def breakdown(results: Results) -> str:
    """Where a task's time goes."""
    from bench.breakdown import table

    return table(results["breakdown"])


_PARTS = {"machine": machine, "aims": aims, "overhead": overhead, "store": store, "breakdown": breakdown}
