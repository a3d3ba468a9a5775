"""What goes wrong, as problems of RFC 9457: one form for every error that the API gives."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from penstock import errors

PROBLEM = "application/problem+json"
_LOG = logging.getLogger("penstock.api")


class Fault(BaseModel):
    """What is wrong with one part of what was asked."""

    place: str = Field(description="Which part", examples=["query.limit"])
    message: str = Field(examples=["Input should be less than or equal to 500"])


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="What sort of problem it is", examples=["urn:penstock:run-not-found"])
    title: str = Field(description="The same in words", examples=["Run not found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What is wrong here, and what to do", examples=["no run has an id that begins 'x'"])
    instance: str | None = Field(default=None, description="What was asked for", examples=["/api/v1/runs/x"])
    errors: list[Fault] | None = Field(
        default=None, description="Of a request that is not well formed, all that is wrong"
    )


class Refused(Exception):  # it is how a request ends, no fault of this program
    """A request that is not done, for a reason of the API's own."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers


_STATUS: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((errors.RunNotFound, errors.TaskNotFound, errors.PoolNotFound, errors.ScheduleNotFound), 404),
    ((errors.RunLocked, errors.LeaseLost, errors.PlanMismatch, errors.RunEnded, errors.NotWaiting), 409),
    ((errors.LogicalTimeTaken,), 409),
    ((errors.ValueUnavailable,), 410),
    ((errors.DefinitionError, errors.LoadError), 422),
    ((errors.StoreError,), 503),
    ((errors.PenstockError,), 422),
)


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    instance: str | None = None,
    faults: Sequence[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what went wrong."""
    told = Problem(
        type=f"urn:penstock:{kind}",
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=_readable(detail),
        instance=instance,
        errors=None if faults is None else list(faults),
    )
    return JSONResponse(told.model_dump(exclude_none=True), status, headers, media_type=PROBLEM)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the problems that a request may have, besides those that any may have."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses}


def install(app: FastAPI) -> None:
    """Have the app tell every error so."""

    @app.exception_handler(errors.PenstockError)
    async def known(request: Request, error: errors.PenstockError) -> Response:
        status = next(status for kinds, status in _STATUS if isinstance(error, kinds))
        if status == 503:
            _LOG.error("%s %s: %s", request.method, request.url.path, error)
        return problem(status, _kind(error), str(error), instance=_asked(request))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return problem(error.status, error.kind, error.detail, instance=_asked(request), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [Fault(place=".".join(map(str, one["loc"])), message=one["msg"]) for one in error.errors()]
        detail = "; ".join(f"{_readable(fault.place)}: {fault.message}" for fault in faults[:5])
        faults = [Fault(place=_readable(one.place), message=_readable(one.message)) for one in faults[:100]]
        return problem(422, "invalid-request", detail, instance=_asked(request), faults=faults)

    @app.exception_handler(UnicodeError)
    async def unreadable(request: Request, error: UnicodeError) -> Response:
        return problem(422, "not-text", f"some text is not valid: {error}", instance=_asked(request))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        kind = phrase.lower().replace(" ", "-")
        detail = str(error.detail) if error.detail != phrase else f"{request.method} {_asked(request)}: {phrase}"
        headers = error.headers
        if error.status_code == 405:
            headers = {"Allow": ", ".join(request.app.state.allowed(request.url.path))}
        return problem(error.status_code, kind, detail, instance=_asked(request), headers=headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
        detail = f"this should not happen: {type(error).__name__}; the log of the server tells more, please report it"
        return problem(500, "unforeseen", detail, instance=_asked(request))


def _kind(error: BaseException) -> str:
    """ "run-not-found" of RunNotFound."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(
        f"-{letter.lower()}" if letter.isupper() and place else letter.lower() for place, letter in enumerate(name)
    )


def _asked(request: Request) -> str:
    return _readable(request.url.path)


def _readable(text: str) -> str:
    """A text that JSON in UTF-8 can carry."""
    return text.encode("utf-8", "replace").decode()
