"""A process for one question: what a run of a workflow would be with these parameters, or when it is due next."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from penstock.runtime.given import read_texts
from penstock.service.report import Found, compiled_as_data, fault_of, recompiled_as_data
from penstock.service.wire import Message, Wire


def answer(found: Found, wire: Wire, asked: Message) -> None:
    """Answer, and end."""
    try:
        wire.send({"answer": _ANSWERS[asked["role"]](found, asked)})
    except Exception as error:
        wire.send({"fault": fault_of(error), "kind": type(error).__name__})


def _compile(found: Found, asked: Message) -> Message:
    """The plan of a run. Its parameters are given as JSON; a text stands for what it does on a command line."""
    loaded = found.workflow(asked["workflow"])
    given = {**loaded.values, **read_texts(loaded.flow.name, loaded.flow.parameters, as_texts(asked["params"]))}
    return {**compiled_as_data(loaded, given), "source": loaded.source}


def as_texts(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as texts. An "@" at the beginning of one that came as JSON names no file."""
    return {
        name: f"@{value}"
        if isinstance(value, str) and value.startswith("@")
        else value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in params.items()
    }


def _ticks(found: Found, asked: Message) -> Message:
    """The next instants of a timetable that only its own code knows."""
    from penstock.service.schedules import ticks_as_data

    return ticks_as_data(found.workflow(asked["workflow"]).flow, asked["after"], asked["count"])


def _plan(found: Found, asked: Message) -> Message:
    """The plan that a run would go on with."""
    return recompiled_as_data(found.workflow(asked["workflow"]), asked["params"], b64decode(asked["recorded"]))


_ANSWERS = {"compile": _compile, "ticks": _ticks, "plan": _plan}
