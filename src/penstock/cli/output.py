"""What a command writes: its result on stdout, all else on stderr; in colour on a terminal, or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any, NamedTuple, TextIO
from unicodedata import east_asian_width

import click


class Cell(NamedTuple):
    """A field of a table."""

    text: str
    colour: str | None = None


class Output:
    """The way out of one command."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, text: str = "", *, end: str = "\n") -> None:
        """Write a result for people."""
        _write(sys.stdout, text + end)

    def tell(self, text: str = "") -> None:
        """Write what is not the result: how it goes, what went wrong."""
        _write(sys.stderr, text + "\n")

    def emit(self, value: Any) -> None:
        """Write the result as JSON, on one line where it is small."""
        text = json.dumps(value)
        _write(sys.stdout, (text if len(text) <= 100 else json.dumps(value, indent=2)) + "\n")

    def paint(self, text: str, colour: str | None = None, *, bold: bool = False, stream: TextIO | None = None) -> str:
        """Text in a colour, if the stream (by default stdout) shows colours."""
        if not (colour or bold) or not shows_colours(stream or sys.stdout):
            return text
        return click.style(text, fg=colour, bold=bold or None)

    def sentence(self, text: str) -> str:
        """A message as a sentence of its own. (`str.capitalize` would make all other letters small.)"""
        return self.clean(text[:1].upper() + text[1:])

    def clean(self, text: str) -> str:
        """Text that may have come from anywhere, without what could control a terminal."""
        if text.isprintable():
            return text
        return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Sequence[int] = ()) -> None:
        """Write aligned columns, of which `right` are aligned to the right, without the empty ones. The last is cut
        to the terminal's width."""
        lines = [[cell._replace(text=self.clean(cell.text).replace("\n", " ")) for cell in row] for row in rows]
        used = [column for column in range(len(header)) if any(line[column].text for line in lines)]
        lines = [
            [line[column] for column in used] for line in [[Cell(name, "bright_black") for name in header], *lines]
        ]
        right = [place for place, column in enumerate(used) if column in right]
        widths = [max(_width(line[column].text) for line in lines) for column in range(len(used))]
        limit = get_terminal_size().columns if is_terminal(sys.stdout) else None
        for line in lines:
            parts = []
            room = limit
            for column, cell in enumerate(line):
                text = cell.text if room is None or column < len(line) - 1 else _cut(cell.text, room)
                space = " " * (widths[column] - _width(cell.text))
                painted = self.paint(text, cell.colour)
                parts.append(space + painted if column in right else painted + space)
                room = None if room is None else max(room - widths[column] - 2, 8)
            self.say("  ".join(parts).rstrip())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream leads to a terminal that can be drawn on."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    except ValueError:  # it is closed
        return False


def shows_colours(stream: TextIO | None) -> bool:
    """Whether colours are wanted: see no-color.org and force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


@contextmanager
def spared_stdout(spare: bool = True) -> Iterator[None]:
    """Keep stdout for the result: what anybody prints meanwhile, child processes included, goes to stderr."""
    if not spare or sys.stdout is None:
        yield
        return
    before, saved = sys.stdout, _lead_to_stderr(sys.stdout)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def _lead_to_stderr(stream: TextIO) -> int | None:
    """Let file descriptor 1 lead to stderr. A copy of what it was, or None if it is not this stream's."""
    try:
        if stream.fileno() != 1:
            return None
        stream.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError):
        return None
    return saved


def drop_stdout() -> None:
    """Let stdout lead nowhere: nobody reads it any more, and flushing it at the end must not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    finally:
        os.close(nowhere)


def _write(stream: TextIO | None, text: str) -> None:
    """Write, and go on if nobody reads it: a run's exit code matters more than its last line."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        if stream is sys.stdout:
            drop_stdout()
    except (OSError, ValueError):
        pass


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str, room: int) -> str:
    if _width(text) <= room:
        return text
    while _width(text) >= room:
        text = text[:-1]
    return f"{text}…"
