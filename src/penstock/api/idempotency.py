"""Keys by which a request that is sent twice is done once.

The id of the run that a request creates is made of its key. So the store itself, which has each id once, keeps it from
being done again, whichever server it comes to and however much later. That a key comes again with another request is
noticed as long as the server remembers the first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import Annotated

from fastapi import Header

from penstock.api.problems import Refused

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="Any text of your own: what is asked twice with one key is done once",
    ),
]


def run_id_for(workflow: str, key: str | None) -> str:
    """The id of the run that is to be: of a key always the same."""
    if key is None:
        return os.urandom(6).hex()
    return blake2b(f"{workflow}\0{key}".encode("utf-8", "replace"), digest_size=6, person=b"idempotency").hexdigest()


class Keys:
    """What was asked with the keys of late."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._lock = Lock()
        self._one_by_one = Lock()
        self._asked: OrderedDict[str, bytes] = OrderedDict()

    def check(self, run_id: str, asked: str) -> None:
        """Refused if what the run of a key was asked for is something else."""
        digest = blake2b(asked.encode("utf-8", "replace"), digest_size=16).digest()
        with self._lock:
            if self._asked.setdefault(run_id, digest) != digest:
                told = "this Idempotency-Key was used for another request: choose a new one"
                raise Refused(409, "key-used", told)
            while len(self._asked) > self._most:
                self._asked.popitem(last=False)

    def once(self, name: str, asked: str, do: Callable[[], None]) -> None:
        """Do what is asked with a key, unless it was done. Refused if the key was used for something else."""
        with self._one_by_one:  # who asks the same meanwhile is answered when it is done
            with self._lock:
                is_new = name not in self._asked
            self.check(name, asked)
            if is_new:
                try:
                    do()
                except BaseException:
                    self.forget(name)
                    raise

    def forget(self, run_id: str) -> None:
        """The run came to nothing: the key is as good as new."""
        with self._lock:
            self._asked.pop(run_id, None)
