"""The command `penstock`: finds its subcommands, and turns whatever they raise into a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import cast

import click

from penstock import __version__
from penstock.cli.failures import report
from penstock.cli.output import Output, drop_stdout
from penstock.cli.remote.choosing import SERVER, offer, server_option

COMMANDS = {
    "run": "Run the workflow in a file",
    "check": "Check workflows without running them",
    "params": "Show the parameters of a workflow, or their JSON Schema",
    "graph": "Draw a workflow as text, Mermaid, dot or SVG",
    "runs": "List the runs on record, newest first",
    "show": "Show a run: its state, what failed, its tasks",
    "why": "Say why a task waits, was skipped, failed or ran again, down to the first cause",
    "debug": "Run a task of a run again in a debugger, with the inputs that it had, and record nothing",
    "logs": "Show what the tasks of a run printed and logged",
    "resume": "Go on with a run that failed or was stopped",
    "rerun": "Run parts of a run again, done or not",
    "mark": "Take tasks for a success, a failure or skipped, without running them",
    "cancel": "Stop a run, from any terminal",
    "approvals": "List what waits for somebody's decision",
    "approve": "Approve what a task waits for, and answer what it asks",
    "reject": "Reject what a task waits for",
    "send": "Send a run a message, for the task that waits for it",
    "pool": "Pools of slots that tasks of all runs share: list, set, delete",
    "serve": "Run the workflows of a folder when they are due, as a service",
    "schedules": "List the workflows that a service has found, and when they are due",
    "next": "Show when workflows are due within the next days",
    "trigger": "Have a service run a workflow now",
    "pause": "Begin no runs of a workflow by its schedule for a while",
    "unpause": "Let a workflow run by its schedule again",
    "notify": "See whether a notifier of the settings works",
    "db": "Look after the store: check it, back it up, forget what is old",
    "demo": "Run the example pipeline on the flights of New York in 2013",
}
"""Each command with its help in one line, so that `penstock --help` imports none of them. A command's module has its
name, and in it `command`."""

EPILOG = """\b
RUN is a run's id or the beginning of one; without it, the newest run is meant.
Exit codes: 0 success, 1 a run failed, 2 usage or a bad workflow, 3 not found, 4 conflict or locked, 130 interrupted.
"""


class Commands(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        command = cast(click.Command, import_module(f"penstock.cli.{cmd_name}").command)
        for each in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            if not any(parameter.name == "debug" for parameter in each.params):
                each.params.append(_debug_option())
        offer(cmd_name, command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, or an error with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean '{near[0]}'?" if near else "see penstock --help"
            ctx.fail(f"there is no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _debug_option() -> click.Option:
    help_text = "Show the traceback of an error (also PENSTOCK_DEBUG=1)"
    return click.Option(["--debug"], is_flag=True, expose_value=False, help=help_text)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=EPILOG,
)
@click.version_option(__version__, message="penstock %(version)s")
@server_option
@click.pass_context
def root(ctx: click.Context, server: str | None) -> None:
    """Workflows in Python that survive: check, run, watch and resume them."""
    ctx.meta[SERVER] = server
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


root.params.append(_debug_option())


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. What it raises is reported, not passed on."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # an odd byte in a name must not keep it from being shown
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    output = Output(as_json="--json" in own)
    debug = "--debug" in own or os.environ.get("PENSTOCK_DEBUG", "0") not in ("", "0")
    try:
        code = root.main(list(arguments), prog_name="penstock", standalone_mode=False, obj=output)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # whoever read the output has enough
        drop_stdout()
        return 0
    except click.Abort:  # what click makes of Ctrl-C, and of the end of input where it asks
        return report(KeyboardInterrupt(), output, debug=debug)
    except SystemExit:
        raise
    except BaseException as error:
        return report(error, output, debug=debug)
