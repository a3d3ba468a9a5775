"""Why mutants survive that no test should notice, by their names. Most of them do what the original does."""

from __future__ import annotations

_FALSY = "the same: whoever asks takes None for False"
_NEVER_READ = "the same: it is set anew before anybody reads it"
_FOR_SIZE = "the same plan comes back; only the number of bytes is another"
_SET = "the same: what is made of it is a set. Sorted, since nothing here depends on the order of a set"

REASONS: dict[str, str] = {
    # --- engine/audit.py, engine/audit_states.py
    "engine/audit.py:Audit.__init__: `False` -> `None`": _FALSY,
    "engine/audit.py:Audit._driver_stopped: `False` -> `None`": _FALSY,
    "engine/audit.py:Audit._end_run: `False` -> `None`": _FALSY,
    # --- engine/columns.py
    "engine/columns.py:Columns._move: `raise InvalidEvent(f'a {self.task_state(task).label} task cannot move by "
    "{cause.name}', self.stor...` -> `pass`": "a guard that nothing reaches: each move that is made is in the table",
    # --- engine/states.py
    "engine/states.py:(module): `1` -> `2`": "the same: any number below 0 says that there is no such move",
    # --- plan
    "plan/codec.py:encode: `json.dumps(columns, separators=(',', ':'))` without `separators=(',', ':')`": _FOR_SIZE,
    "plan/codec.py:encode: `1` -> `2`": _FOR_SIZE,
    "plan/graph.py:_on_cycles: `sorted(alive)` -> `list(alive)`": _SET,
    "plan/graph.py:reach: `sorted(reached)` -> `list(reached)`": _SET,
    "plan/naming.py:(module): `'__penstock_file__'` -> `'__penstock_file___'`": (
        "the same: a name that nobody else uses, written in one place"
    ),
    "plan/wiring.py:(module): `(type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal, "
    "PurePath, UUI...` without `bool`": "the same: a truth value is an int as well",
}
