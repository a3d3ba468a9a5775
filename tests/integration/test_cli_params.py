"""Parameters on the command line: typed, from files, shown, and the same as JSON wherever a run is told of."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from tests.integration.commands import penstock, penstock_json, read_json, write

FLOW = """
    from dataclasses import dataclass
    from datetime import date
    from enum import Enum

    from penstock import task, workflow

    class Mode(Enum):
        FULL = "full"
        CHANGES = "changes"

    @dataclass
    class Config:
        day: date
        mode: Mode = Mode.FULL

    @task
    def copy(config: Config, handle: str) -> str:
        assert isinstance(config, Config) and isinstance(config.day, date) and type(config.mode) is Mode
        if config.mode is Mode.FULL:
            raise RuntimeError("not full")
        return f"{config.day:%d %B} {config.mode.name} {handle}"

    @workflow
    def flow(config: Config, handle: str = "@ann") -> None:
        copy(config, handle)
"""
TEXT = '{"day": "2013-01-02", "mode": "changes"}'
KEPT = {"config": {"day": "2013-01-02", "mode": "CHANGES"}, "handle": "@bob"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".penstock").mkdir()
    write("flow.py", FLOW)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_dataclass_is_told_as_its_fields_by_run_and_show(executor: str) -> None:
    write("config.json", TEXT)
    given = ["--param", "config=@config.json", "--param", "handle=@@bob", "--executor", executor]
    run = penstock_json("run", "flow.py", *given)
    assert run["params"] == KEPT
    assert read_json("show")["params"] == KEPT
    assert read_json("runs")[0]["params"] == KEPT
    again = penstock_json("rerun", "--only", "copy")
    assert (again["state"], again["params"]) == ("success", KEPT)
    assert "02 January CHANGES @bob" in penstock("show", "--values").stdout


def test_a_resumed_run_has_the_same_values() -> None:
    penstock("run", "flow.py", "--param", 'config={"day": "2013-01-02"}', code=1)
    resumed = penstock_json("resume", code=1)
    assert "not full" in resumed["tasks"][0]["error"]
    assert resumed["params"] == {"config": {"day": "2013-01-02", "mode": "FULL"}, "handle": "@ann"}


def test_a_file_that_cannot_be_read_is_told_of() -> None:
    refused = penstock("run", "flow.py", "--param", "config=@no-such.json", code=2)
    assert "workflow 'flow', parameter 'config': file no-such.json cannot be read" in refused.stderr
    assert (
        "no-such.json cannot be read" in penstock("check", "flow.py", "--param", "config=@no-such.json", code=2).stdout
    )


def test_parameters_are_shown_and_described_by_a_schema() -> None:
    assert penstock("params", "flow.py").stdout.split() == [
        *("PARAMETER", "TYPE", "DEFAULT", "config", "Config", "required", "handle", "str", "@ann")
    ]
    schema = penstock_json("params", "flow.py")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"config": {"day": "2013-01-02", "mode": "CHANGES"}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"config": {"mode": "CHANGES"}}, schema)


def test_a_workflow_without_parameters_says_so() -> None:
    write("none.py", "from penstock import Task, Workflow\nflow = Workflow('none')\nflow.add_task(Task('a', print))\n")
    assert penstock("params", "none.py").stdout == "none has no parameters\n"
    assert penstock_json("params", "none.py")["properties"] == {}
