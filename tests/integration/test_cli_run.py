"""`run`, `show`, `runs`, `logs`, `check` and `graph`: what they write, and how they exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.commands import PENSTOCK, here, penstock, penstock_json, read, read_json, write

GOOD = """\
    from penstock import task, workflow

    @task
    def extract(day: int) -> int:
        print("fetched day", day)
        return day

    @task
    def load(rows: int) -> str:
        return f"{rows} rows"

    @workflow
    def daily(day: int = 1):
        load(extract(day))
    """

BAD = """\
    from penstock import task, workflow

    @task
    def extract() -> int:
        return 1

    @task(retries=1)
    def transform(rows: int) -> int:
        print("rows:", rows)
        raise ValueError(f"no column 'price'\\nin {rows} rows")

    @task
    def load(rows: int) -> None:
        pass

    @workflow
    def broken():
        load(transform(extract()))
    """


def test_a_run_announces_its_tasks_and_is_on_record():
    write("daily.py", GOOD)
    lines = penstock("run", "daily.py", "--param", "day=7").stdout.splitlines()
    run_id = lines[0].split()[1]
    assert lines[0] == f"Run {run_id} of daily: 2 tasks"
    assert [line for line in lines if line.startswith("Running")] == ["Running task: extract", "Running task: load"]
    assert "fetched day 7" in lines
    assert lines[-1].startswith(f"Run {run_id} succeeded in ")

    shown = penstock("show").stdout
    assert shown.splitlines()[0] == f"Run {run_id} of daily: success"
    assert "day=7" in shown
    assert run_id in penstock("runs").stdout
    assert "'7 rows'" in penstock("show", run_id[:6], "--values").stdout


def test_show_json_has_the_form_that_is_promised():
    file = write("daily.py", GOOD)
    penstock("run", "daily.py")
    run = penstock_json("show")
    assert (run["workflow"], run["state"], run["params"]) == ("daily", "success", {"day": 1})
    assert run["file"] == str(file.absolute())
    for name in ("started_at", "ended_at"):
        assert run[name].endswith("Z")
        assert abs(datetime.fromisoformat(run[name]) - datetime.now(UTC)).total_seconds() < 600
    task = run["tasks"][0]
    promised = ("id", "map_index", "state", "attempts", "started_at", "ended_at", "error")
    assert [name for name in promised if name not in task] == []
    assert (task["id"], task["map_index"], task["state"], task["attempts"], task["error"]) == (
        "extract",
        None,
        "success",
        1,
        None,
    )
    assert penstock_json("runs")[0]["id"] == run["id"]
    assert penstock_json("runs", "other") == []


def test_a_failure_is_told_first_and_then_how_to_go_on():
    write("broken.py", BAD)
    ran = penstock("run", "broken.py", code=1)
    assert "Task transform failed, attempt 1 of 2, will be tried again: ValueError: no column 'price'" in ran.stderr
    shown = penstock("show").stdout
    run_id = shown.split()[1]
    report = ran.stderr[ran.stderr.index("Task transform failed on") :]
    for told in (report, shown):
        order = [
            told.index(part)
            for part in (
                "Task transform failed on attempt 2:",
                "Traceback (most recent call last):",
                "ValueError: no column 'price'",
                f"penstock resume {run_id}",
            )
        ]
        assert order == sorted(order)
    assert shown.index("ValueError") < shown.index("TASK"), "the error comes before the table"
    run = penstock_json("show")
    assert [task["state"] for task in run["tasks"]] == ["success", "failed", "upstream_failed"]
    assert run["tasks"][1]["error"].startswith("ValueError: no column")
    assert "ValueError" in run["tasks"][1]["traceback"]
    assert run["error"] == "task 'transform' failed"


def test_json_is_all_that_comes_to_stdout():
    write(
        "noisy.py",
        """\
        import subprocess, sys
        from penstock import task, workflow

        print("while it is loaded")

        @task
        def noisy() -> None:
            print("from the task")
            subprocess.run([sys.executable, "-c", "print('from its child')"], check=True)

        @workflow
        def flow():
            noisy()
        """,
    )
    for command in ("run", "check", "graph"):
        done = penstock(command, "noisy.py", "--json")
        json.loads(done.stdout)
        assert "while it is loaded" in done.stderr
    ran = penstock("run", "noisy.py", "--json")
    assert json.loads(ran.stdout)["state"] == "success"
    assert "from the task" in ran.stderr
    assert "from its child" in ran.stderr
    assert penstock("graph", "noisy.py").stdout.startswith("flow: 1 task")


def test_json_of_a_failed_run_and_of_an_error():
    write("broken.py", BAD)
    assert penstock_json("run", "broken.py", code=1)["state"] == "failed"
    assert penstock_json("show", "nosuch", code=3)["error"]["kind"] == "RunNotFound"
    assert penstock_json("run", "nosuch.py", code=2)["error"]["kind"] == "LoadError"
    assert penstock_json("run", "--nosuch", code=2)["error"]["kind"] == "NoSuchOption"
    assert penstock_json("nosuch", code=2)["error"]["kind"] == "UsageError"


def test_check_tells_every_problem_of_every_workflow_with_its_place():
    file = write(
        "many.py",
        """\
        from penstock import Task, Workflow, task, workflow

        @task
        def add(x: int) -> int:
            return x

        @workflow
        def good(day: int):
            add(day)

        @workflow
        def two():
            add(1, 2)
            add.options(retries=-1)(3)

        @workflow
        def raises():
            add(1 / 0)

        circle = Workflow("circle")
        circle.add_task(Task("a", print, ["b"]))
        circle.add_task(Task("b", print, ["a"]))
        """,
    )
    done = penstock("check", "many.py", code=2)
    assert "good: 1 task, 0 edges, fine" in done.stdout, "a parameter without a value is no problem"
    assert f"{file.absolute()}:13: ArgumentsError: " in done.stdout
    assert f"{file.absolute()}:14: OptionError: " in done.stdout
    assert f"{file.absolute()}:18: ZeroDivisionError: " in done.stdout
    assert "CycleError: a -> b -> a" in done.stdout
    problems = penstock_json("check", "many.py", code=2)
    assert [set(problem) for problem in problems] == [{"file", "kind", "message", "where"}] * 4
    assert {problem["kind"] for problem in problems} == {
        "ArgumentsError",
        "OptionError",
        "ZeroDivisionError",
        "CycleError",
    }
    assert penstock_json("check", "many.py:good") == []


def test_check_keeps_files_apart():
    for folder in ("a", "b"):
        Path(folder).mkdir()
        write(f"{folder}/shared.py", f"NAME = 'from_{folder}'\n")
        write(
            f"{folder}/flow.py",
            """\
            from penstock import Task, Workflow
            from shared import NAME

            flow = Workflow(NAME)
            flow.add_task(Task("only", print))
            """,
        )
    lines = penstock("check", "a/flow.py", "b/flow.py").stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["from_a", "from_b"]


def test_what_a_workflow_function_raises_is_told_with_its_place():
    file = write("raises.py", "from penstock import workflow\n\n@workflow\ndef flow():\n    {}['day']\n")
    done = penstock("run", "raises.py", code=2)
    assert done.stderr == f"Error: {file.absolute()}:5: KeyError: 'day'\n"
    assert "Traceback" in penstock("run", "raises.py", "--debug", code=None).stderr
    assert "Traceback" in penstock("run", "raises.py", code=None, PENSTOCK_DEBUG="1").stderr


def test_graph_draws_files_and_runs():
    write("broken.py", BAD)
    assert "2  transform  after extract" in penstock("graph", "broken.py").stdout
    assert "t0 --> t1" in penstock("graph", "broken.py", "--format", "mermaid").stdout
    for name, beginning in (("a.dot", "digraph"), ("a.svg", "<svg"), ("a.mmd", "flowchart"), ("a.unknown", "broken:")):
        penstock("graph", "broken.py", "--output", name)
        assert Path(name).read_text("utf-8").startswith(beginning)
    ET.parse("a.svg")
    penstock("run", "broken.py", code=1)
    drawn = penstock("graph", "--run", penstock_json("show")["id"]).stdout
    assert "3  load       upstream_failed  after transform" in drawn
    assert penstock("graph", code=2).stdout == ""


def test_a_dry_run_shows_the_order_and_leaves_no_trace():
    write("daily.py", GOOD)
    before = set(Path().iterdir())
    assert penstock("run", "daily.py", "--dry-run").stdout == "Would run 2 tasks of daily:\n  extract\n  load\n"
    assert [task["id"] for task in penstock_json("run", "daily.py", "--dry-run")["tasks"]] == ["extract", "load"]
    assert {path for path in Path().iterdir() if path.name != "__pycache__"} == before


def test_looking_makes_no_store():
    assert "There are no runs yet" in penstock("runs").stdout
    assert read_json("runs") == []
    for command in (["show"], ["logs"], ["resume"], ["rerun", "--failed"], ["cancel"]):
        assert "no runs yet" in here(*command, code=3).stderr
    here("show", "--store", "sqlite:///elsewhere", code=3)
    assert list(Path().iterdir()) == []


def test_options_override_the_settings():
    write("daily.py", GOOD)
    write("penstock.toml", 'store = "sqlite:///kept"\nworkers = 1\n')
    penstock("run", "daily.py")
    assert Path("kept/penstock.db").exists()
    penstock("run", "daily.py", "--store", "sqlite:///other")
    assert Path("other/penstock.db").exists()
    assert len(penstock_json("runs")) == 1
    write("penstock.toml", "wrokers = 1\n")
    assert "there is no setting 'wrokers'" in penstock("run", "daily.py", code=2).stderr


def test_errors_are_one_line_and_have_their_exit_code():
    write("daily.py", GOOD)
    penstock("run", "daily.py")
    for arguments, code, message in (
        (["run", "daily.py", "--param", "day=x"], 2, "'x' does not read as int"),
        (["run", "daily.py", "--param", "dya=1"], 2, "did you mean 'day'?"),
        (["run", "daily.py", "--param", "day"], 2, "is not NAME=VALUE"),
        (["run", "daily.py:nosuch"], 2, "has no workflow 'nosuch'"),
        (["run", "daily.py", "--workers", "0"], 2, "--workers"),
        (["run", "daily.py", "--executor", "nosuch"], 2, "there is no executor 'nosuch'"),
        (["run", "daily.py", "--only", "laod"], 2, "did you mean 'load'?"),
        (["run"], 2, "Missing argument"),
        (["rnu"], 2, "did you mean 'run'?"),
        (["rerun"], 2, "say what to run again"),
        (["show", "zz"], 3, "no run has an id that begins with 'zz'"),
        (["cancel"], 4, "has ended already: success"),
    ):
        done = penstock(*arguments, code=code)
        assert message in done.stderr
        assert done.stdout == ""


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"\x1b[31mred",
    b"9" * 5000,
    b"-1",
    b"a" * 5000,
    b"';--",
    b":",
    b"x.py:",
    b"/",
    b"\n",
    b"..",
]


ONE_AFTER_ANOTHER = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from penstock.cli.group import execute

odd = sys.argv[1]
for words in json.load(sys.stdin):
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        code = execute([word.replace("ODD", odd) for word in words])
    print(json.dumps([words, code, errors.getvalue()]), flush=True)
"""


@pytest.mark.parametrize("odd", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_arguments_are_refused_without_a_traceback(odd: bytes):
    write("daily.py", GOOD)
    commands = [
        ["run", "daily.py", "--param", "day=1"],
        ["run", "ODD"],
        ["check", "ODD"],
        ["show", "ODD"],
        ["logs", "", "ODD"],
        ["runs", "--limit", "ODD"],
        ["run", "daily.py", "--workers", "ODD"],
        ["run", "daily.py", "--param", "day=ODD"],
        ["run", "daily.py", "--only", "ODD"],
        ["show", "--store", "ODD"],
        ["ODD"],
    ]
    one_process = [sys.executable, "-c", ONE_AFTER_ANOTHER, os.fsdecode(odd)]
    told = subprocess.run(one_process, input=json.dumps(commands), capture_output=True, text=True, check=True).stdout
    done = [json.loads(line) for line in told.splitlines()]
    assert [words for words, _, _ in done] == commands
    assert done[0] == [commands[0], 0, ""]
    for words, code, errors in done:
        assert code in (0, 2, 3), (words, errors)
        assert "\x1b" not in errors, "a name must not control the terminal"
        assert "should not happen" not in errors
        assert "Traceback" not in errors
    alone = penstock(odd, code=None)
    assert (alone.returncode, "Traceback" in alone.stderr) == (done[-1][1], False)


def test_a_reader_that_goes_away_is_no_error():
    write("many.py", "from penstock import Task, Workflow\nflow = Workflow('many')\n")
    with Path("many.py").open("a") as file:
        file.writelines(f"flow.add_task(Task('task_{number}', print))\n" for number in range(3000))
    penstock("run", "many.py")
    for arguments in (["show", "--all"], ["graph", "many.py"], ["show", "--json"], ["--help"]):
        process = subprocess.Popen([*PENSTOCK, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate()
        assert errors == b""


def test_a_long_run_is_summed_up():
    write(
        "many.py", "from penstock import Task, Workflow\ndef fail(): raise OSError('down')\nflow = Workflow('many')\n"
    )
    with Path("many.py").open("a") as file:
        file.writelines(f"flow.add_task(Task('task_{number}', print))\n" for number in range(300))
        file.write("flow.add_task(Task('odd', fail))\n")
    penstock("run", "many.py", code=1)
    shown = read("show")
    assert "301 tasks: 300 success, 1 failed" in shown
    assert "odd" in shown
    assert "task_7" not in shown
    assert read("show", "--all").count("success") == 300
    assert "task_7 " not in read("show", "--state", "failed")
    assert [task["id"] for task in read_json("show", "--state", "failed")["tasks"]] == ["odd"]


def test_help_names_every_command_and_needs_none_of_them():
    code = "import sys; from penstock.cli.group import execute; execute(['--help']); print(*sorted(sys.modules))"
    done = subprocess.run([PENSTOCK[0], "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {command} " in done.stdout for command in ("run", "check", "graph", "logs", "resume", "demo"))
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"rich", "penstock.manager", "penstock.cli.run", "asyncio", "apsw"} & set(loaded)
    for command in ("run", "check", "graph", "runs", "show", "logs", "resume", "rerun", "cancel", "demo"):
        assert f"Usage: penstock {command}" in read(command, "--help")
    assert penstock().stdout == penstock("--help").stdout
    assert penstock("--version").stdout.startswith("penstock 0.")
