"""Those who watch a run, told in a way that none of them can disturb it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from penstock.runtime.observer import Observer


class Audience:
    """The observers of one run. One that raises is told nothing more, and why is said on stderr."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of every observer."""
        for observer in self._observers:
            try:
                getattr(observer, method)(*arguments)
            except Exception as error:
                self._observers = tuple(other for other in self._observers if other is not observer)
                if sys.stderr is not None:
                    kind = type(observer).__qualname__
                    sys.stderr.write(f"The observer {kind} raised {error!r}: it is told nothing more of this run\n")
