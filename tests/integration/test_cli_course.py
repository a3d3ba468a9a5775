"""How long a run should take, and how it went: `run --dry-run`, and `show` with its profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import penstock, penstock_json, read, read_json, write

FLOW = """\
    from __future__ import annotations
    from pathlib import Path
    from time import thread_time
    from penstock import Task, chain, task, workflow

    def burn(seconds):
        until = thread_time() + seconds
        while thread_time() < until:
            pass

    @task
    def items() -> list[int]:
        return [1, 2, 3]

    @task
    def each(item: int) -> int:
        burn(0.02)
        return item

    @task.branch
    def choose() -> str:
        return "one"

    @task
    def one() -> None:
        burn(float(Path("slow").read_text()) if Path("slow").exists() else 0.03)

    @task
    def other() -> None: ...

    @task(trigger_rule="one_failed")
    def alarm() -> None: ...

    @task(run_if=lambda: True)
    def perhaps() -> None: ...

    @workflow
    def flow(width: int = 2):
        each.expand(item=items())
        each.named("known").expand(item=[1, 2])
        chain(choose(), [one(), other()])
        chain(perhaps(), alarm())
    """


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".penstock").mkdir()
    write("flow.py", FLOW)


def by_name(record: dict[str, Any]) -> dict[str, Any]:
    return {task["id"]: task for task in record["tasks"]}


def test_a_dry_run_says_on_what_tasks_depend_and_after_a_run_how_long_they_take():
    first = penstock_json("run", "flow.py", "--dry-run", "--workers", "1")
    assert (first["seconds"], first["workers"]) == (None, 1)
    tasks = by_name(first)
    assert tasks["one"]["conditions"] == tasks["other"]["conditions"] == ["if 'choose' follows it"]
    assert tasks["perhaps"]["conditions"] == ["if its run_if lets it"]
    assert "only if something fails" in tasks["alarm"]["conditions"][0]
    assert (tasks["known"]["width"], tasks["known"]["conditions"]) == (2, ["2 instances"])
    assert (tasks["each"]["mapped"], tasks["each"]["width"]) == (True, None)
    assert all(task["starts"] is None and task["duration"] is None for task in first["tasks"])
    assert not any(Path(".penstock").iterdir()), "nothing is written"
    penstock("run", "flow.py")
    before = sorted((str(path), path.stat().st_size) for path in Path(".penstock").rglob("*.db"))
    second = penstock_json("run", "flow.py", "--dry-run", "--workers", "1")
    tasks = by_name(second)
    assert tasks["known"]["duration"] >= 0.02
    took = sum(task["duration"] or 0.0 for task in second["tasks"]) + tasks["known"]["duration"]
    assert second["seconds"] >= took - 1e-6
    assert second["unknown"] == 1, "'other' has not run, and is foreseen as if it were chosen"
    assert "It should take" in penstock("run", "flow.py", "--dry-run").stdout
    assert sorted((str(path), path.stat().st_size) for path in Path(".penstock").rglob("*.db")) == before
    assert len(read_json("runs")) == 1


def test_what_took_much_longer_than_usual_is_pointed_out_and_the_way_to_the_end_marked():
    penstock("run", "flow.py")
    seconds = max(0.4, 5 * by_name(read_json("show"))["one"]["duration"])  # on a machine that is busy, more
    Path("slow").write_text(str(seconds))
    penstock("run", "flow.py", "--workers", "1")
    shown = read("show")
    assert "times as long as usual" in next(line for line in shown.splitlines() if line.startswith("one "))
    record = read_json("show", "--profile")
    tasks = by_name(record)
    assert 0.0 < tasks["one"]["usual"] < seconds <= tasks["one"]["duration"]
    assert tasks["other"]["usual"] is None
    assert "one" in record["critical_path"], "with one worker, everything that took long is on it"
    attempts = record["attempts"]
    assert attempts[0]["task"] == "one", "the longest is first"
    assert attempts[0]["cpu"] >= seconds
    assert attempts[0]["memory"] is None
    profile = read("show", "--profile")
    assert "times as long as usual" in profile
    assert "on a processor" in profile


def test_in_processes_the_memory_is_shown():
    penstock("run", "flow.py", "--executor", "processes", "--workers", "1")
    attempts = {attempt["task"]: attempt for attempt in read_json("show", "--profile")["attempts"]}
    assert attempts["one"]["memory"] > 5_000_000
    assert "MB" in read("show", "--profile")
