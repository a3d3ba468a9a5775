"""Where a store is: what its URL says, and how it is named where a password must not be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from math import ceil
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from penstock.errors import StoreError

SCHEMA = "penstock"
LEASE = 10.0  # seconds, as the next two
SHORTEST, LONGEST = 0.1, 86_400.0
_OURS = re.compile(r"(?<=[?&])penstock_(\w+)=([^&]*)(?:&|$)")
_LONGEST_NAME = 63  # bytes, beyond which PostgreSQL cuts a name off


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and the schema in it."""

    parameters: dict[str, str] = field(repr=False)
    """For libpq, with the password."""
    schema: str
    lease: float
    """The period of a lease, in seconds: see leases.py."""
    shown: str
    """For messages: without user and password."""

    @property
    def key(self) -> int:
        """The first of the two numbers of every advisory lock of this store: they are of the whole database."""
        return int.from_bytes(blake2b(self.schema.encode(), digest_size=4).digest(), "big", signed=True)

    @property
    def keepalives(self) -> tuple[str, str, str]:
        """How to find out within about a period that the machine at the other end is gone: seconds between two probes,
        how many of them, and milliseconds until what was sent must have arrived."""
        return str(max(1, ceil(self.lease / 4))), "3", str(ceil(self.lease * 1000))

    @property
    def channel(self) -> str:
        """Where this store notifies."""
        return f"penstock_{blake2b(self.schema.encode(), digest_size=8).hexdigest()}"


def read_url(url: str, lease: float = LEASE) -> Address:
    """What a URL says. `penstock_schema` and `penstock_lease` in it are ours; all else is libpq's. StoreError if it
    cannot be read."""
    ours = {name: unquote(value) for name, value in _OURS.findall(url)}
    schema = ours.pop("schema", SCHEMA)
    lease = _period(ours.pop("lease", lease))
    _check_schema(schema)
    if ours:
        raise StoreError(f"the URL of the store has no option penstock_{min(ours)}: it knows _schema and _lease")
    try:
        if "\0" in url:
            raise ValueError("libpq would read it up to there")
        given = conninfo_to_dict(_OURS.sub("", url).rstrip("?&"))
    except (psycopg.Error, ValueError):
        raise _unreadable() from None  # libpq's text may hold a piece of the password
    parameters = {name: str(value) for name, value in given.items()}
    if any("@" in parameters.get(name, "")[1:] for name in ("host", "port", "dbname")):
        raise _unreadable()  # where an @ : / ? is not encoded, a part of the password is taken for one of these
    return Address(parameters, schema, lease, _shown(parameters, schema))


def _unreadable() -> StoreError:
    return StoreError(
        "the URL of the store cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with characters "
        "such as @ : / ? % in its parts percent-encoded"
    )


def _period(given: str | float) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise StoreError(f"penstock_lease={given} is no number of seconds from {SHORTEST:g} to {LONGEST:g}")
    return seconds


def _check_schema(schema: str) -> None:
    size = len(schema.encode("utf-8", "backslashreplace"))
    if not 0 < size <= _LONGEST_NAME or not schema.isprintable() or "\ufffd" in schema:
        raise StoreError(f"penstock_schema={schema!r} is no name: write 1 to {_LONGEST_NAME} bytes of text")
    if schema.startswith("pg_") or schema == "information_schema":
        raise StoreError(f"penstock_schema={schema} is PostgreSQL's own: choose another")


def _shown(parameters: dict[str, str], schema: str) -> str:
    host, port = parameters.get("host", ""), parameters.get("port", "")
    options = []
    if host.startswith("/"):
        options.append(f"host={host}")
        host = ""
    if port and not host:
        options.append(f"port={port}")
        port = ""
    if schema != SCHEMA:
        options.append(f"penstock_schema={schema}")
    place = f"postgresql://{host}{f':{port}' if port else ''}/{parameters.get('dbname', '')}"
    return place + ("?" + "&".join(options) if options else "")
