"""A small part of the race of several services on one store, that are killed and stopped, with their drivers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults import campaign_services, torture
from tests.faults.campaign_services import race
from tests.faults.plants import PLANT

pytest_plugins = ("tests.postgres_fixtures",)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the race looks at processes through /proc"),
    pytest.mark.timeout(300),
]


def test_every_due_time_has_its_run_once_on_one_sqlite_file() -> None:
    with torture.workplace() as folder:
        assert race(400, 2013, folder).violations == []


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLANT, "times_that_are_decided_before_their_runs_are_on_record")
    monkeypatch.setattr(campaign_services, "PATIENCE", 10.0)
    with torture.workplace() as folder:
        found = race(400, 2013, folder).violations
    assert any("has no run" in violation for violation in found)


def test_every_due_time_has_its_run_once_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    assert race(200, 2013, tmp_path, postgres_url).violations == []
