"""A page of README or docs as its tests see it: fenced blocks, and what is done with each.

| block | what it is |
|---|---|
| `python` | executed after the ones before it, in one interpreter that serves the page |
| `python title="NAME"`, `toml title="NAME"` | written to the file NAME |
| `console` | lines with `$ ` are typed into a shell, lines with `> ` continue them, the others must appear |
| `console title="NAME"` | the same in another shell, for what is done at the same time |
| `text title="Output"` | what the `python` block before it must have printed |
| other `text` | for the reader only |

A block after `<!-- not executed: REASON -->` is for the reader only; after
`<!-- not executed: REASON; instead: COMMAND -->` the command is typed in its place, and what it shows is not looked at.
In what must appear, `...` stands for anything, and run ids, durations, dates and times match any of their kind.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+)(?P<info>.*)")
_TITLE = re.compile(r'title="([^"]*)"')
_NOT_EXECUTED = re.compile(r" *<!-- not executed: (.+?)(?:; instead: (.+))? -->")
_KINDS = frozenset({"python", "toml", "console", "text"})


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    kind: str
    title: str
    text: str
    line: int
    """The number of the text's first line in the page."""
    reason: str = ""
    """Why it is not executed; "" for one that is."""
    instead: str = ""
    """What is typed in its place."""


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. ValueError for one that this scheme does not know."""
    return list(_blocks(page.read_text("utf-8").splitlines(), page.name))


def _blocks(lines: list[str], name: str) -> Iterator[Block]:
    reason, instead, number = "", "", 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if comment := _NOT_EXECUTED.fullmatch(line):
            reason, instead = comment[1], comment[2] or ""
        elif fence := _FENCE.fullmatch(line):
            end = number
            while lines[end].strip() != fence["ticks"]:
                end += 1
            kind = fence["info"].split(" ")[0]
            if kind not in _KINDS:
                raise ValueError(f"{name}:{number}: a block of kind {kind!r} is neither executed nor known as text")
            title = _TITLE.search(fence["info"])
            text = textwrap.dedent("".join(f"{inner}\n" for inner in lines[number:end]))
            yield Block(kind, title[1] if title else "", text, number + 1, reason, instead)
            reason, instead, number = "", "", end + 1
        elif line.strip():
            reason, instead = "", ""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, and the output that must follow it."""

    command: str
    """"" where the command was typed in an earlier block, and only more of its output follows."""
    output: str
    line: int


def typed(block: Block) -> list[Typed]:
    """What is typed in a `console` block."""
    found: list[Typed] = []
    command, output, start = "", "", block.line
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Typed(command, output, start))
            command, output, start = line[2:], "", number
        elif line.startswith("> ") and command and not output:
            command += "\n" + line[2:]
        else:
            output += line + "\n"
    found.append(Typed(command, output, start))
    return [one for one in found if one.command or one.output.strip()]


_ANY = [
    (re.compile(r"\b(?=[a-f]*[0-9])[0-9a-f]{12}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)?(e-\d+)? ?(ms|s)\b"), "DURATION"),
]
"""What differs from run to run; times of day in pages are those of UTC or of nobody."""


def plain(text: str) -> str:
    """Output without what differs from run to run: kinds in the place of values, single spaces, no trailing blanks."""
    for pattern, kind in _ANY:
        text = pattern.sub(kind, text)
    return "\n".join(re.sub(r"[ \t]+", " ", line).rstrip() for line in text.strip().splitlines())


def appears(expected: str, output: str) -> bool:
    """Whether the output is as a page says."""
    pattern = ".*?".join(map(re.escape, plain(expected).split("...")))
    return re.fullmatch(pattern, plain(output), re.DOTALL) is not None
