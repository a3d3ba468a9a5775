"""`penstock serve`: workflows run when they are due, with the code as it is, whoever dies."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from penstock import WorkflowManager
from tests.integration.commands import penstock, penstock_json, read, read_json, start, write
from tests.integration.serving import driver_of, runs, serving, states
from tests.integration.waiting import is_alive, pids_in, wait_until

TICKING = """\
    from pathlib import Path
    from penstock import task, workflow

    @task
    def note() -> str:
        with Path("ran").open("a") as file:
            file.write("first\\n")
        return "first"

    @workflow(schedule=1)
    def ticking():
        note()
    """

GATED = """\
    import time
    from pathlib import Path
    from penstock import task, workflow

    def note(text):
        with Path("ran").open("a") as file:
            file.write(text + "\\n")

    @task
    def first(name: str) -> str:
        note(f"first {name}")
        return name

    @task
    def gate(name: str) -> str:
        note(f"gate {name}")
        while not Path("open").exists():
            time.sleep(0.01)
        return name

    @task
    def last(name: str) -> None:
        note(f"last {name}")

    @workflow
    def gated(name: str = "x"):
        last(gate(first(name)))
    """
DIES_ONCE = """\
    import os, signal
    from pathlib import Path
    if not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""
NESTED = (
    GATED
    + """
    @workflow
    def outer():
        gated("inner")
    """
)


@pytest.fixture(autouse=True)
def folder() -> None:
    Path(".penstock").mkdir()
    Path("flows").mkdir()


def ran() -> list[str]:
    path = Path("ran")
    return path.read_text().splitlines() if path.exists() else []


def ended(workflow: str, count: int = 1) -> bool:
    return states(workflow).count("success") >= count


def trigger(name: str = "x") -> str:
    return str(penstock_json("trigger", "gated", "--param", f"name={name}")["id"])


def at_gate(name: str = "x", times: int = 1) -> None:
    wait_until(lambda: ran().count(f"gate {name}") == times, "the run is at its gate")


# --- Found and due


def test_what_is_due_runs_once_for_each_of_its_times() -> None:
    write("flows/ticking.py", TICKING)
    with serving():
        wait_until(lambda: ended("ticking", 3), "three have run")
    with WorkflowManager() as manager:
        rows = manager.parts.store.runs("ticking")
    times = [row.logical_at for row in rows]
    assert len(set(times)) == len(times)
    assert all(row.trigger == "schedule" and row.interval_end == row.logical_at for row in rows)
    assert [row.interval_start for row in rows[:-1]] == times[1:]
    assert all(row.created_at >= (row.logical_at or 0.0) for row in rows)


def test_a_file_that_cannot_be_imported_harms_no_other_and_is_used_once_it_is_mended() -> None:
    write("flows/ticking.py", TICKING)
    write("flows/broken.py", "import penstock\nprint(1 / 0)\n")
    write("flows/other.py", "raise RuntimeError('nobody imports what does not name it')\n")
    with serving() as service:
        wait_until(lambda: ended("ticking"), "the other runs")
        assert service.says("broken.py:2: ZeroDivisionError: division by zero")
        assert not service.says("RuntimeError")
        write("flows/broken.py", TICKING.replace("ticking", "mended"))
        wait_until(lambda: ended("mended"), "it runs")
        write("flows/broken.py", "import penstock\nprint(1 / 0)\n")
        wait_until(lambda: any(row["error"] for row in read_json("schedules")), "it is on record that it is broken")
        (told,) = [row for row in read_json("schedules") if row["workflow"] == "mended"]
        assert "ZeroDivisionError" in told["error"]
        seen = len(states("mended"))
        others = len(states("ticking"))
        wait_until(lambda: ended("ticking", others + 2), "the other goes on")
        assert len(states("mended")) == seen
        assert "ZeroDivisionError" in penstock("trigger", "mended", code=2).stderr


def test_a_file_whose_import_never_ends_is_given_up_and_harms_no_other() -> None:
    write("flows/busy.py", "import penstock\n\nwhile True: pass\n")
    write(
        "flows/deaf.py",
        """\
        import penstock, subprocess
        from pathlib import Path
        process = subprocess.Popen(["sleep", "3600"])
        Path("sleeper").write_text(f"{process.pid}\\n")
        process.wait()
        """,
    )
    write("flows/ticking.py", TICKING)
    write("flows/dies.py", DIES_ONCE + TICKING.replace("ticking", "reborn"))
    with serving("flows", "--import-timeout", "8") as service:  # which is also more than a busy machine needs
        for name in ("busy", "deaf"):
            assert service.says(f"{name}.py: importing it took more than 8 s")
        assert service.says("; 2 cannot be imported")
        wait_until(lambda: ended("ticking"), "the other runs")
        wait_until(lambda: ended("reborn"), "so does the one whose process had died, though it has not changed")
        (sleeper,) = pids_in(Path("sleeper"))
        wait_until(lambda: not is_alive(sleeper), "what it had begun has ended")
        write("flows/busy.py", TICKING.replace("ticking", "mended"))
        wait_until(lambda: ended("mended"), "it runs once it is mended")


def test_new_code_is_used_by_the_next_run_also_of_a_module_that_is_imported() -> None:
    write("flows/words.py", 'WORD = "first"\n')
    write(
        "flows/ticking.py",
        TICKING.replace('file.write("first\\n")', 'file.write(WORD + "\\n")').replace(
            "from pathlib", "from words import WORD\n    from pathlib", 1
        ),
    )
    with serving():
        wait_until(lambda: "first" in ran(), "the old code has run")
        write("flows/words.py", 'WORD = "third"\n')
        wait_until(lambda: "third" in ran(), "the new code has run")
    assert ran() == sorted(ran())


def test_a_workflow_whose_file_is_gone_is_said_to_be_and_runs_no_more() -> None:
    write("flows/ticking.py", TICKING)
    with serving():
        wait_until(lambda: ended("ticking"), "it runs")
        Path("flows/ticking.py").unlink()
        wait_until(lambda: read_json("schedules")[0]["error"], "it is said to be gone")
        assert "is gone" in read_json("schedules")[0]["error"]
    with serving(number=1):
        assert read_json("schedules")[0]["error"]


def test_a_file_whose_import_starts_threads_is_driven_by_fresh_processes() -> None:
    threads = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    Path("flows/ticking.py").write_text(threads + "\n".join(line[4:] for line in TICKING.splitlines()))
    with serving():
        wait_until(lambda: ended("ticking", 2), "it runs")


def test_of_two_files_with_one_name_the_one_that_had_it_keeps_it_also_with_the_next_service() -> None:
    write("flows/late.py", GATED)
    with serving():
        write("flows/early.py", GATED)
        write("flows/other.py", TICKING)
        wait_until(lambda: ended("ticking"), "what came after it is served")
        assert read_json("schedules")[0]["source"].endswith("late.py")
    with serving(number=1) as service:
        assert read_json("schedules")[0]["source"].endswith("late.py")
        assert service.says("Several files have a workflow 'gated'")
        Path("flows/late.py").unlink()
        wait_until(lambda: read_json("schedules")[0]["source"].endswith("early.py"), "the other has it")


# --- By hand


def test_a_run_is_triggered_with_parameters_and_a_paused_workflow_is_not_run_by_its_schedule() -> None:
    write("flows/gated.py", GATED)
    write("flows/ticking.py", TICKING)
    Path("open").touch()
    with serving():
        run_id = trigger("ann")
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it has run")
        assert ran().count("last ann") == 1
        assert "paused" in read("pause", "ticking")
        wait_until(lambda: set(states("ticking")) <= {"success"}, "what was begun has ended")
        seen = len(states("ticking"))
        again = trigger("bob")
        wait_until(lambda: read_json("show", again)["state"] == "success", "another is driven")
        assert len(states("ticking")) == seen
        read("unpause", "ticking")
        wait_until(lambda: len(states("ticking")) > seen, "it goes on")
    assert "did you mean 'gated'?" in penstock("trigger", "gatet", code=3).stderr
    assert "has no parameter 'nam'" in penstock("trigger", "gated", "--param", "nam=1", code=2).stderr


def test_a_logical_time_has_one_run_also_by_hand() -> None:
    write("flows/gated.py", GATED)
    Path("open").touch()
    with serving():
        when = ["--logical-at", "2026-01-31T06:00"]
        run_id = penstock_json("trigger", "gated", *when)["id"]
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it has run")
        assert penstock("trigger", "gated", *when, code=4)


def test_a_run_that_is_late_is_told_of_while_it_goes_on() -> None:
    options = "deadline=0.5, on_deadline=lambda notice: note(f'late {notice.run_id}')"
    write("flows/gated.py", GATED.replace("@workflow", f"@workflow({options})"))
    with serving() as service:
        run_id = trigger()
        wait_until(lambda: f"late {run_id}" in ran(), "somebody is told")
        assert read_json("show", run_id)["state"] in ("queued", "running")
        assert service.says(f"Run {run_id} of gated is late: it should have ended by ")
        Path("open").touch()
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it ends")
    assert [line for line in ran() if line.startswith("late")] == [f"late {run_id}"]


def test_the_api_asks_the_service_for_what_needs_the_code() -> None:
    pytest.importorskip("fastapi")
    write("flows/gated.py", GATED.replace("@workflow", "@workflow(deadline=3600)"))
    with serving(web=True) as service:
        assert call(service.url, "/api/v1/health")["status"] == "ok"
        asked = {"params": {"name": "ann"}, "logical_time": "2001-01-01T00:00:00Z"}
        made = call(service.url, "/api/v1/workflows/gated/runs", asked)
        at_gate("ann")
        assert made["workflow"] == "gated"
        assert call(service.url, "/api/v1/home")["late"] == []  # though it is for a time long past
        Path("open").touch()
        wait_until(lambda: read_json("show", made["id"])["state"] == "success", "it has ended")


def call(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url + path, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


# --- What dies


def test_a_killed_drivers_runs_go_on_with_another_and_done_tasks_stay_done() -> None:
    write("flows/gated.py", GATED)
    with serving():
        run_id = trigger()
        at_gate()
        pid = driver_of(run_id)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        at_gate(times=2)
        Path("open").touch()
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it has ended")
    assert Counter(ran()) == {"first x": 1, "gate x": 2, "last x": 1}


def test_a_killed_service_leaves_drivers_that_finish_and_the_next_takes_up_the_rest() -> None:
    write("flows/gated.py", GATED)
    with serving() as service:
        run_id = trigger()
        at_gate()
        service.kill()
        driver = driver_of(run_id)
        assert driver is not None
        trigger("y")
        with serving(number=1):
            at_gate("y")
            assert driver_of(run_id) == driver
            Path("open").touch()
            wait_until(lambda: states("gated") == ["success", "success"], "both have ended")
            wait_until(lambda: not is_alive(driver), "the driver has ended")
    assert set(Counter(ran()).values()) == {1}


def test_a_service_that_is_stopped_hands_over_however_often() -> None:
    write("flows/gated.py", GATED)
    Path("penstock.toml").write_text("grace = 0.2\n")
    for number in range(5):
        with serving(number=number) as service:
            if number == 0:
                run_id = trigger()
            at_gate(times=number + 1)
            others = service.processes()
        assert not [pid for pid in others if is_alive(pid)]
        assert read_json("show", run_id)["state"] == "interrupted"
    Path("open").touch()
    with serving(number=9):
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it has ended")
    assert ran().count("first x") == 1


def test_a_second_signal_does_not_wait_for_tasks() -> None:
    write("flows/gated.py", GATED)
    Path("penstock.toml").write_text("grace = 3600\n")
    with serving() as service:
        run_id = trigger()
        at_gate()
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.says("handing over 1 run"), "it stops")
        assert service.stop() == 0
    Path("open").touch()
    with serving(number=1):
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "another goes on with it")
    assert Counter(ran()) == {"first x": 1, "gate x": 2, "last x": 1}


def test_a_service_that_drains_lets_tasks_end_and_takes_nothing_new() -> None:
    write("flows/gated.py", NESTED)
    with serving("flows", "--drain-timeout", "3600") as service:
        run_id = trigger()
        outer = penstock_json("trigger", "outer")["id"]
        at_gate()
        at_gate("inner")
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.says("what runs of 2 runs has 1 h 00 min to end"), "it drains")
        new = trigger("new")
        Path("open").touch()
        assert service.process.wait(60) == 0
    assert not service.says("handing over")
    assert Counter(ran()) == Counter(f"{task} {name}" for task in ("first", "gate") for name in ("x", "inner"))
    assert [read_json("show", one)["state"] for one in (run_id, outer, new)] == ["interrupted", "interrupted", "queued"]
    with serving(number=1):
        wait_until(lambda: ended("gated", 2) and ended("outer"), "the next service has run all")
    assert set(Counter(ran()).values()) == {1}


@pytest.mark.parametrize("patience", ["3600", "0.1"])
def test_a_drain_ends_when_its_time_is_up_or_somebody_asks_again(patience: str) -> None:
    write("flows/gated.py", GATED)
    Path("penstock.toml").write_text("grace = 0.2\n")
    with serving("flows", "--drain-timeout", patience) as service:
        run_id = trigger()
        at_gate()
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.says("what runs of 1 run has"), "it drains")
        if patience == "3600":
            service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
        assert service.says("handing over 1 run")
    assert read_json("show", run_id)["state"] == "interrupted"


def test_a_store_that_others_cannot_share_is_refused() -> None:
    write("flows/gated.py", GATED)
    assert "not 'memory'" in penstock("serve", "flows", "--no-web", "--store", "memory", code=2).stderr


def test_the_process_that_others_are_forked_from_may_die() -> None:
    write("flows/gated.py", GATED)
    Path("open").touch()
    with serving() as service:
        for pid in service.processes():
            os.kill(pid, signal.SIGKILL)
        run_id = trigger()
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it has run")


def test_what_somebody_drove_who_died_is_taken_up_and_what_somebody_stopped_is_left() -> None:
    write("flows/gated.py", GATED)
    drivers = {name: start("run", "flows/gated.py", "--param", f"name={name}") for name in ("dead", "mine")}
    for name in drivers:
        at_gate(name)
    drivers["dead"].kill()
    drivers["mine"].send_signal(signal.SIGINT)
    for process in drivers.values():
        process.communicate()
    Path("open").touch()
    with serving():
        wait_until(lambda: states("gated").count("success") == 1, "one is taken up")
    found = {run["params"]["name"]: run["state"] for run in runs("gated")}
    assert found == {"dead": "success", "mine": "interrupted"}


def test_a_parked_run_is_woken_when_it_is_due() -> None:
    write(
        "flows/parked.py",
        """\
        from pathlib import Path
        from penstock import Defer, current, task, workflow

        @task
        def wait() -> None:
            if current().attempt == 1 and not Path("seen").exists():
                Path("seen").touch()
                raise Defer(2.0)

        @workflow
        def parked():
            wait()
        """,
    )
    Path("penstock.toml").write_text("park_after = 0.1\n")
    with serving() as service:
        run_id = penstock_json("trigger", "parked")["id"]
        wait_until(lambda: service.says(f"Run {run_id} of parked: waiting"), "it is parked")
        wait_until(lambda: read_json("show", run_id)["state"] == "success", "it is woken")


def test_two_services_on_one_folder_run_each_time_once() -> None:
    write("flows/ticking.py", TICKING)
    with serving() as first, serving(number=1):
        wait_until(lambda: ended("ticking", 2), "some have run")
        first.kill()
        seen = len(states("ticking"))
        wait_until(lambda: ended("ticking", seen + 2), "more have run")
    with WorkflowManager() as manager:
        times = sorted(row.logical_at or 0.0 for row in manager.parts.store.runs("ticking"))
    assert times == [times[0] + number for number in range(len(times))]
    assert len(ran()) == len(times)


def test_a_task_that_kills_its_driver_fails_in_the_end_and_takes_no_other_run_with_it() -> None:
    write(
        "flows/poison.py",
        """\
        import os, signal
        from pathlib import Path
        from penstock import task, workflow

        @task
        def dies() -> None:
            with Path("pids").open("a") as file:
                file.write(f"{os.getpid()}\\n")
            os.kill(os.getpid(), signal.SIGKILL)

        @workflow
        def poison():
            dies()
        """,
    )
    with serving():
        run_id = penstock_json("trigger", "poison")["id"]
        wait_until(lambda: read_json("show", run_id)["state"] == "failed", "it has failed")
    assert len(set(pids_in(Path("pids")))) == 3
