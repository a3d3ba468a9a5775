"""Callbacks and notifiers are told of what happened, at least once, whatever dies in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import penstock, penstock_json, read, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    import os, signal, time
    from pathlib import Path
    from penstock import Notice, Skip, TaskGroup, task, workflow
    from penstock.runtime import outbox

    outbox.PAUSES = (0.01, 0.02, 0.05)  # who refuses is asked again soon

    def note(text):
        with Path("told").open("a") as file:
            file.write(text + "\\n")

    def tell(notice: Notice) -> None:
        note(f"{notice.kind} {notice.task} {notice.attempt} {notice.id}")

    def kill(notice: Notice) -> None:
        note(f"killed {notice.id}")
        if not Path("spared").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def refuse(notice: Notice) -> None:
        note(f"refused {notice.id}")
        if not Path("open").exists():
            raise OSError("no network")

    def hesitate(notice: Notice) -> None:
        note(f"tried {notice.id}")
        if Path("told").read_text().count("tried") < 2:
            raise OSError("busy")

    @task(retries=1, on_retry=tell, on_failure=tell, on_success=tell)
    def fails() -> None:
        raise ValueError("as ever")

    @task(on_success=tell)
    def works() -> int:
        return 1

    @workflow(on_failure=tell, on_success=tell)
    def mixed():
        fails()
        works()

    @workflow
    def mapped():
        works_on.expand(number=[1, 2])

    @task(on_success=tell, on_failure=tell)
    def works_on(number) -> None:
        if number == 2:
            raise ValueError(number)

    @task(on_success=kill)
    def deadly() -> None:
        note("deadly ran")

    @workflow
    def killed_in_the_middle():
        deadly()

    @task
    def quiet() -> None: ...

    @workflow(on_success=kill)
    def killed_at_the_end():
        quiet()

    @workflow(on_success=refuse)
    def refused():
        quiet()

    @workflow(on_success=hesitate)
    def hesitating():
        quiet()

    @task
    def waits() -> None:
        while True:
            time.sleep(0.01)

    @workflow(on_cancel=tell)
    def cancelled():
        waits()

    @task
    def skips():
        raise Skip("no rows")

    @workflow(defaults={"on_skip": tell, "on_execute": tell}, on_start=tell)
    def skipped():
        with TaskGroup("inner", defaults={"on_execute": None}):
            skips() >> quiet()
        waits_no_more()

    @task
    def waits_no_more() -> None: ...

    @task(on_skip=kill)
    def skips_deadly():
        note("skips_deadly ran")
        raise Skip

    @workflow
    def killed_by_a_skip():
        skips_deadly()

    @task(on_execute=kill)
    def begins_deadly():
        note("begins_deadly ran")
        while not Path("spared").exists():
            time.sleep(0.01)

    @workflow
    def killed_by_a_start():
        begins_deadly()
    """


def told() -> list[str]:
    path = Path("told")
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(autouse=True)
def flow() -> None:
    write("flow.py", FLOW)


def test_each_happening_is_told_once_with_an_id_of_its_own():
    penstock("run", "flow.py:mixed", code=1)
    lines = told()
    run = read_json("show")["id"]
    assert sorted(line.rsplit(" ", 1)[0] for line in lines) == sorted(
        ["task_retry fails 1", "task_failed fails 2", "task_success works 1", "run_failed None 0"]
    )
    ids = [line.split()[-1] for line in lines]
    assert len(set(ids)) == 4
    assert all(run in id for id in ids)
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_each_instance_of_a_map_is_told_of_by_its_own_name():
    penstock("run", "flow.py:mapped", code=1)
    assert sorted(line.rsplit(" ", 1)[0] for line in told()) == [
        "task_failed works_on[1] 1",
        "task_success works_on[0] 1",
    ]
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_starts_and_skips_are_told_by_the_workflow_a_group_or_the_task():
    penstock("run", "flow.py:skipped")
    assert sorted(line.rsplit(" ", 1)[0] for line in told()) == [
        "run_started None 0",
        "task_skipped inner.quiet 0",
        "task_skipped inner.skips 1",
        "task_started waits_no_more 1",
    ]
    assert "is well" in penstock("db", "check").stdout


@pytest.mark.parametrize(("name", "bodies"), [("skip", 1), ("start", 2)])
def test_a_driver_that_dies_in_such_a_callback_leaves_it_to_the_next(name: str, bodies: int):
    penstock("run", f"flow.py:killed_by_a_{name}", code=None)
    Path("spared").touch()
    penstock("resume", "--all")
    killed = [line for line in told() if line.startswith("killed")]
    assert len([line for line in told() if line.endswith("ran")]) == bodies
    assert killed[0] == killed[1]
    assert len(killed) == bodies + 1
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_the_last_is_the_end_of_the_run():
    penstock("run", "flow.py:mixed", code=1)
    assert told()[-1].startswith("run_failed")


def test_a_run_that_is_resumed_and_ends_again_tells_it_again_under_another_id():
    penstock("run", "flow.py:mixed", code=1)
    penstock("resume", code=1)
    ends = [line for line in told() if line.startswith("run_failed")]
    assert len(set(ends)) == len(ends) == 2


def test_a_driver_that_dies_in_a_callback_at_the_end_leaves_the_notice_to_the_next():
    done = penstock("run", "flow.py:killed_at_the_end", code=None)
    assert done.returncode != 0
    run = read_json("show")
    assert (run["state"], run["notices"]["undelivered"]) == ("success", 1)
    assert "1 notice to be delivered" in read("show")
    Path("spared").touch()
    [taken] = penstock_json("resume", "--all")
    assert taken["state"] == "success"
    assert len(told()) == 2
    assert len(set(told())) == 1
    assert read_json("show")["notices"]["undelivered"] == 0
    assert penstock_json("resume", "--all") == []


def test_a_driver_that_dies_in_a_callback_of_a_task_does_not_run_the_task_again():
    penstock("run", "flow.py:killed_in_the_middle", code=None)
    Path("spared").touch()
    penstock("resume", "--all")
    assert told().count("deadly ran") == 1
    assert len([line for line in told() if line.startswith("killed")]) == 2


def test_a_refused_notice_is_tried_again_at_once():
    penstock("run", "flow.py:hesitating")
    assert len(told()) == 2
    assert len(set(told())) == 1
    assert read_json("show")["notices"]["undelivered"] == 0


def test_one_that_is_refused_throughout_is_kept_for_later():
    done = penstock("run", "flow.py:refused")
    assert "was refused by a callback, and is tried again: OSError: no network" in done.stderr
    assert read_json("show")["notices"]["undelivered"] == 1
    Path("open").touch()
    penstock("resume", "--all")
    assert read_json("show")["notices"]["undelivered"] == 0
    assert len(set(told())) == 1


def test_a_notice_without_a_receiver_is_dropped_and_shown():
    penstock("run", "flow.py:killed_at_the_end", code=None)
    write("flow.py", FLOW.replace("@workflow(on_success=kill)", "@workflow"))
    penstock("resume", "--all")
    notices = read_json("show")["notices"]
    assert notices["undelivered"] == 0
    assert list(notices["dropped"].values()) == ["the workflow has no callback for run_success any more"]
    assert "was given up" in read("show")


def test_a_cancelled_run_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_GRACE", "0.1")  # its task does not look whether it should end
    process = start("run", "flow.py:cancelled", "--executor", "processes")
    try:
        wait_until(is_running, "the task runs")
        penstock("cancel")
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.communicate()
    assert [line.split()[0] for line in told()] == ["run_cancelled"]


def is_running() -> bool:
    return read_json("runs") != [] and read_json("show")["counts"].get("running") == 1
