"""The settings a user wrote down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.errors import PenstockError
from penstock.runtime.home import Settings, read_settings


def test_retention_and_notifiers_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('retention_days = 7.5\nretention_runs = 0\nnotifiers = ["mail", "chat"]\n')
    expected = Settings(retention_days=7.5, retention_runs=0, notifiers=("mail", "chat"))
    assert read_settings({}, tmp_path) == expected


def test_a_table_for_each_notifier(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.penstock.notifiers.ops]\ntype = "email"\n[tool.penstock.notifiers.hook]\n'
    )
    found = read_settings({}, tmp_path)
    assert found.notifiers == ("ops", "hook")
    assert found.notifier_options == {"ops": {"type": "email"}, "hook": {}}
    chosen = read_settings({"PENSTOCK_NOTIFIERS": "hook"}, tmp_path)
    assert (chosen.notifiers, chosen.notifier_options) == (("hook",), found.notifier_options)


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
        'notifiers.hook = "https://h"',
        'notifiers."a,b" = {}',
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "penstock.toml").write_text(line + "\n")
    with pytest.raises(PenstockError, match=re.split(r"[ .]", line)[0]):
        read_settings({}, tmp_path)
