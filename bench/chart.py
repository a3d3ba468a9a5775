"""The time a task as a picture: a bar for everybody who was measured, or is on record, on a logarithmic scale."""

from __future__ import annotations

import re
from math import ceil, floor, log10
from typing import NamedTuple

from bench.peers import RECORDED
from bench.results import Results

_LABELS = {
    "tutorial": "the tutorial's loop",
    "stdlib": "standard library",
    "memory": "Penstock, memory",
    "durable": "Penstock, durable",
}
_OURS, _PEER, _ON_RECORD = "#1b4f72", "#7fb3d5", "#c8d3dc"
_TITLES = {"W1": "W1: a chain", "W2": "W2: a fan", "W3": "W3: layers"}
_LEFT, _WIDTH, _BAR, _GAP, _TOP = 210, 520, 18, 34, 40


class _Bar(NamedTuple):
    label: str
    us: float
    colour: str


def chart(results: Results) -> str:
    """SVG."""
    groups = {graph: _bars(results, graph) for graph in _TITLES}
    every = [bar.us for bars in groups.values() for bar in bars]
    low, high = floor(log10(min(every))), ceil(log10(max(every)))
    parts, y = [_text(12, 20, "microseconds a task, with tasks that do nothing (logarithmic)", anchor="start")], _TOP
    bottom = _TOP + sum(len(bars) * _BAR + _GAP for bars in groups.values())
    for power in range(low, high + 1):
        x = _x(10.0**power, low, high)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom - 8}" stroke="#ddd"/>')
        parts.append(_text(x, bottom + 8, _amount(10.0**power), size=10))
    for graph, bars in groups.items():
        parts.append(_text(12, y + 14, _TITLES[graph], anchor="start", weight="bold"))
        y += _GAP - 10
        for bar in bars:
            width = _x(bar.us, low, high) - _LEFT
            parts.append(_text(_LEFT - 8, y + 13, bar.label, anchor="end", size=11))
            parts.append(f'<rect x="{_LEFT}" y="{y + 2}" width="{width:.1f}" height="{_BAR - 4}" fill="{bar.colour}"/>')
            parts.append(_text(_LEFT + width + 5, y + 13, _amount(bar.us), anchor="start", size=10))
            y += _BAR
        y += 10
    for place, (label, colour) in enumerate(
        [("Penstock", _OURS), ("measured beside it", _PEER), ("on record", _ON_RECORD)]
    ):
        x = _LEFT + place * 150
        parts.append(f'<rect x="{x}" y="{bottom + 20}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 18, bottom + 31, label, anchor="start", size=11))
    size = f'viewBox="0 0 {_LEFT + _WIDTH + 80} {bottom + 44}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"])


def _bars(results: Results, graph: str) -> list[_Bar]:
    """The least first."""
    parts = results["rows"].get(graph, {}).get("parts", {})
    bars = [
        _Bar(_LABELS.get(name, name), figures["us"][0], _OURS if name in ("memory", "durable") else _PEER)
        for name, figures in parts.items()
        if name != "default"
    ]
    measured = {_without_version(name) for name in parts}
    for name, graphs in RECORDED.items():
        if graph in graphs and _without_version(name) not in measured:
            bars.append(_Bar(name, graphs[graph][0], _ON_RECORD))
    return sorted(bars, key=lambda bar: bar.us)


def _without_version(name: str) -> str:
    """ "Luigi 3.8.1" and "Luigi" are one."""
    return re.sub(r" [\d.]+", "", name)


def _x(us: float, low: int, high: int) -> float:
    return _LEFT + _WIDTH * (log10(us) - low) / (high - low)


def _amount(us: float) -> str:
    if us < 1000:
        return f"{us:.3g} µs"
    return f"{us / 1000:.3g} ms" if us < 1e6 else f"{us / 1e6:.3g} s"


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 12, weight: str = "normal") -> str:
    font = f'font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {font} fill="#333">{text}</text>'
