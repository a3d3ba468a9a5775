"""Whose values lie in a folder: one store's, since another one would remove them as values that nobody needs."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from penstock.errors import StoreError

_OWNER = "owner.id"
"""The file that names the store whose values and logs a folder holds, where it is not the folder's own store."""
_OWN = "store.id"
"""The file in which a store that is a folder keeps a name for itself, once it needs one."""


def claim(folder: Path, identity: str) -> None:
    """Have a folder hold the values and logs of this store and no other's. StoreError if they are another one's."""
    if (folder / "penstock.db").exists() or _read_or_write(folder / _OWNER, identity) != identity:
        raise StoreError(
            f"{folder} holds the values and logs of another store, which would remove what it does not know: choose "
            "another folder with results=FOLDER or the setting PENSTOCK_RESULTS"
        )


def is_claimed(folder: Path) -> bool:
    """Whether a folder holds the values of a store that lies elsewhere."""
    try:
        return (folder / _OWNER).exists()
    except OSError:  # whoever opens the folder is told of it
        return False


def own_identity(folder: Path) -> str:
    """The name of the store in a folder, made up when it is first asked for."""
    return _read_or_write(folder / _OWN, f"sqlite {uuid.uuid4()}")


def _read_or_write(path: Path, text: str) -> str:
    """What a file says; it is written with this text if it is not there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not path.exists():
            beside = path.with_name(f".{uuid.uuid4()}")
            try:
                _write(beside, text)
                os.link(beside, path)  # unlike a rename, it lets a file be that somebody else has just written
            except FileExistsError:
                pass
            finally:
                beside.unlink(missing_ok=True)
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise StoreError(f"{path}, which says whose values lie beside it, cannot be used: {error}") from error


def _write(path: Path, text: str) -> None:
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
