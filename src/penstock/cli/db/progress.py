"""How far long work on a store has come: on stderr, for people who wait."""

from __future__ import annotations

import sys
from time import monotonic

from penstock.cli.output import Output, is_terminal
from penstock.observe.words import duration

_ON_TERMINAL, _ELSEWHERE = 0.2, 30.0
"""Seconds between two lines; on a terminal each replaces the one before."""


class Progress:
    """Says now and then what is being done; where that is no terminal, only of work that takes long."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._terminal = is_terminal(sys.stderr)
        self._began = monotonic()
        self._next = self._began + (0.0 if self._terminal else _ELSEWHERE)
        self._shown = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """So much of it is done; of a `total` of 0 nobody knows how much there is."""
        now = monotonic()
        if now < self._next or self._output.as_json:
            return
        self._next = now + (_ON_TERMINAL if self._terminal else _ELSEWHERE)
        number = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
        text = f"{what.capitalize()}{number}, after {duration(now - self._began)}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._shown = True
        else:
            self._output.tell(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
