"""`penstock notify`: see whether a notifier of the settings works."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option
from penstock.cli.output import Output
from penstock.errors import NoticeRefused, PenstockError, TryLater

if TYPE_CHECKING:
    from penstock.runtime.observer import Notifier


@click.command("notify")
@click.argument("name")
@click.option("--test", is_flag=True, help="Send it a notice that says it is a test")
@json_option
@click.pass_obj
def command(output: Output, name: str, test: bool) -> int:
    """Make the notifier NAME as the settings say, and with --test send it a notice.

    The notice is that of a run which never was; it is not kept, not counted and not tried again.
    """
    from penstock.parts import create_notifiers
    from penstock.runtime.home import read_settings

    settings = read_settings(os.environ, Path.cwd())
    known = [*dict.fromkeys([*settings.notifiers, *settings.notifier_options])]
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none"
        raise PenstockError(f"the settings name no notifier '{name}'; {there}")
    notifier = create_notifiers(replace(settings, notifiers=(name,)))[name]
    if test:
        _send(name, notifier)
    if output.as_json:
        output.emit({"notifier": name, "sent": test})
    else:
        output.say(f"Notifier '{name}' has taken a test notice" if test else f"The settings of notifier '{name}' fit")
    return 0


def _send(name: str, notifier: Notifier) -> None:
    import time

    from penstock.policy import ErrorText, Notice

    id = os.urandom(6).hex()
    error = ErrorText("Test", "this is a test of the notifier's settings; nothing has failed")
    place = f"{id}/0/run_failed/{name}"
    notice = Notice(place, "run_failed", id, "penstock-notify", None, 0, 0, time.time(), error, name)
    try:
        notifier.notify(notice)
    except (NoticeRefused, TryLater) as refusal:
        raise PenstockError(f"notifier '{name}' did not take the test notice: {refusal}") from refusal
    except Exception as failure:
        text = f"{type(failure).__name__}: {failure}"
        raise PenstockError(f"notifier '{name}' did not take the test notice: {text}") from failure
