"""The style sheet of an SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS

_ROOT = ".penstock-graph"


def style(shown: Sequence[TaskState]) -> str:
    """Colours by class, so that an image follows the theme of whoever looks at it, and a page that holds it may too."""
    light, dark = list[str](), list[str]()
    for state in shown:
        look = LOOKS[state]
        light.append(f"{_ROOT} .{state.label} rect{{fill:{look.fill};stroke:{look.border}}}")
        dark.append(f"{_ROOT} .{state.label} rect{{fill:{look.dark_fill};stroke:{look.dark_border}}}")
    return "\n".join(
        [
            "<style>",
            f"{_ROOT}{{background:#fff;font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}}",
            f"{_ROOT} text{{fill:#1f2328;white-space:pre}}",
            f"{_ROOT} .title{{font-size:14px;font-weight:600}}",
            f"{_ROOT} .note{{fill:#57606a;font-size:12px;font-weight:400}}",
            f"{_ROOT} .remark{{fill:#57606a;font-size:10px;font-weight:400}}",
            f"{_ROOT} .edge{{fill:none;stroke:#8c959f;stroke-width:1.2}}",
            f"{_ROOT} .order{{stroke-dasharray:4 3}}",
            f"{_ROOT} .scope{{stroke-dasharray:1 3;stroke-linecap:round;stroke-width:1.6}}",
            f"{_ROOT} .box rect{{fill:#f6f8fa;stroke:#8c959f}}",
            f"{_ROOT} .rest rect{{stroke-dasharray:2 2}}",
            *light,
            # Frames come after the states, of which only the border counts for them.
            f"{_ROOT} .frame rect{{fill:#eaeef2;fill-opacity:.45}}",
            f"{_ROOT} .frame.plain rect{{stroke:#afb8c1}}",
            f"{_ROOT} .frame text{{font-weight:600}}",
            "@media (prefers-color-scheme:dark){",
            f"{_ROOT}{{background:#0d1117}}",
            f"{_ROOT} text{{fill:#e6edf3}}",
            f"{_ROOT} .note,{_ROOT} .remark{{fill:#9198a1}}",
            f"{_ROOT} .edge{{stroke:#6e7681}}",
            f"{_ROOT} .box rect{{fill:#21262d;stroke:#6e7681}}",
            *dark,
            f"{_ROOT} .frame rect{{fill:#161b22;fill-opacity:.6}}",
            f"{_ROOT} .frame.plain rect{{stroke:#3d444d}}",
            "}",
            "</style>",
        ]
    )
