"""What the API asks of a service, from its own threads: each request waits until it is on record, or taken."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, Any

from penstock import errors
from penstock.errors import PenstockError, RunLocked, RunNotFound, ScheduleNotFound
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.service.catalog import Known
from penstock.service.fleet import Handed
from penstock.service.rows import new_run
from penstock.service.service import Service, health_of
from penstock.service.wire import Message

if TYPE_CHECKING:
    from penstock.runtime.choosing import Choice
    from penstock.store.base import RunRow

PATIENCE = 60.0
"""Seconds after which an answer is not waited for any longer."""


class Asking:
    """See penstock.api.service.Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def resume(self, run_id: str, by: str) -> None:
        """Go on with a run, as by hand. RunLocked if somebody drives it."""
        self._set_going(run_id, {"do": "resume", "by": by})

    def rerun(self, run_id: str, choice: Choice, by: str) -> None:
        """Run parts of a run again."""
        chosen = {
            "only": [*choice.only],
            "from_": [*choice.from_],
            "failed": choice.failed,
            "where": [*choice.where],
        }
        self._set_going(run_id, {"do": "rerun", "by": by, "choice": chosen})

    def plan_of(self, run_id: str) -> Plan | None:
        """The plan that a run would go on with, by the code as it is now; None if that is not known."""
        store = self._service.store
        row = store.run(run_id)
        if row.parent is not None or self._service.catalog.workflows.get(row.workflow) is None:
            return None
        recorded = b64encode(store.plan(row.plan)).decode()
        asked = {"role": "plan", "workflow": row.workflow, "params": row.params, "recorded": recorded}
        return _plan(self._ask_code(self._known(row.workflow), asked)["plan"])

    def plan(self, workflow: str) -> Plan | None:
        """The plan of a workflow, by the code as it is now; None where a parameter without a value shapes it."""
        known = self._service.catalog.workflows.get(workflow)
        return _plan(known.told["shape"]) if known is not None and known.told["shape"] else None

    def trigger(
        self, workflow: str, params: Mapping[str, Any], *, run_id: str, by: str, logical_at: datetime | None = None
    ) -> None:
        """Put a run of a workflow on record under this id; if it is there already, nothing is done. ParameterError for
        wrong parameters, LogicalTimeTaken if there was a run for this time."""
        service = self._service
        try:
            if service.store.run(run_id).id == run_id:
                return
        except RunNotFound:
            pass
        known = self._known(workflow)
        compiled = self._ask_code(known, {"role": "compile", "workflow": workflow, "params": dict(params)})
        zone = (known.schedule or {}).get("timezone")
        at = logical_at.timestamp() if logical_at is not None else None

        def put(future: Future[None]) -> None:
            row = new_run(
                *(workflow, known.source, compiled, service.clock.time()),
                trigger="manual",
                logical_at=at,
                timezone=zone if at is not None else None,
                run_id=run_id,
            )
            service.put_run(row, compiled["plan"])
            future.set_result(None)

        service.loop.ask(put, PATIENCE)

    def health(self) -> Mapping[str, Any]:
        """What there is to say of it; "problem" if it is not well."""
        return health_of(self._service)

    # --- How

    def _known(self, workflow: str) -> Known:
        known = self._service.catalog.workflows.get(workflow)
        if known is None:
            raise ScheduleNotFound(f"this service knows no workflow '{workflow}'")
        if known.error is not None:
            raise PenstockError(f"workflow '{workflow}' cannot be run as it is: {known.error}")
        return known

    def _ask_code(self, known: Known, asked: Message) -> Message:
        def begin(future: Future[Message]) -> None:
            def hear(message: Message) -> None:
                if "answer" in message:
                    _settle(future, message["answer"])
                elif "fault" in message:
                    _settle(future, _error(message["kind"], message["fault"]["text"]))

            gone = PenstockError(f"the process that was asked about '{known.name}' has ended")
            self._service.ask_code(known, asked, hear, lambda: _settle(future, gone))

        return self._service.loop.ask(begin, PATIENCE)

    def _set_going(self, run_id: str, how: Message) -> None:
        service = self._service

        def begin(future: Future[None]) -> None:
            row = service.store.run(run_id)
            if row.id in service.fleet.assigned or service.store.holder(row.id) is not None:
                raise RunLocked(f"run {row.id} is being driven")
            handed = service.adopter.handed(row)
            if handed is None:
                raise PenstockError(self._why_not(row))
            service.fleet.give(handed._replace(how=how), _listener(future))

        service.loop.ask(begin, PATIENCE)

    def _why_not(self, row: RunRow) -> str:
        known = self._service.catalog.workflows.get(row.workflow)
        why = known.error if known is not None else None
        return f"run {row.id} cannot go on here: {why or 'its file is none of this service'}"


def _listener(future: Future[None]) -> Callable[[Handed, Message], None]:
    def hear(run: Handed, message: Message) -> None:
        problem = message.get("missed") or message.get("error")
        _settle(future, _error(message.get("kind", ""), problem) if problem else None)

    return hear


def _settle(future: Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


def _error(kind: str, text: str) -> PenstockError:
    found = getattr(errors, kind, PenstockError)
    is_ours = isinstance(found, type) and issubclass(found, PenstockError)
    try:
        return found(text) if is_ours else PenstockError(text)
    except TypeError:  # one that is made of more than a text
        return PenstockError(text)


def _plan(encoded: str) -> Plan:
    return decode(b64decode(encoded))
