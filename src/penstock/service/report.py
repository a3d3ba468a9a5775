"""What a file with workflows has, as data: for those who must not import it."""

from __future__ import annotations

import os
import sys
import traceback
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import cleandoc
from itertools import takewhile
from pathlib import Path
from typing import Any

from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import PenstockError
from penstock.plan.compile import Compiled, compile_workflow
from penstock.runtime.loader import Flow, Loaded, look_into
from penstock.service.forking import has_threads
from penstock.service.wire import Message

_OWN = str(Path(__file__).parents[1])
_THRESHOLD = "penstock.service.threshold"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was imported."""

    file: str
    folder: str
    """Where the workflows of the service are."""
    loaded: tuple[Loaded, ...] = ()
    error: Message | None = None
    """Why it cannot be imported: "text" in a line or more, "traceback" as far as it is the user's."""

    def workflow(self, name: str) -> Loaded:
        """The workflow of a name. PenstockError if it has none."""
        if self.error is not None:
            raise PenstockError(self.error["text"])
        for loaded in self.loaded:
            if loaded.flow.name == name:
                return loaded
        raise PenstockError(f"{self.file} has no workflow '{name}'")


def load_file(file: str, folder: str) -> Found:
    """Import a file."""
    try:
        return Found(file, folder, tuple(look_into(file)))
    except (Exception, SystemExit) as error:
        return Found(file, folder, error=fault_of(error))


def fault_of(error: BaseException) -> Message:
    """What is wrong, for people."""
    text = str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
    return {"text": text, "traceback": users_part(error.__cause__ or error)}


def users_part(error: BaseException) -> str:
    """A traceback without what is not the user's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", _OWN + os.sep))
    ]
    told = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    return "".join([*told, *traceback.format_exception_only(error)])


def report_of(found: Found) -> Message:
    """What is told of a file."""
    return {
        "file": found.file,
        "error": found.error,
        "imported": imported_from(found.folder),
        "threads": has_threads(),
        "workflows": [_workflow(loaded) for loaded in found.loaded],
    }


def imported_from(folder: str) -> list[str]:
    """The files of the folder that have been imported: a change of one is a change of the code."""
    newest = takewhile(lambda name: name != _THRESHOLD, reversed([*sys.modules]))
    modules = [sys.modules.get(name) for name in newest]
    paths = {os.path.abspath(str(getattr(module, "__file__", None) or "")) for module in modules}
    return sorted(path for path in paths if path.startswith(folder + os.sep) and path.endswith(".py"))


def _workflow(loaded: Loaded) -> Message:
    """What is told of a workflow. One that is not well formed has an error, and harms no other."""
    from penstock.definition.schema import schema_of
    from penstock.service.schedules import as_data, deadline_as_data

    flow = loaded.flow
    told: Message = {"name": flow.name, "source": loaded.source, "where": flow.where, "fault": None, "schedule": None}
    told |= {"parameters": {}, "missing": [], "deadline": None, "plan": None, "description": _about(flow)}
    told["shape"] = None
    try:
        func: Any = getattr(flow, "func", None)
        told["parameters"] = schema_of(flow.name, flow.parameters, func)
        told["missing"] = [p.name for p in flow.parameters.values() if p.required and p.name not in loaded.values]
        if not told["missing"]:
            told |= compiled_as_data(loaded, loaded.values)
            told["shape"] = told["plan"]
        elif not {*told["missing"]} & {*getattr(flow, "build_names", ())}:
            told["shape"] = _shape(loaded)
        told["deadline"] = deadline_as_data(flow)
        told["schedule"] = as_data(flow)
    except Exception as error:
        told["fault"] = fault_of(error)
    return told


def _about(flow: Flow) -> str:
    doc = getattr(flow, "description", None) or getattr(getattr(flow, "func", None), "__doc__", None) or ""
    return cleandoc(doc).partition("\n\n")[0]


def compiled_as_data(loaded: Loaded, given: Mapping[str, Any]) -> Message:
    """The plan of a run with these parameters, and the parameters as they are kept with it."""
    from penstock.plan.codec import encode
    from penstock.plan.fingerprint import fingerprint
    from penstock.runtime.given import kept, refuse_secrets_in

    compiled, params = _compile(loaded, given)
    refuse_secrets_in(compiled.plan)
    plan = encode(compiled.plan)
    return {
        "plan": b64encode(plan).decode(),
        "fingerprint": fingerprint(plan),
        "tasks": len(compiled.plan),
        "params": kept(compiled.plan.workflow, compiled.parameters, params),
    }


def _shape(loaded: Loaded) -> str:
    """The plan, of a workflow whose parameters do not shape it."""
    from penstock.code.identity import Identify
    from penstock.plan.codec import encode

    flow = loaded.flow
    workflow = flow.build(loaded.values) if isinstance(flow, WorkflowFunction) else flow
    return b64encode(encode(compile_workflow(workflow, Identify()).plan)).decode()


def recompiled_as_data(loaded: Loaded, kept_params: str, recorded: bytes) -> Message:
    """The plan that a run goes on with whose parameters and plan were kept."""
    from penstock.code.identity import Identify
    from penstock.plan.codec import decode, encode
    from penstock.results.tagged_json import loads
    from penstock.runtime.given import as_they_were
    from penstock.runtime.selection import Selection, select

    flow = loaded.flow
    params = {name: value for name, value in loads(kept_params).items() if name in flow.parameters}
    given = as_they_were(flow.parameters, params)
    workflow = flow.build(given) if isinstance(flow, WorkflowFunction) else flow
    compiled = select(compile_workflow(workflow, Identify()), Selection.of(decode(recorded)))
    return {"plan": b64encode(encode(compiled.plan)).decode()}


def _compile(loaded: Loaded, given: Mapping[str, Any]) -> tuple[Compiled, dict[str, Any]]:
    from penstock.code.identity import Identify
    from penstock.definition.params import bind
    from penstock.runtime.given import read_secrets

    flow = loaded.flow
    bound = bind(flow.name, flow.parameters, given, where=flow.where)
    workflow = flow.build(bound) if isinstance(flow, WorkflowFunction) else flow
    compiled = compile_workflow(workflow, Identify())
    return compiled, read_secrets(flow.name, compiled.parameters, bound)
