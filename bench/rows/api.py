"""How fast the HTTP API answers: lists of runs, with many on record."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from bench.machine import ROOT
from bench.row import Aim, Figures, Row, figure
from penstock import Task, Workflow, WorkflowManager
from penstock.plan.codec import encode
from penstock.plan.fingerprint import fingerprint
from penstock.store.base import RunRow
from penstock.store.schedules import ScheduleRow

REQUESTS = 3_000
AT_ONCE = 4
"""Connections on which the load comes."""
_WORKFLOWS = 20
_SERVE = """
import sys
from penstock.api import serve
print(serve(sys.argv[1], port=0).port, flush=True)
sys.stdin.read()
"""


def prepare(size: int, folder: Path) -> None:
    """A store with so many runs, of some workflows and in all states."""
    flow = Workflow("flow0")
    flow.add_task(Task("only", print))
    with WorkflowManager(f"sqlite:///{folder / 'store'}", observers=[], durability="process") as manager:
        plan = encode(manager.compile(flow))
        name, store = fingerprint(plan), manager.parts.store
        for place in range(_WORKFLOWS):
            workflow = f"flow{place}"
            rows = [(_row(number, workflow, name), plan) for number in range(place, size, _WORKFLOWS)]
            store.put_schedules([ScheduleRow(workflow, None, "1", None, None, "UTC", "none", 1, None, 0.0)])
            store.decide(workflow, 0.0, 1.0, rows)  # many in one commit


def _row(number: int, workflow: str, plan: str) -> RunRow:
    state = ("success", "success", "success", "failed", "cancelled")[number // _WORKFLOWS % 5]
    at = 1.7e9 + number
    return RunRow(
        *(f"{number:012x}", workflow, state, '{"n":1}', plan, "/flows/flow.py"),
        *(at, at + 0.1, at + 1.5, None, 1, json.dumps({state: 1})),
    )


def pages(size: int, folder: Path) -> Figures:
    """The newest 50 runs, those of a workflow, those that failed, and a page further down, asked for in turn by a
    process of its own: how many a second, and how long one takes."""
    store = f"sqlite:///{folder.parent / 'prepared' / 'store'}"
    command = [sys.executable, "-c", _SERVE, store]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        load = [sys.executable, "-m", "bench.rows.api", str(port), str(REQUESTS if size > 10_000 else 300)]
        found: dict[str, float] = json.loads(subprocess.check_output(load, cwd=ROOT))
        return found


def load(port: int, requests: int) -> Figures:
    """Ask for pages on some connections at once, as fast as they come."""
    import selectors

    first = _ask(socket.create_connection(("127.0.0.1", port)), _request("limit=50"))
    cursor = json.loads(first)["next"]
    queries = ("limit=50", "limit=50&workflow=flow7", "limit=50&state=failed", f"limit=50&cursor={cursor}")
    asked = [_request(query) for query in queries]
    selector = selectors.DefaultSelector()
    answers: dict[socket.socket, bytearray] = {}
    sent: dict[socket.socket, float] = {}
    took: list[float] = []
    began, count = perf_counter(), 0
    for _ in range(AT_ONCE):
        connection = socket.create_connection(("127.0.0.1", port))
        selector.register(connection, selectors.EVENT_READ)
        answers[connection], sent[connection] = bytearray(), perf_counter()
        connection.sendall(asked[count % len(asked)])
        count += 1
    while len(took) < requests:
        for key, _ in selector.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            answer = answers[ready]
            answer += ready.recv(1 << 20)
            if not _is_whole(answer):
                continue
            assert answer.startswith(b"HTTP/1.1 200")
            took.append(perf_counter() - sent[ready])
            answer.clear()
            sent[ready] = perf_counter()
            ready.sendall(asked[count % len(asked)])
            count += 1
    seconds = perf_counter() - began
    took.sort()
    return {
        "a second": len(took) / seconds,
        "ms each": seconds / len(took) * 1e3,
        "median": took[len(took) // 2] * 1e3,
        "p99": took[int(len(took) * 0.99)] * 1e3,
    }


def _request(query: str) -> bytes:
    return f"GET /api/v1/runs?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _ask(connection: socket.socket, request: bytes) -> bytes:
    with connection:
        connection.sendall(request)
        answer = bytearray()
        while not _is_whole(answer):
            answer += connection.recv(1 << 20)
        return bytes(answer).partition(b"\r\n\r\n")[2]


def _is_whole(answer: bytearray) -> bool:
    head, end, body = bytes(answer).partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(body) >= int(length)


PAGES = Row(
    "pages",
    "pages of 50 runs of 100,000 on record, over HTTP, the load on the same machine",
    {"pages": pages},
    100_000,
    1_000,
    [
        Aim("time for each page, all in all: 300 a second", 1_000 / 300, "ms", figure("pages", "ms each")),
        Aim("99th percentile, 4 at once", 50, "ms", figure("pages", "p99")),
    ],
    repeat=3,
    prepare=prepare,
)


if __name__ == "__main__":
    print(json.dumps(load(*map(int, sys.argv[1:]))))
