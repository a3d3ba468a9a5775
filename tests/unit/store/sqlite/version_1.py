"""A store as the first Penstock made and used it: its own schema and statements, kept here as they were."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path

import apsw

from penstock.store.chain import chained, seed
from penstock.store.sqlite.locks import open_lock_file

HERE = Path(__file__).parent / "v1"
APPLICATION = 0x50454E53
_BLOCK = re.compile(r"^-- (\w+) --\n-- .*\n((?:(?!-- ).*\n?)+)", re.MULTILINE)
COLUMNS = "id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts"
ROW = ("flights", "{}", "plan-a", None, 1000.0, None, None, None, 3, "{}")


class FirstPenstock:
    """One process of it, with its store open."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(0o700, exist_ok=True)
        self._locks = open_lock_file(folder / "write.lock")
        self._sql = dict(_BLOCK.findall((HERE / "queries.sql").read_text("utf-8")))
        self.db = apsw.Connection(str(folder / "penstock.db"))
        self.db.set_busy_timeout(10_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        if self.db.execute("PRAGMA user_version").fetchall() == [(0,)]:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute((HERE / "schema.sql").read_text("utf-8"))
            self.db.execute(f"PRAGMA application_id = {APPLICATION}")
            self.db.execute("PRAGMA user_version = 1")
            self.db.execute("COMMIT")

    def do(self, name: str, *values: object) -> list[tuple[object, ...]]:
        """One of its statements."""
        return self.db.execute(self._sql[name], values).fetchall()

    def create(self, run_id: str, state: str = "queued") -> int:
        """A run on record, driven by this process."""
        workflow, *rest = ROW
        with self:
            self.do("add_plan", "plan-a", b"a plan")
            [(number,)] = self.do("create_run", run_id, workflow, state, *rest)
            self.do("follow", number, "plan-a")
            self.do("lease", number, 1, "here", 1000.0)
        assert isinstance(number, int)
        return number

    def append(self, run_id: str, number: int, events: list[list[object]]) -> None:
        """A batch at the end of a run's journal, of events as they were written then, and a change of its row."""
        with self:
            last = self.do("last_batch", number)
            batch, before = last[0] if last else (0, seed(run_id))
            assert isinstance(batch, int)
            assert isinstance(before, bytes)
            body = json.dumps(events, separators=(",", ":")).encode()
            self.do("append", number, batch + 1, body, chained(before, body), 1)
            assert self.db.changes() == 1
            self.do("change_run", number, "running", batch + 1, None, None, None, None, False)

    def __enter__(self) -> None:
        self._locks.queue(0)
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self.db.execute("COMMIT" if kind is None else "ROLLBACK")
        self._locks.leave(0)

    def close(self) -> None:
        self.db.close()
        self._locks.close()


def make(folder: Path) -> None:
    """A store with three runs, of which one has ten batches, an inbox and a lease."""
    first = FirstPenstock(folder)
    number = first.create("run-1", "running")
    first.create("run-2", "success")
    first.create("run-3")
    for at in range(10):
        first.append("run-1", number, [["run", float(at)]] * 50)
    first.do("post", "run-1", "cancel", "{}", 5.0)
    first.close()


def work_on(folder: Path, run_id: str) -> None:
    """Drive a run until stdin ends; say how many batches were written."""
    first = FirstPenstock(folder)
    told = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        told.set()

    threading.Thread(target=wait, daemon=True).start()
    number = first.create(run_id)
    print("driving", flush=True)
    batches = 0
    while not told.is_set():
        first.append(run_id, number, [["due", batches, 1.0]])
        assert first.do("run", run_id)[0][:3] == (run_id, "flights", "running")
        assert len(first.do("runs", -1)[0]) == 12
        batches += 1
        time.sleep(0)
    first.create(f"{run_id}-later")
    first.close()
    print(batches)


if __name__ == "__main__":
    work_on(Path(sys.argv[1]), sys.argv[2])
