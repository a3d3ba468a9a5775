"""The gaps as a picture: for each family and order a bar of the mean, and a line to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from bench.order.measure import ORDERS, Result

_COLOURS = ("#9aa5b1", "#7fb3d5", "#2e86c1", "#1b4f72")
_LEFT, _TOP, _HEIGHT, _BAR, _SPACE = 46, 34, 220, 26, 34


def chart(results: Sequence[Result]) -> str:
    """SVG. Only instances whose optimum is proved are in it."""
    proved = [result for result in results if result.proved]
    families = list(dict.fromkeys(result.instance.family for result in proved))
    highest = 10 * -(-max(gap for result in proved for gap in result.gaps.values()) // 0.1)
    step = len(ORDERS) * _BAR + _SPACE
    width = _LEFT + len(families) * step
    parts = [_text(_LEFT, 16, "longer than the optimum, in %: mean (bar) and worst (line)", anchor="start")]
    for percent in range(0, int(highest) + 1, 10):
        y = _y(percent, highest)
        parts.append(f'<line x1="{_LEFT}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, str(percent), anchor="end"))
    for place, family in enumerate(families):
        left = _LEFT + place * step + _SPACE / 2
        of_family = [result for result in proved if result.instance.family == family]
        for number, name in enumerate(ORDERS):
            gaps = [result.gaps[name] * 100 for result in of_family]
            parts += _bar(left + number * _BAR, _COLOURS[number], mean(gaps), max(gaps), highest)
        parts.append(_text(left + len(ORDERS) * _BAR / 2, _TOP + _HEIGHT + 18, family))
    for number, name in enumerate(ORDERS):
        x, y = _LEFT + number * 110, _TOP + _HEIGHT + 34
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{_COLOURS[number]}"/>')
        parts.append(_text(x + 18, y + 11, name, anchor="start"))
    height = _TOP + _HEIGHT + 56
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
    return f'{head}font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"


def _bar(x: float, colour: str, average: float, worst: float, highest: float) -> list[str]:
    top, end, middle = _y(average, highest), _y(0, highest), x + (_BAR - 6) / 2
    return [
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{_BAR - 6}" height="{end - top:.1f}" fill="{colour}"/>',
        f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{_y(worst, highest):.1f}" y2="{top:.1f}" stroke="{colour}"/>',
        _text(middle, top - 3, f"{average:.1f}", size=9),
    ]


def _y(percent: float, highest: float) -> float:
    return _TOP + _HEIGHT * (1 - percent / highest)


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 12) -> str:
    style = 'fill="#333" stroke="#fff" stroke-width="3" paint-order="stroke"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {style}>{text}</text>'
