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


class Site:
    """The service, and what a test has it do beside what it does in the browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._api = httpx.Client(base_url=f"{url}/api/v1", timeout=60)

    def close(self) -> None:
        self._api.close()

    def trigger(self, workflow: str, **params: Any) -> str:
        """Begin a run: its id."""
        answer = self._api.post(f"/workflows/{workflow}/runs", json={"params": params})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ended(self, run: str) -> str:
        """Wait till a run has ended: its state."""
        with self._api.stream("GET", f"/runs/{run}/logs/follow") as answer:
            assert any(line == "event: end" for line in answer.iter_lines())
        return self.state(run)

    def state(self, run: str) -> str:
        return str(self._api.get(f"/runs/{run}").json()["state"])

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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    command = [sys.executable, "-m", "penstock", "serve", ".", "--port", "0"]
    told = folder / "told.log"
    with told.open("wb") as log:
        service = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "\nServing " in told.read_text() or service.poll() is not None, "the service is ready")
        found = re.search(r"Listening on (\S+)", told.read_text())
        assert found is not None, told.read_text()
        site = Site(found[1])
        yield site
        site.close()
    finally:
        service.terminate()
        try:
            service.wait(60)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()
