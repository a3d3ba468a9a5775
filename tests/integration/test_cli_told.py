"""What the commands say of maps, groups that are tried again, and tasks that did not run."""

from __future__ import annotations

import pytest

from tests.integration.commands import penstock, penstock_json, read, read_json, write

FLOW = """\
    from penstock import TaskGroup, chain, task, task_group, workflow

    @task
    def five() -> int:
        return 5

    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task
    def double(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return 2 * number

    @task
    def report(doubled: list[int]) -> None: ...

    @task_group
    def twice(number: int) -> int:
        return double.named("once")(number)

    @workflow
    def wide():
        double.expand(number=five())

    @workflow
    def mapped():
        report(double.expand(number=numbers()))

    @workflow
    def grouped():
        twice.expand(number=numbers())

    @task(retries=1, retry_delay=0)
    def speak() -> None:
        print("hear me")
        raise ValueError("too soft")

    @task
    def before() -> None:
        print("before")

    @workflow
    def rounds():
        with TaskGroup("group", retries=1):
            chain(before(), speak())
    """


@pytest.fixture(autouse=True)
def flow(tmp_path: object) -> None:
    write("flow.py", FLOW)


def run_id() -> str:
    return str(read_json("runs")[0]["id"])


def test_a_map_that_cannot_be_expanded_is_told_without_penstocks_own_lines():
    said = penstock("run", "flow.py:wide", code=1).stderr
    assert said.count("Task double failed: ExpansionError: argument 'number' of task 'double' is mapped over 5") == 1
    assert "Task double failed:\n  ExpansionError: argument 'number'" in said
    assert "Traceback" not in said
    assert "Traceback" not in read("show", "--all")


def test_the_last_line_says_how_a_run_ended_before_it_says_why():
    penstock("run", "flow.py:mapped", code=1)
    write("flow.py", FLOW.replace('raise ValueError("two")', "pass"))
    said = penstock("rerun", "--only", "double[1]", code=1).stderr
    last = next(line for line in said.splitlines() if line.startswith("Run "))
    assert last.startswith(f"Run {run_id()} failed after ")
    assert last.endswith(": 4 success, 1 upstream_failed; task 'report' did not run again")


def test_a_task_that_did_not_run_says_what_kept_it():
    penstock("run", "flow.py:mapped", code=1)
    (report,) = [task for task in read_json("show")["tasks"] if task["id"] == "report"]
    assert report["reason"] == "'double[1]' failed"
    assert "upstream_failed                      'double[1]' failed\n" in read("show")


def test_runs_count_the_instances_of_maps():
    penstock("run", "flow.py:grouped", code=1)
    assert "  3/4  " in read("runs")
    assert "1 task" not in penstock("graph", "flow.py:grouped").stdout.splitlines()[0]
    assert penstock("graph", "flow.py:grouped").stdout.startswith("grouped: 2 tasks, ")


def test_what_a_rerun_would_expand_again_is_no_task():
    penstock("run", "flow.py:grouped", code=1)
    shown = penstock("rerun", "--only", "twice", "--dry-run").stdout.splitlines()
    assert shown[0] == f"Would run 3 tasks of run {run_id()} again:"
    assert shown[1:] == ["  twice[]", "  twice.once[0]", "  twice.once[1]", "  twice.once[2]"]


def test_logs_of_a_group_that_is_tried_again_name_the_round():
    penstock("run", "flow.py:rounds", code=1)
    assert read("logs", run_id(), "group.speak") == (
        "hear me\n--- round 1, attempt 2 ---\nhear me\n"
        "--- round 2, attempt 1 ---\nhear me\n--- round 2, attempt 2 ---\nhear me\n"
    )
    assert read("logs", run_id(), "group.before") == "before\n--- round 2, attempt 1 ---\nbefore\n"


def test_a_map_that_was_never_expanded_cannot_be_marked_and_says_why():
    write("flow.py", FLOW.replace("return [1, 2, 3]", "raise OSError"))
    penstock("run", "flow.py:mapped", code=1)
    refused = penstock("mark", run_id(), "double", "--as", "skipped", code=2)
    assert refused.stderr == (
        f"Error: run {run_id()}: 'double' is mapped, and it is not known yet how many instances it has: "
        "mark what comes after it\n"
    )
    assert "Marked 1 task of run" in penstock("mark", run_id(), "report", "--as", "skipped").stdout


def test_the_graph_as_json_has_groups_kinds_and_rules():
    graph = penstock_json("graph", "flow.py:grouped")
    assert [task["id"] for task in graph["tasks"]] == ["numbers", "twice.once"]
    once = graph["tasks"][1]
    assert (once["group"], once["kind"], once["rule"], once["mapped"]) == ("twice", None, "all_success", False)
    (group,) = graph["groups"]
    assert (group["id"], group["group"], group["mapped"], group["upstreams"]) == ("twice", None, True, ["numbers"])
