"""Where the fault of a cron expression lies, and what may have been meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Fault(NamedTuple):
    """What is wrong with an expression, and from which character to which."""

    message: str
    span: tuple[int, int]


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """What a value counts as; None if it is none of this field."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.first
        number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1
        return number if self.first <= number <= self.last else None


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)
_FIVE = "minute, hour, day of month, month, day of week"


def fault_of(expression: str) -> Fault:
    """What is wrong with an expression that tells no times."""
    whole = (0, len(expression))
    parts = [(match.group(), match.start()) for match in re.finditer(r"\S+", expression)]
    if expression.strip().startswith("@"):
        return Fault(_unknown_macro(expression.strip()), whole)
    if len(parts) not in (5, 6):
        return Fault(_wrong_number(len(parts)), whole)
    for field, (text, at) in zip(_FIELDS[-len(parts) :], parts, strict=True):
        for item in re.finditer(r"[^,]*(?:,|$)", text):
            message = _fault_of_item(field, item.group().rstrip(","))
            if message is not None:
                start = at + item.start()
                end = max(start + 1, at + item.start() + len(item.group().rstrip(",")))
                return Fault(f"at character {start + 1}, {field.name}: {message}", (start, end))
            if item.end() == len(text) and not item.group().endswith(","):
                break
    return Fault(f"it names no day that there is: day of month '{parts[-3][0]}' of month '{parts[-2][0]}'", whole)


def _unknown_macro(text: str) -> str:
    known = [*MACROS, "@once", "@continuous"]
    word = text.split(maxsplit=1)[0].lower()
    if word == "@every":
        return "an interval is given as a timedelta or in seconds: schedule=timedelta(minutes=5)"
    if word == "@reboot":
        return "there is no @reboot; '@once' runs a workflow once"
    if word in known:
        return f"after {word} nothing follows"
    near = get_close_matches(word, known, 1)
    return f"there is no {word}; " + (f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}")


def _wrong_number(count: int) -> str:
    if count == 7:
        return "it has 7 fields, and there is none for years: give 5, or 6 with seconds before them"
    found = "is empty" if count == 0 else f"has {count} field{'s' if count != 1 else ''}"
    return f"it {found}, and needs 5 ({_FIVE}), or 6 with seconds before them"


def _fault_of_item(field: _Field, item: str) -> str | None:
    """What is wrong with one item of a list; None if nothing is."""
    if not item:
        return "there is an empty item; remove the comma"
    body, slash, step = item.partition("/")
    if slash and not (re.fullmatch(r"[0-9]{1,9}", step) and int(step) > 0):
        return f"'/{step}' is no step: write how many steps apart, 1 or more"
    if body == "*" or (field.name == "day of month" and body.upper() in ("L", "LW")):
        return None
    if body == "?":
        return "'?' is not known; write *"
    if field.name == "day of week" and ("#" in item or item.upper().endswith("L")):
        return _fault_of_day(field, item)
    return _fault_of_range(field, body)


def _fault_of_day(field: _Field, item: str) -> str | None:
    """What is wrong with an item that is a certain one among the days of a month."""
    nth = re.fullmatch(r"(\w+)#[1-5]|([0-7])L", item, re.IGNORECASE)
    if nth is not None and field.number(nth[1] or nth[2]) is not None:
        return None
    return f"'{item}' is no day of a month: MON#1 is the first Monday, MON#5 the fifth, 1L the last"


def _fault_of_range(field: _Field, item: str) -> str | None:
    first, dash, last = item.partition("-")
    ends = [first, last] if dash else [first]
    for end in ends:
        if field.number(end) is None:
            return _no_value(field, end, item)
    if dash and (field.number(first) or 0) > (field.number(last) or 0):
        return _backwards(field, first, last)
    return None


def _no_value(field: _Field, text: str, item: str) -> str:
    span = f"{field.first} to {field.last}"
    if re.fullmatch(r"[0-9]+", text):
        midnight = "; midnight is hour 0" if (field.name, text) == ("hour", "24") else ""
        return f"{text} is not from {span}{midnight}"
    if field.names and len(text) > 3 and text[:3].upper() in field.names:
        return f"'{text}' is not known; did you mean '{text[:3].upper()}'?"
    near = get_close_matches(text.upper(), field.names, 1)
    if near:
        return f"'{text}' is not known; did you mean '{near[0]}'?"
    named = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return f"'{item}' is not known; it takes *, numbers from {span}{named}, ranges (1-5), lists (1,3) and steps (*/2)"


def _backwards(field: _Field, first: str, last: str) -> str:
    top = 6 if field.name == "day of week" else field.last
    high = field.names[-1] if field.names and not first.isdigit() else str(top)
    low = field.names[0] if field.names and not last.isdigit() else str(field.first)
    before = f"{first}-{high}" if first.upper() != high else high
    after = f"{low}-{last}" if last.upper() != low else low
    return f"{first}-{last} runs backwards; did you mean '{before},{after}'?"
