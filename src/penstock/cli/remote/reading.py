"""What a server tells: `runs`, `show`, `why`, `logs`, `approvals`, `schedules` and `next`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from time import sleep
from typing import TYPE_CHECKING, Any, cast

from penstock.cli import approvals as approvals_here
from penstock.cli import logs as logs_here
from penstock.cli import next as next_here
from penstock.cli import runs as runs_here
from penstock.cli import schedules as schedules_here
from penstock.cli import show as show_here
from penstock.cli import why as why_here
from penstock.cli.family import Listed, families
from penstock.cli.output import Output, drop_stdout
from penstock.cli.remote.client import Client
from penstock.cli.remote.told import (
    ToldCourse,
    ToldRun,
    approval_of,
    coming_of,
    entry_of,
    row_of,
    row_told,
    run_told,
    task_told,
    why_of,
)
from penstock.cli.show_task import tell_task
from penstock.errors import RunNotFound, TaskNotFound
from penstock.runtime.history import ENDED

if TYPE_CHECKING:
    from penstock.runtime.record import Run
    from penstock.store.base import RunRow

_MOST_FETCHED = 5_000
"""So many runs are looked through for those that are tasks of others."""
_MOST_ENTRIES = 5_000
_PAUSE = 0.5
"""Seconds between two looks at a run that is followed."""


def hint(client: Client) -> str:
    """What a command for the same server has to say."""
    return f" --server {client.url}"


def newest(client: Client) -> str:
    """The id of the newest run. RunNotFound."""
    for row in client.pages("runs", limit=1):
        return str(row["id"])
    raise RunNotFound("there are no runs yet")


def detail_of(client: Client, run_id: str | None, *include: str) -> Mapping[str, Any]:
    """A run, by default the newest."""
    found: Mapping[str, Any] = client.get("runs", run_id or newest(client), include=[*include])
    return found


# --- The commands


def runs(output: Output, client: Client, workflow: str | None, limit: int) -> int:
    """See `penstock runs`."""
    of = {"workflow": workflow} if workflow is not None else {}
    with_parts = output.as_json or workflow is not None
    found = [*client.pages("runs", limit=limit, parts=with_parts, **of)]
    if output.as_json:
        output.emit([row_told(one) for one in found])
        return 0
    if with_parts:
        asked = {one["id"]: one["approvals"] for one in found}
        listed = [Listed(0, row_of(one)) for one in found]
    else:
        since = {"since": found[-1]["created_at"]} if found else {}
        parts = [*client.pages("runs", limit=_MOST_FETCHED, parts=True, **since)] if found else []
        asked = {one["id"]: one["approvals"] for one in [*found, *parts]}
        listed = [*families(_Parts(parts), [row_of(one) for one in found])]
    table = [
        runs_here.line(one, one.row.state, asked[one.row.id]) if one.row is not None else runs_here.line(one, "", [])
        for one in listed
    ]
    runs_here.tell(output, table, workflow)
    return 0


class _Parts:
    """The runs that are tasks of others, of some that were fetched."""

    def __init__(self, summaries: list[Mapping[str, Any]]) -> None:
        self._rows = [row_of(one) for one in reversed(summaries)]

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""
        return [row for row in self._rows if row.parent == run_id]


def show(
    output: Output,
    client: Client,
    run_id: str | None,
    task: str | None,
    whole: bool,
    state: str | None,
    values: bool,
    profile: bool,
) -> int:
    """See `penstock show`."""
    if task is not None:
        tell_task(output, task_told(client.get("runs", run_id or newest(client), "tasks", task)), whole=whole)
        return 0
    detail = detail_of(client, run_id, *(["attempts"] if profile else []))
    told = ToldRun(detail)
    run = cast("Run", told)
    previews = _previews(client, told) if values else None
    asked = [approval_of(one) for one in detail["approvals"]]
    commands = [f"  penstock resume {run.id}{hint(client)}   go on with it"] if run.state in show_here.HELD_UP else []
    shown = show_here.Shown(run, run_told(detail), ToldCourse(detail, told), previews, asked, commands)
    show_here.tell(output, shown, whole=whole, state=state, profile=profile, hint=hint(client))
    return 0


def _previews(client: Client, run: ToldRun) -> dict[int, str]:
    """What each task returned, in a few words."""
    return {
        task.number: client.get("runs", run.id, "tasks", task.name, "value")["preview"]
        if task.state == "success"
        else ""
        for task in run.tasks
    }


def why(output: Output, client: Client, words: tuple[str, ...], whole: bool) -> int:
    """See `penstock why`."""
    record = _why(client, words)
    if output.as_json:
        output.emit(record)
    else:
        why_here.tell(output, why_of(record), whole)
    return 0


def _why(client: Client, words: tuple[str, ...]) -> Any:
    if len(words) == 2:
        return client.get("runs", words[0], "tasks", words[1], "why")
    run = newest(client)
    if not words:
        return client.get("runs", run, "why")
    try:
        return client.get("runs", run, "tasks", words[0], "why")
    except TaskNotFound as error:
        try:
            return client.get("runs", words[0], "why")
        except RunNotFound as other:
            raise RunNotFound(f"{other}, and {error}") from None


def logs(
    output: Output, client: Client, run_id: str | None, task: str | None, follow: bool, attempt: int | None
) -> int:
    """See `penstock logs`."""
    told = ToldRun(detail_of(client, run_id))
    run = cast("Run", told)
    writer = logs_here.JSONWriter(run.id) if output.as_json else logs_here.Writer(output, run, task, attempt)
    narrowed = {name: value for name, value in (("task", task), ("attempt", attempt)) if value is not None}
    after: dict[str, str] = {}
    found = False
    try:
        while True:
            over = not follow or client.get("runs", run.id, maps="fold")["state"] in ENDED
            page = client.get("runs", run.id, "logs", limit=_MOST_ENTRIES, **narrowed, **after)
            for record in page["items"]:
                found, after = True, {"after": record["position"]}
                writer.write(entry_of(record))
            if page["next"] is not None and page["items"]:
                continue
            if over:
                writer.close()
            sys.stdout.flush()
            if over:
                break
            sleep(_PAUSE)
    except BrokenPipeError:  # whoever reads this has enough
        drop_stdout()
        return 0
    if not found and not output.as_json:
        output.tell(f"Nothing was printed or logged by {f'task {task}' if task else f'run {run.id}'}")
    return 0


def approvals(output: Output, client: Client, run_id: str | None) -> int:
    """See `penstock approvals`."""
    records = client.get("approvals") if run_id is None else client.get("runs", run_id)["approvals"]
    approvals_here.tell(output, [approval_of(one) for one in records], run_id, hint(client))
    return 0


def schedules(output: Output, client: Client) -> int:
    """See `penstock schedules`."""
    schedules_here.tell(output, [_schedule(one) for one in client.get("schedules", by_hand=True)])
    return 0


def _schedule(one: Mapping[str, Any]) -> dict[str, Any]:
    same = ("timezone", "catchup", "max_active_runs", "deadline", "paused")
    return {
        "workflow": one["workflow"],
        "source": one["source"],
        "version": one["version"],
        "schedule": one["text"],
        **{name: one[name] for name in same},
        "next": _iso(one["next_at"]),
        "decided_until": _iso(one["upto"]),
        "error": one["error"],
        "parameters": one["parameters"],
    }


def _iso(text: str | None) -> str | None:
    return None if text is None else datetime.fromisoformat(text).isoformat()


def next(output: Output, client: Client, workflow: str | None, days: float, limit: int) -> int:
    """See `penstock next`."""
    of = {"workflow": workflow} if workflow is not None else {}
    records = client.get("next", days=days, limit=min(limit + 1, 500), **of)
    next_here.tell(output, [coming_of(one) for one in records], limit, days)
    return 0
