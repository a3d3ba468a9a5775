"""What takes long to read, kept for a moment, so that it is read once however many ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from penstock.store.base import Store

T = TypeVar("T")
OLDEST = 10.0
"""Seconds for which it is given again if nothing has changed: what is due next depends on the time, too."""
_MOST = 50


class _Found(NamedTuple):
    value: Any
    changes: int
    at: float


class Kept(Generic[T]):
    """What `read` gave for the same arguments, as long as the store has not changed, or for `fresh` seconds anyway.
    `forget` is for who changes something himself: he sees at once what he has done."""

    def __init__(self, store: Store, read: Callable[..., T], *, fresh: float = 0.0) -> None:
        self._store = store
        self._read = read
        self._fresh = fresh
        self._lock = Lock()
        self._reading: OrderedDict[Hashable, Lock] = OrderedDict()
        self._found: dict[Hashable, _Found] = {}

    def __call__(self, *arguments: Hashable) -> T:
        with self._lock:
            lock = self._reading.setdefault(arguments, Lock())
            self._reading.move_to_end(arguments)
            if len(self._reading) > _MOST:
                self._found.pop(self._reading.popitem(last=False)[0], None)
        with lock:  # who asks the same meanwhile waits for the one answer
            found = self._found.get(arguments)
            if found is None or not self._is_good(found):
                changes, at = self._store.changes(), monotonic()  # before it is read, so that no change is missed
                found = self._found[arguments] = _Found(self._read(*arguments), changes, at)
            value: T = found.value
            return value

    def forget(self) -> None:
        """Read all anew when it is next asked for."""
        with self._lock:
            self._found.clear()

    def _is_good(self, found: _Found) -> bool:
        age = monotonic() - found.at
        return age < self._fresh or (age < OLDEST and self._store.changes() == found.changes)
