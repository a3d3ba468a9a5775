"""Where Penstock keeps its state, and the settings a user wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.policy import misnamed_pool

FOLDER = ".penstock"


def find_home(environ: Mapping[str, str], start: Path) -> Path:
    """The folder of state: PENSTOCK_HOME, else the first .penstock found from `start` upwards, else one in `start`."""
    named = environ.get("PENSTOCK_HOME")
    if named:
        return Path(named).expanduser().absolute()
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return start / FOLDER


@dataclass(frozen=True, slots=True)
class Settings:
    """What a manager does where its caller does not say."""

    store: str = "sqlite"
    results: str | None = None
    executor: str = "threads"
    workers: int | None = None
    durability: str = "full"
    grace: float = 5.0
    notifiers: tuple[str, ...] = ()
    """The names of those that are told."""
    notifier_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a table says of each, by name."""
    park_after: float = 60
    pools: Mapping[str, int] = field(default_factory=dict)
    """Name -> slots, of those that are put on record unless they are there."""
    retention_days: float = 90
    retention_runs: int = 20


_KINDS: dict[str, Any] = {
    "store": str,
    "results": str,
    "executor": str,
    "workers": int,
    "durability": str,
    "grace": float,
    "park_after": float,
    "notifiers": list,
    "retention_days": float,
    "retention_runs": int,
}


def read_settings(environ: Mapping[str, str], start: Path) -> Settings:
    """Settings from `penstock.toml` or `[tool.penstock]` of pyproject.toml, found upwards, and from PENSTOCK_... in the
    environment, which win. PenstockError for an unknown name or a value of the wrong type."""
    values: dict[str, Any] = {}
    found = _find_file(start)
    if found is not None:
        path, table = found
        for name, value in table.items():
            if name == "notifiers" and isinstance(value, dict):
                values["notifiers"], values["notifier_options"] = tuple(value), _checked_notifiers(value, str(path))
            elif name == "pools":
                values[name] = _checked_pools(value, str(path))
            else:
                values[name] = _checked(name, value, str(path))
    for name, kind in _KINDS.items():
        text = environ.get(f"PENSTOCK_{name.upper()}")
        if text:
            try:
                value = [part.strip() for part in text.split(",")] if kind is list else kind(text)
                values[name] = _checked(name, value, f"PENSTOCK_{name.upper()}")
            except ValueError:
                raise PenstockError(f"PENSTOCK_{name.upper()}={text!r} is not {kind.__name__}") from None
    return Settings(**values)


def _checked(name: str, value: Any, where: str) -> Any:
    if name not in _KINDS:
        raise PenstockError(f"{where}: there is no setting '{name}'; there are {', '.join([*_KINDS, 'pools'])}")
    kind = _KINDS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise PenstockError(f"{where}: {name} = {value!r} is not {kind.__name__}")
    if name.startswith("retention_") and not value >= 0:
        raise PenstockError(f"{where}: {name} = {value!r} is less than 0")
    if name == "park_after" and not value >= 0:
        raise PenstockError(f"{where}: {name} = {value!r} is less than 0")
    if isinstance(value, list):
        if not all(isinstance(part, str) and part for part in value):
            raise PenstockError(f"{where}: {name} = {value!r} is not a list of names")
        return tuple(value)
    return value


def _checked_notifiers(tables: dict[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """A table for each notifier, by its name. What stands in it is checked when the notifier is made."""
    for name, table in tables.items():
        if not isinstance(table, dict):
            message = f"{where}: notifiers.{name} is no table: write [notifiers.{name}], and its settings below"
            raise PenstockError(message)
        if not name or name != name.strip() or "," in name or not name.isprintable():
            raise PenstockError(f"{where}: notifiers.{name!r} is no name for one")
    return tables


def _checked_pools(table: Any, where: str) -> dict[str, int]:
    """How many slots each pool has, by its name."""
    if not isinstance(table, dict):
        raise PenstockError(f"{where}: pools = {table!r} is no table: write [pools], and NAME = SLOTS below")
    for name, slots in table.items():
        wrong = misnamed_pool(name)
        if wrong:
            raise PenstockError(f"{where}: pools.{name!r} {wrong}")
        if type(slots) is not int or slots < 0:
            raise PenstockError(f"{where}: pools.{name} = {slots!r} is not a whole number of slots from 0 up")
    return table


def _find_file(start: Path) -> tuple[Path, dict[str, Any]] | None:
    for folder in (start, *start.parents):
        own, project = folder / "penstock.toml", folder / "pyproject.toml"
        if own.is_file():
            return own, _read(own)
        if project.is_file():
            if b"tool.penstock" in project.read_bytes():
                return project, _read(project).get("tool", {}).get("penstock", {})
            return None
    return None


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PenstockError(f"{path} cannot be read: {error}") from None
