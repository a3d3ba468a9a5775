"""Options that several commands share."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from penstock.cli.failures import NotFound
from penstock.cli.output import Output
from penstock.definition.params import secret_from_text
from penstock.definition.reading import Unreadable
from penstock.definition.secret import Secret
from penstock.errors import RunNotFound
from penstock.manager import WorkflowManager
from penstock.parts import DURABILITIES, SQLITE
from penstock.runtime.home import Settings, find_home, read_settings
from penstock.runtime.pools import sizes

FC = TypeVar("FC", bound=Callable[..., Any])

MOST_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says about where runs are kept and how they are driven; None leaves it to the settings."""

    store: str | None = None
    executor: str | None = None
    workers: int | None = None
    durability: str | None = None

    @property
    def hint(self) -> str:
        """What a command for the same store has to say."""
        return f" --store {shlex.quote(_without_password(self.store))}" if self.store else ""

    def manager(self, observers: Any = None) -> WorkflowManager:
        """A manager for these choices."""
        return WorkflowManager(
            self.store, self.executor, workers=self.workers, durability=self.durability, observers=observers
        )

    def reader(self) -> WorkflowManager:
        """A manager that looks at the runs on record. RunNotFound if there is no store yet, which looking must not
        make."""
        folder = self.folder()
        if folder is not None and not folder.is_dir():
            if self.store:
                raise NotFound(f"there is no store in {folder}")
            raise RunNotFound("there are no runs yet; start one with: penstock run FILE")
        return self.manager()

    def folder(self) -> Path | None:
        """Where the store is, if it is one in a folder."""
        name = self.store or self.settings().store
        if name == "sqlite":
            return find_home(os.environ, Path.cwd())
        return Path(name.removeprefix(SQLITE)).expanduser() if name.startswith(SQLITE) else None

    @property
    def has_store(self) -> bool:
        """Whether there is a store already, as far as that can be seen without opening it."""
        folder = self.folder()
        return folder is None or any(folder.glob("*.db"))

    def pools(self) -> dict[str, int]:
        """How many slots each pool has: those on record, and those of the settings that a run would put there. A store
        that is not there is not made."""
        pools = dict(self.settings().pools)
        if self.has_store:
            with self.manager() as manager:
                pools |= sizes(manager.parts.store)
        return pools

    def settings(self) -> Settings:
        """The settings that hold where the command line says nothing."""
        return read_settings(os.environ, Path.cwd())


def _as_json(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Output).as_json = True


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_as_json, help="Write the result as JSON, and nothing else"
)
store_option = click.option(
    "--store",
    metavar="URL",
    help="Where runs are kept: sqlite (the folder .penstock), sqlite:///FOLDER, postgresql://..., memory",
)
param_option = click.option(
    "--param",
    "params",
    metavar="K=V",
    multiple=True,
    callback=lambda ctx, parameter, value: _pairs(value),
    help="A parameter of the workflow; @FILE for what is in a file; may be repeated",
)
secret_option = click.option(
    "--secret",
    "secrets",
    metavar="K=V",
    multiple=True,
    callback=lambda ctx, parameter, value: _secrets(_pairs(value)),
    help="A secret that the run was given as a value: env:NAME, @FILE or prompt; may be repeated",
)


park_option = click.option(
    "--park", is_flag=True, help="Come back when the run only waits, and for long: resume --all goes on with it"
)


def driving_options(func: FC) -> FC:
    """The options of commands that drive a run."""
    for option in (
        json_option,
        click.option("--durability", type=click.Choice(DURABILITIES), help="What a run survives"),
        store_option,
        click.option("--workers", type=click.IntRange(1, MOST_WORKERS), help="How many tasks may run at once"),
        click.option("--executor", metavar="NAME", help="Where tasks run: threads, processes, inline (for debugging)"),
    ):
        func = option(func)
    return func


def _without_password(store: str) -> str:
    """The name of a store, fit to be shown."""
    return _PASSWORD.sub(r"\1", store)


_PASSWORD = re.compile(r"^(\w+://[^/@:]*):[^/@]*(?=@)")


def _secrets(pairs: dict[str, str]) -> dict[str, Secret[str]]:
    try:
        return {name: secret_from_text(text) for name, text in pairs.items()}
    except Unreadable as error:
        raise click.BadParameter(str(error)) from None


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs
