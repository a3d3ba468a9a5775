"""Whether a command is for the store here or for a service elsewhere: the one place where that is chosen."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from penstock.cli.output import Output
from penstock.errors import PenstockError

READING = ("runs", "show", "why", "logs", "approvals", "schedules", "next")
ASKING = ("cancel", "resume", "rerun", "approve", "reject", "send", "mark", "trigger", "pause", "unpause")
_OF_FILES = ("check", "params", "graph", "demo", "notify")
"""What is on record is nothing to these: PENSTOCK_SERVER neither."""

SERVER = "penstock.server"
"""Under this name a context knows what was given before the command."""
_HELP = "Ask the service at this address (also PENSTOCK_SERVER; its token by PENSTOCK_TOKEN)"
server_option = click.option("--server", metavar="URL", help=_HELP)


def offer(name: str, command: click.Command) -> None:
    """Give a command the option --server."""
    for each in command.commands.values() if isinstance(command, click.Group) else (command,):
        if not any(parameter.name == "server" for parameter in each.params):
            each.params.append(_option(hidden=name not in (*READING, *ASKING)))
            each.callback = _either(name, each.callback or (lambda: 0))


def _option(*, hidden: bool) -> click.Option:
    return click.Option(["--server"], metavar="URL", help=_HELP, hidden=hidden)


def _either(name: str, here: Callable[..., Any]) -> Callable[..., Any]:
    def chosen(server: str | None, **given: Any) -> Any:
        context = click.get_current_context()
        server = server or context.meta.get(SERVER)
        url = server or (os.environ.get("PENSTOCK_SERVER") or None if name not in _OF_FILES else None)
        if url is None or (server is None and given.get("store")):
            return here(**given)
        if name not in (*READING, *ASKING):
            how = "" if server is not None else ": unset PENSTOCK_SERVER"
            raise click.UsageError(f"penstock {name} works with what is on this machine, not with a service{how}")
        if given.pop("store", None):
            raise click.UsageError("give --store or --server, not both: a service has its own store")
        return _ask(name, url, context.find_object(Output) or Output(), given)

    return chosen


def _ask(name: str, url: str, output: Output, given: dict[str, Any]) -> int:
    from penstock.cli.remote.client import Client, ServerError

    module = import_module(f"penstock.cli.remote.{'reading' if name in READING else 'asking'}")
    client = Client(url, os.environ.get("PENSTOCK_TOKEN"))
    try:
        code: int = getattr(module, name)(output, client, **given)
        return code
    except (click.ClickException, PenstockError, BrokenPipeError):
        raise
    except (LookupError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise ServerError(
            f"{url} answers what no service of this version does ({type(error).__name__}: {error}): "
            "it is none of Penstock, or one of another version"
        ) from error
    finally:
        client.close()
