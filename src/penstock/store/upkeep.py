"""What a store offers to those who look after it, beside the contract: for `penstock db`.

A store that has any of this has it as its attribute `upkeep`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from penstock.store.base import Store

Told = Callable[[int, int], None]
"""Is told of long work now and then: how much is done, and of how much."""
DEAD_CLAIMS = "claim of a dead driver to slots of a pool"
"""A kind of leftovers."""


class Upkeep(Protocol):
    """What is below the journals: tables and files."""

    def faults(self) -> Iterator[str]:
        """What is wrong with them, in a sentence each. Runs that go on meanwhile are no fault."""

    def leftovers(self, *, remove: bool = False) -> Mapping[str, int]:
        """How many things of each kind are there that nobody needs any more, as those leave behind who die at the wrong
        moment: kind -> number, both in words. With `remove` they are gone afterwards."""


@runtime_checkable
class Measured(Protocol):
    """For a store that can tell what it takes."""

    schema: int
    """The version of the schema."""

    def size(self) -> int:
        """How many bytes the database takes."""


@runtime_checkable
class FileUpkeep(Upkeep, Protocol):
    """For a store that lies in files of its own."""

    def copy_to(self, folder: Path, told: Told | None = None) -> None:
        """Make a store of the same content, as it is at one moment, in another folder. StoreError if that fails."""

    def vacuum(self) -> tuple[int, int]:
        """Give room that is not used any more back to the disk: bytes before and after. RunLocked while a run is
        driven, which would have to wait; StoreError if there is no room to do it."""


def decided_wrongly(late: Iterable[tuple[str, str]], tickless: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The faults of runs, each with its workflow, that are due after the cursor of the schedule that began them, or of
    whose logical time it is not noted that it was had. Such a time could have a second run."""
    for run_id, workflow in late:
        yield f"run {run_id} is due after the cursor of the schedule of '{workflow}': the cursor was set back"
    for run_id, workflow in tickless:
        yield f"it is not noted that run {run_id} is the one of '{workflow}' for its logical time: the note was lost"


def upkeep_of(store: Store) -> Upkeep | None:
    """What a store offers."""
    found: Upkeep | None = getattr(store, "upkeep", None)
    return found
