"""A real service on workflows of its own, as the tests of the pages meet it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.integration.waiting import wait_until

FLOWS = Path(__file__).with_name("flows.py")


class Service:
    """`penstock serve` in a folder, which may be killed and begun again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._told = folder / "told.log"
        self.url = ""
        self.begin()

    def begin(self) -> None:
        port = self.url.rpartition(":")[2] or "0"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        command = [sys.executable, "-m", "penstock", "serve", ".", "--port", port]
        with self._told.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(lambda: "\nServing " in self._said() or self._process.poll() is not None, "the service is ready")
        found = re.search(r"Listening on (\S+)", self._said())
        assert found is not None, self._said()
        self.url = found[1]

    def _said(self) -> str:
        return self._told.read_text()

    def kill(self) -> None:
        """Like an accident: it is given no time."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


class Site:
    """The service, and what a test has it do beside what it does in the browser."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.url = service.url
        self._api = httpx.Client(base_url=f"{self.url}/api/v1", timeout=60)

    def close(self) -> None:
        self._api.close()

    def knows(self, workflow: str) -> None:
        """Wait till the service has found a workflow."""
        wait_until(lambda: self._api.get(f"/workflows/{workflow}").status_code == 200, f"{workflow} is found")

    def trigger(self, workflow: str, /, *, logical_time: str | None = None, **params: Any) -> str:
        """Begin a run, for a time if one is given: its id."""
        asked = {"params": params, "logical_time": logical_time}
        answer = self._api.post(f"/workflows/{workflow}/runs", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ended(self, run: str) -> str:
        """Wait till a run has ended: its state."""
        with self._api.stream("GET", f"/runs/{run}/logs/follow") as answer:
            assert any(line == "event: end" for line in answer.iter_lines())
        return self.state(run)

    def state(self, run: str) -> str:
        return str(self._api.get(f"/runs/{run}").json()["state"])

    def log(self, run: str, task: str) -> list[str]:
        """The lines that a task has written."""
        told = self._api.get(f"/runs/{run}/logs", params={"task": task, "limit": 5000}).json()
        return [str(entry["text"]).rstrip("\n") for entry in told["items"]]

    def run(self, workflow: str, **params: Any) -> str:
        """Begin a run and wait till it has ended: its id."""
        run = self.trigger(workflow, **params)
        self.ended(run)
        return run

    def asks(self, workflow: str, **params: Any) -> str:
        """Begin a run that asks somebody, and wait till it does: its id."""
        run = self.trigger(workflow, **params)
        wait_until(lambda: self.state(run) == "waiting", "somebody is asked")
        return run


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """`penstock serve` in a folder, till the end."""
    (folder / ".penstock").mkdir()
    shutil.copy(FLOWS, folder)
    service = Service(folder)
    try:
        site = Site(service)
        yield site
        site.close()
    finally:
        service.end()
