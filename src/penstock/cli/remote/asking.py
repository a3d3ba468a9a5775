"""What a server is asked to do: to cancel, resume, rerun, decide, send, mark, trigger, pause and unpause."""

from __future__ import annotations

import os
from collections.abc import Mapping
from getpass import getuser
from time import monotonic, sleep
from typing import Any

import click

from penstock.cli import pause as pause_here
from penstock.cli.failures import FAILED
from penstock.cli.output import Output
from penstock.cli.remote.client import Client
from penstock.cli.remote.reading import detail_of, hint, newest
from penstock.cli.remote.told import run_told
from penstock.cli.send import value_given
from penstock.cli.verdict import answers_given, content_of
from penstock.definition.answers import answer_from_texts
from penstock.definition.asking import inputs_of
from penstock.errors import NotWaiting, PenstockError, RunEnded
from penstock.observe.words import count
from penstock.runtime.history import ENDED
from penstock.timetable.zones import zone

_PAUSE = 0.3
_PATIENCE = 30.0
"""Seconds for which a service is given to begin with what it was asked for."""


def cancel(output: Output, client: Client, run_id: str | None, no_wait: bool) -> int:
    """See `penstock cancel`."""
    detail = detail_of(client, run_id)
    run = detail["id"]
    if detail["state"] in ENDED:
        raise RunEnded(f"run {run} has ended already: {detail['state']}")
    client.post("runs", run, "cancel", body={"by": getuser()})
    detail = client.get("runs", run)
    while not no_wait and detail["state"] not in (*ENDED, "waiting"):
        sleep(_PAUSE)
        detail = client.get("runs", run)
    if output.as_json:
        output.emit(run_told(detail))
    elif detail["state"] not in ENDED:
        output.say(f"Run {run} is asked to end")
    else:
        is_cancelled = detail["state"] == "cancelled"
        ended = "was cancelled" if is_cancelled else f"ended before it could be cancelled: {detail['state']}"
        output.say(f"Run {run} {ended} ({_counts(detail)})")
    return 0


def resume(
    output: Output,
    client: Client,
    run_id: str | None,
    everything: bool,
    watch: bool,
    park: bool,
    secrets: Mapping[str, Any],
    **driving: Any,
) -> int:
    """See `penstock resume`: the service drives it, and this waits for it."""
    if everything or watch or park or secrets or any(value is not None for value in driving.values()):
        raise click.UsageError("a service drives its runs by its own settings: it is asked to resume RUN, and no more")
    detail = detail_of(client, run_id)
    if detail["state"] == "success":
        return _told(output, client, detail, "has succeeded already: nothing is left to do")
    client.post("runs", detail["id"], "resume", body={"by": getuser()})
    return _wait(output, client, detail)


def rerun(
    output: Output,
    client: Client,
    run_id: str | None,
    from_: tuple[str, ...],
    only: tuple[str, ...],
    failed: bool,
    where: tuple[str, ...],
    dry_run: bool,
    secrets: Mapping[str, Any],
    **driving: Any,
) -> int:
    """See `penstock rerun`: the service drives it, and this waits for it."""
    if not (from_ or only or failed or where):
        raise click.UsageError("say what to run again: --from TASK, --only TASK, --failed or --where STATE")
    if secrets or any(value is not None for value in driving.values()):
        raise click.UsageError(
            "a service drives its runs by its own settings: it is asked what to run again, and no more"
        )
    choice = {"from": [*from_], "only": [*only], "failed": failed, "where": [*where]}
    run = run_id or newest(client)
    if dry_run:
        preview = client.post("runs", run, "rerun", "preview", body=choice)
        tasks = [{"id": one["id"], "map_index": one["map_index"]} for one in preview["tasks"]]
        if output.as_json:
            output.emit({"id": preview["id"], "workflow": preview["workflow"], "tasks": tasks})
            return 0
        output.say(f"Would run {count(len(tasks), 'task')} of run {preview['id']} again:")
        for one in tasks:
            index = "" if one["map_index"] is None else f"[{one['map_index']}]"
            output.say(output.clean(f"  {one['id']}{index}"))
        return 0
    detail = client.get("runs", run)
    client.post("runs", detail["id"], "rerun", body={**choice, "by": getuser()})
    return _wait(output, client, detail)


def _wait(output: Output, client: Client, before: Mapping[str, Any]) -> int:
    """Wait until a run that was asked to go on has ended, or is parked; Ctrl-C ends the waiting only."""
    run, began = before["id"], monotonic()
    output.tell(f"Run {run} is to go on; Ctrl-C stops the waiting only")
    while True:
        detail = client.get("runs", run)
        has_moved = detail["position"] != before["position"]
        if detail["state"] in (*ENDED, "waiting") and has_moved:
            return _told(output, client, detail, f"is {detail['state']} ({_counts(detail)})")
        if not has_moved and monotonic() - began > _PATIENCE:
            return _told(output, client, detail, "has not begun again by now: its service may know more")
        sleep(_PAUSE)


def _told(output: Output, client: Client, detail: Mapping[str, Any], text: str) -> int:
    if output.as_json:
        output.emit(run_told(detail))
    else:
        output.say(f"Run {detail['id']} {text}")
        if detail["state"] == "failed":
            output.say(f"  penstock show {detail['id']}{hint(client)}")
    return 0 if detail["state"] in ("success", "waiting") else FAILED


def approve(output: Output, client: Client, **given: Any) -> int:
    """See `penstock approve`."""
    return _decide(output, client, "approve", **given)


def reject(output: Output, client: Client, **given: Any) -> int:
    """See `penstock reject`."""
    return _decide(output, client, "reject", **given)


def _decide(
    output: Output,
    client: Client,
    way: str,
    run_id: str,
    task: str,
    answers: tuple[str, ...],
    note: str,
    by: str | None,
) -> int:
    texts = answers_given(answers)
    detail = client.get("runs", run_id)
    asked = next((one for one in detail["approvals"] if one["task"] == task), None)
    if asked is None and texts:
        raise NotWaiting(f"task '{task}' of run {detail['id']} does not wait for a decision")
    values = (
        answer_from_texts(f"task '{task}'", _optional(inputs_of(asked["inputs"])), texts) if asked and texts else {}
    )
    body = {"task": task, "values": values, "note": note, "by": getuser() if by is None else by}
    told = client.post("runs", detail["id"], way, body=body)
    detail = client.get("runs", detail["id"])
    if output.as_json:
        output.emit(run_told(detail))
        return 0
    said = "approved" if way == "approve" else "rejected"
    if any(one["task"] == task for one in detail["approvals"]):
        output.say(
            f"Task {task} of run {detail['id']} is {said}: that counts when the run goes on, which is {told['state']}"
        )
    else:
        output.say(output.clean(f"Task {task} of run {detail['id']} is {said} by {body['by']}"))
    return 0


def _optional(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, none of which must be given here: the server says what is missing."""
    from dataclasses import replace

    return {name: replace(one, default=None) for name, one in inputs.items()}


def send(output: Output, client: Client, run_id: str, topic: str, value: str | None, text: bool, by: str | None) -> int:
    """See `penstock send`."""
    message = None if value is None else value_given(value, as_text=text)
    body = {"topic": topic, "value": message, "by": getuser() if by is None else by}
    told = client.post("runs", run_id, "messages", body=body, key=os.urandom(8).hex())
    if output.as_json:
        output.emit({"run": told["run"], "state": told["state"], "topic": topic})
        return 0
    later = "" if told["state"] == "running" else f": it counts when the run goes on, which is {told['state']}"
    output.say(f"Sent run {told['run']} a message '{output.clean(topic)}'{later}")
    return 0


def mark(output: Output, client: Client, run_id: str, tasks: tuple[str, ...], state: str, note: str) -> int:
    """See `penstock mark`."""
    ask = {"tasks": [*tasks], "as": state}
    preview = client.post("runs", run_id, "mark", "preview", body=ask)
    told = client.post("runs", preview["id"], "mark", body={**ask, "note": note, "by": getuser()})
    if output.as_json:
        output.emit(run_told(client.get("runs", preview["id"])))
        return 0
    marked = count(len(preview["tasks"]), "task")
    output.say(f"Marked {marked} of run {preview['id']} as {state}: the run is {told['state']} now")
    if told["state"] == "interrupted":
        output.say(f"  penstock resume {preview['id']}{hint(client)}   go on")
    return 0


def trigger(output: Output, client: Client, workflow: str, params: dict[str, str], logical_at: str | None) -> int:
    """See `penstock trigger`."""
    known = client.get("workflows", workflow)
    inputs = _optional(inputs_of(known["parameters"]))
    unknown = [name for name in params if name not in inputs]
    texts = {name: _content(name, text) for name, text in params.items()}
    values = dict(texts) if unknown else answer_from_texts(f"workflow '{workflow}'", inputs, texts)
    body: dict[str, Any] = {"params": values, "by": getuser()}
    if logical_at is not None:
        timezone = known["schedule"]["timezone"] if known["schedule"] is not None else "UTC"
        body["logical_time"] = _moment(logical_at, timezone)
    run = client.post("workflows", workflow, "runs", body=body, key=os.urandom(8).hex())
    if output.as_json:
        output.emit({"id": run["id"], "workflow": run["workflow"], "state": run["state"]})
    else:
        output.say(f"Run {run['id']} of {output.clean(run['workflow'])} is queued: a service begins it")
        output.say(f"  penstock show {run['id']}{hint(client)}")
    return 0


def _content(name: str, text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    return content_of(name, text[1:]) if text.startswith("@") and text[1:] else text


def _moment(text: str, timezone: str) -> str:
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time: write it as 2026-01-31T06:00", param_hint="--logical-at"
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone(timezone))).isoformat()


def pause(output: Output, client: Client, workflow: str) -> int:
    """See `penstock pause`."""
    return _set_paused(output, client, workflow, paused=True)


def unpause(output: Output, client: Client, workflow: str) -> int:
    """See `penstock unpause`."""
    return _set_paused(output, client, workflow, paused=False)


def _set_paused(output: Output, client: Client, workflow: str, *, paused: bool) -> int:
    was_paused = bool(client.get("workflows", workflow)["paused"])
    told = client.post("workflows", workflow, "pause" if paused else "unpause")
    if told["paused"] is not paused:
        raise PenstockError(f"workflow '{workflow}' is {'not ' if paused else ''}paused all the same")
    pause_here.tell(output, told["workflow"], paused, was_paused=was_paused, is_scheduled=told["text"] is not None)
    return 0


def _counts(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{number:,} {state}" for state, number in detail["counts"].items())
