"""The settings a user wrote down."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import PenstockError
from penstock.runtime.home import Settings, read_settings


def test_retention_and_notifiers_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('retention_days = 7.5\nretention_runs = 0\nnotifiers = ["mail", "chat"]\n')
    expected = Settings(retention_days=7.5, retention_runs=0, notifiers=("mail", "chat"))
    assert read_settings({}, tmp_path) == expected


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('retention_days = 7\nnotifiers = ["mail"]\n')
    environ = {"PENSTOCK_RETENTION_DAYS": "0", "PENSTOCK_RETENTION_RUNS": "3", "PENSTOCK_NOTIFIERS": "chat, log"}
    expected = Settings(retention_days=0, retention_runs=3, notifiers=("chat", "log"))
    assert read_settings(environ, tmp_path) == expected


@pytest.mark.parametrize(
    "line",
    [
        "retention_days = -1",
        "retention_days = nan",
        'retention_days = "7"',
        "retention_runs = 1.5",
        "retention_runs = -1",
        'notifiers = "mail"',
        "notifiers = [1]",
        'notifiers = [""]',
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "penstock.toml").write_text(line + "\n")
    with pytest.raises(PenstockError, match=line.split(maxsplit=1)[0]):
        read_settings({}, tmp_path)
