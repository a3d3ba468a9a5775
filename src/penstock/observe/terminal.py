"""What programs write to a terminal, made fit to stand above something that is redrawn."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # control sequences, but for colours (which end in m)
    r"|\x1b[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[^\[\]P^_X\n]"
    r"|\x1b(?!\[[0-?]*[ -/]*m)"  # a sequence that is not whole
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*m")
_LONGEST_LINE = 65_536


class Lines:
    """Makes lines of the parts that programs write. A line that is written over (with a carriage return, as progress
    bars do) shows its last state. What would move the cursor is left out; colours stay."""

    def __init__(self) -> None:
        self._part = ""
        """A line that has no end yet, in its last state."""
        self._redrawn = False
        """Whether it is one that is written over."""
        self._over = False
        """Whether whatever comes next is written over it."""

    def add(self, text: str) -> str:
        """The whole lines that `text` brings to an end."""
        begun = self._part
        if self._redrawn and text[:1] not in ("\r", "\n"):
            begun = ""  # somebody else's line, while a progress bar waits to be written over
        whole, newline, part = (begun + text).rpartition("\n")
        if part or begun or (newline and self._over):
            self._part = part.rstrip("\r").rpartition("\r")[2][:_LONGEST_LINE]
            self._redrawn = "\r" in part or (self._redrawn and not newline)
            self._over = part.endswith("\r")
        return _clean(whole + newline)

    def part(self) -> str:
        """The line that has no end yet, without colours; "" if there is none."""
        return _CONTROL.sub("", _COLOUR.sub("", self._part))

    def rest(self) -> str:
        """The line that was not brought to an end, now with one."""
        part, self._part = self._part, ""
        return _clean(part + "\n") if part else ""


def _clean(text: str) -> str:
    if "\r" in text:
        text = "".join(line.rstrip("\r").rpartition("\r")[2] + "\n" for line in text[:-1].split("\n"))
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    text = _CONTROL.sub("", text)
    return f"{text[:-1]}\x1b[0m\n" if "\x1b" in text else text
