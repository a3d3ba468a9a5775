"""What a store that lies in files of its own offers to the commands that need one."""

from __future__ import annotations

from pathlib import Path

from penstock.cli.options import Choices
from penstock.errors import PenstockError
from penstock.parts import Parts
from penstock.store.upkeep import FileUpkeep, upkeep_of


def file_upkeep(choices: Choices, parts: Parts, done: str, with_postgres: str) -> tuple[FileUpkeep, Path]:
    """The upkeep of the store, and the folder of its values and logs. PenstockError for a store that is no folder; it
    says what to use in place of what was to be `done`."""
    from penstock.parts import POSTGRES

    upkeep = upkeep_of(parts.store)
    if isinstance(upkeep, FileUpkeep) and parts.folder is not None:
        return upkeep, parts.folder
    if (choices.store or choices.settings().store).partition("://")[0] in POSTGRES:
        raise PenstockError(f"a store in Postgres is {done} by Postgres's own means: {with_postgres}")
    raise PenstockError(f"this store is no folder that could be {done}")
