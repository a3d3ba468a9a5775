"""`run --only/--from/--until` and `rerun`: parts of a workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import penstock, penstock_json, read_json, write

FLOW = """\
    from pathlib import Path
    from penstock import task, workflow

    def note(name):
        with Path("ran").open("a") as file:
            file.write(name + "\\n")

    @task
    def extract() -> int:
        note("extract")
        return 20

    @task
    def transform(rows: int) -> int:
        note("transform")
        if Path("fail").exists():
            raise ValueError("told to fail")
        return rows + 1

    @task
    def load(rows: int) -> int:
        note("load")
        return rows

    @task
    def tidy() -> None:
        note("tidy")

    @workflow
    def flow():
        loaded = load(transform(extract()))
        tidy.options(after=loaded)()
    """


def ran() -> list[str]:
    """The tasks that ran since this was last asked."""
    path = Path("ran")
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


@pytest.mark.parametrize(
    ("selection", "tasks"),
    [
        (["--until", "transform"], ["extract", "transform"]),
        (["--from", "extract", "--until", "transform"], ["extract", "transform"]),
        (["--only", "tidy"], ["tidy"]),
        (["--only", "extract", "--only", "tidy"], ["extract", "tidy"]),
        (["--from", "tidy"], ["tidy"]),
    ],
)
def test_a_part_of_a_workflow_runs_alone(selection: list[str], tasks: list[str]):
    write("flow.py", FLOW)
    penstock("run", "flow.py", *selection)
    assert ran() == tasks
    assert [task["id"] for task in read_json("show")["tasks"]] == tasks
    penstock("resume")
    assert ran() == [], "a part that is done is done: the rest is not its business"


def test_a_part_that_lacks_a_value_is_refused_by_name():
    write("flow.py", FLOW)
    message = penstock("run", "flow.py", "--from", "transform", code=2).stderr
    assert "task 'transform' needs the value of 'extract', which is not selected" in message
    assert "penstock rerun RUN --from transform" in message
    assert (
        "nothing lies from load until extract"
        in penstock("run", "flow.py", "--from", "load", "--until", "extract", code=2).stderr
    )
    assert ran() == []


def test_a_part_that_failed_is_resumed_as_that_part():
    write("flow.py", FLOW)
    Path("fail").touch()
    penstock("run", "flow.py", "--until", "transform", code=1)
    Path("fail").unlink()
    penstock("resume")
    assert ran() == ["extract", "transform", "transform"]
    assert [task["id"] for task in read_json("show")["tasks"]] == ["extract", "transform"]


def test_rerun_uses_recorded_inputs():
    write("flow.py", FLOW)
    penstock("run", "flow.py")
    run_id = read_json("show")["id"]
    assert ran() == ["extract", "transform", "load", "tidy"]
    assert penstock("rerun", "--from", "transform", "--dry-run").stdout == (
        f"Would run 3 tasks of run {run_id} again:\n  transform\n  load\n  tidy\n"
    )
    assert ran() == []
    opening = penstock("rerun", run_id, "--from", "transform").stdout.splitlines()[0]
    assert opening == f"Run {run_id} of flow: 4 tasks, 1 of them done before"
    assert ran() == ["transform", "load", "tidy"]
    penstock("rerun", "--only", "load")
    assert ran() == ["load"]
    assert "no failed task" in penstock("rerun", "--failed", code=2).stderr
    assert penstock_json("rerun", "--only", "tidy")["id"] == run_id


def test_rerun_of_what_failed():
    write("flow.py", FLOW)
    Path("fail").touch()
    penstock("run", "flow.py", code=1)
    assert ran() == ["extract", "transform"]
    Path("fail").unlink()
    penstock("rerun", "--failed")
    assert ran() == ["transform", "load", "tidy"]
