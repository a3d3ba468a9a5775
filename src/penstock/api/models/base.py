"""What the models of the API are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Item = TypeVar("Item")

Time = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-22T06:00:00.000Z"], title="Time")
]
"""A time in ISO 8601, UTC, to the millisecond."""
Seconds = Annotated[float, Field(description="Seconds")]
RunState = Annotated[str, Field(examples=["success"], description="State of a run")]
TaskState = Annotated[str, Field(examples=["failed"], description="State of a task")]


def _whole(given: object) -> object:
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _text(given: object) -> object:
    if isinstance(given, str) and "-" in given[1:]:
        return given
    raise ValueError("it is a date and a time in ISO 8601, such as 2026-11-22T06:00:00Z")


Moment = Annotated[datetime, BeforeValidator(_text)]
"""A time that is asked for: a text, and no number of seconds."""
Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
"""A whole number as JSON has it: 4 and 4.0 are the same, and "4" and true are none."""


class Answer(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(frozen=True)


class Ask(BaseModel):
    """What the API takes: nothing but what it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Answer):
    """The time whose data a run deals with."""

    start: Time | None
    end: Time | None = Field(description="Which itself is not in it")


class Page(Answer, Generic[Item]):
    """A part of a list, and where the next one begins."""

    items: list[Item]
    next: str | None = Field(
        default=None, description="The cursor of the next page; null if this is the last one", examples=["MTc2Mzg1MA"]
    )
