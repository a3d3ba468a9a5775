"""A server of the API in a thread, over a real store, and what asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from penstock import Skip, Workflow, WorkflowManager, chain, task, workflow
from penstock.api.server import Server, serve
from penstock.errors import PenstockError, ScheduleNotFound
from penstock.plan.plan import Plan
from penstock.runtime.choosing import Choice

BASE = "/api/v1"


class Driving:
    """Drives runs in threads of this process, as a service would in others."""

    def __init__(self, manager: WorkflowManager, flows: Mapping[str, Any]) -> None:
        self.manager = manager
        self.flows = dict(flows)
        self.asked: list[tuple[str, ...]] = []
        self.problem: str | None = None
        self._threads: list[threading.Thread] = []

    def resume(self, run_id: str, by: str) -> None:
        self.asked.append(("resume", run_id, by))
        self._begin(lambda: self.manager.resume(run_id, self._flow(run_id), raise_on_failure=False))

    def rerun(self, run_id: str, choice: Choice, by: str) -> None:
        self.asked.append(("rerun", run_id, by))
        chosen: dict[str, Any] = {"only": choice.only, "from_": choice.from_, "failed": choice.failed}
        self._begin(
            lambda: self.manager.rerun(run_id, self._flow(run_id), **chosen, where=choice.where, raise_on_failure=False)
        )

    def plan_of(self, run_id: str) -> Plan | None:
        flow = self._flow(run_id)
        return self.manager.compile(flow) if flow is not None else None

    def plan(self, workflow: str) -> Plan | None:
        return self.manager.compile(self.flows[workflow]) if workflow in self.flows else None

    def trigger(
        self, workflow: str, params: Mapping[str, Any], *, run_id: str, by: str, logical_at: datetime | None = None
    ) -> None:
        self.asked.append(("trigger", workflow, run_id, by, json.dumps(dict(params))))
        if workflow not in self.flows:
            raise ScheduleNotFound(f"there is no workflow '{workflow}'")
        flow = self.flows[workflow]
        driving = self.manager._begin(*self.manager._compile(flow, params), None, run_id=run_id)
        self._begin(lambda: self.manager._drive(driving))

    def health(self) -> Mapping[str, Any]:
        return {"problem": self.problem} if self.problem else {"runs": len(self._threads)}

    def wait(self) -> None:
        """Until all that was asked is done."""
        for thread in self._threads:
            thread.join()

    def _flow(self, run_id: str) -> Any:
        return self.flows.get(self.manager.parts.store.run(run_id).workflow)

    def _begin(self, func: Any) -> None:
        def drive() -> None:
            with suppress(PenstockError):  # somebody else drives it already
                func()

        self._threads.append(threading.Thread(target=drive))
        self._threads[-1].start()


class Api:
    """A client of one server."""

    def __init__(self, server: Server, manager: WorkflowManager, service: Driving) -> None:
        self.server = server
        self.manager = manager
        self.service = service
        self.http = httpx.Client(base_url=server.url, timeout=60)

    def get(self, path: str, **params: Any) -> Any:
        """What an answer says; an error if it is not 200."""
        response = self.http.get(f"{BASE}{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The same of a POST."""
        response = self.http.post(f"{BASE}{path}", json=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    def refused(self, status: int, path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
        """The problem that an answer tells."""
        response = self.http.request(method, f"{BASE}{path}", **options)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        told: dict[str, Any] = response.json()
        assert told["status"] == status
        assert told["type"].startswith("urn:penstock:")
        assert told["detail"]
        return told

    @contextmanager
    def events(self, path: str, last: str | None = None, **params: Any) -> Iterator[Iterator[tuple[str, Any, str]]]:
        """The events of a stream as they come: name, data and id."""
        headers = {"Last-Event-ID": last} if last is not None else {}
        with self.http.stream("GET", f"{BASE}{path}", params=params, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _events(response.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, text = line.partition(": ")
            fields[name] = text
        elif "event" in fields:
            yield fields["event"], json.loads(fields["data"]), fields.get("id", "")
            fields = {}


@contextmanager
def served(store: str, flows: Mapping[str, Any] | None = None, **options: Any) -> Iterator[Api]:
    """The API over a store of this name, and over that of the manager that drives, if it is in memory."""
    manager = WorkflowManager(store, observers=[])
    service = Driving(manager, {flow.name: flow for flow in FLOWS} if flows is None else flows)
    shared: dict[str, Any] = {"manager": manager} if store == "memory" else {}
    with serve(store, port=0, service=service, **shared, **options) as server:
        api = Api(server, manager, service)
        try:
            yield api
        finally:
            api.http.close()
    service.wait()
    manager.close()


# --- What is run


@task
def numbers(n: int) -> list[int]:
    print("counting to", n)
    return [*range(n)]


@task.branch
def choose(found: list[int]) -> str:
    return "small"


@task
def small() -> str:
    return "few"


@task
def large() -> str:
    return "many"


@task
def square(x: int) -> int:
    print("square of", x)
    return x * x


@task
def add_up(squares: list[int]) -> int:
    return sum(squares)


@task(retries=1)
def load(total: int) -> None:
    print("about to load", total)
    if not Path("mended").exists():
        raise KeyError("day")


@task
def tell(done: None) -> None:
    print("told")


@workflow
def etl(n: int = 3) -> None:
    """Squares of numbers.

    Loaded somewhere."""
    found = numbers(n)
    choice = choose(found)
    few, many = small(), large()
    chain(choice, [few, many])
    tell(load(add_up(square.expand(x=found))))


@task
def greet(name: str) -> str:
    print("hello", name)
    return f"hello {name}"


@workflow
def hello(name: str = "you") -> None:
    """Says hello."""
    greet(name)


@task
def wait_for_the_file() -> None:
    from time import sleep

    from penstock import current

    print("waiting")
    while not Path("open").exists():
        if current().cancelled:
            return
        sleep(0.01)


@workflow
def slow() -> None:
    wait_for_the_file()


@task.approval
def publish(approved: bool, copies: int = 2) -> str:
    """Is it fit to be printed?"""
    return f"{approved} {copies}"


@workflow
def paper() -> None:
    publish()


@task
def nothing_to_do() -> None:
    raise Skip("all is done")


@workflow
def idle() -> None:
    nothing_to_do()


FLOWS = (etl, hello, slow, paper, idle)


def line(name: str, length: int) -> Workflow:
    """A workflow of tasks one after the other."""
    from penstock import Task

    flow = Workflow(name)
    for number in range(length):
        flow.add_task(Task(f"t{number}", print, [f"t{number - 1}"] if number else []))
    return flow
