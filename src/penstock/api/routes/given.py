"""What requests to several routes bring with them."""

from __future__ import annotations

from getpass import getuser
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request

from penstock.api.models.runs import RUN
from penstock.api.problems import Refused, described
from penstock.api.reading import Reading
from penstock.api.service import Service

MOST_OF_A_PAGE = 500


async def _reading(request: Request) -> Reading:
    found: Reading = request.app.state.reading
    return found


async def _service(request: Request) -> Service:
    service = (await _reading(request)).service
    if service is None:
        raise Refused(503, "nobody-drives", "this server cannot have runs driven: penstock serve does")
    return service


Read = Annotated[Reading, Depends(_reading)]
Drives = Annotated[Service, Depends(_service)]
RunId = Annotated[
    str,
    Path(
        pattern=r"^[0-9A-Za-z_-]{1,64}$",
        description="The run's id, or the first characters of it, if no other begins so",
        openapi_examples={"run": {"value": RUN}},
    ),
]
TaskName = Annotated[
    str,
    Path(
        min_length=1, max_length=1_000, description="The task's name; of an instance of a map with its index, load[3]"
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST_OF_A_PAGE, description="How many at most")]
Cursor = Annotated[str | None, Query(max_length=500, description="Where the page begins: `next` of the one before")]
OF_A_RUN: dict[int | str, dict[str, Any]] = described(404)


def name_of(by: str | None) -> str:
    """Who asks."""
    return getuser() if by is None else by
