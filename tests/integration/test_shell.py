"""Commands as tasks: what they write, what they return, what they are given, and how they end."""

from __future__ import annotations

import enum
import os
import signal
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep
from typing import Any

import pytest

from penstock import (
    CommandFailed,
    PenstockError,
    Run,
    Secret,
    ShellTask,
    Template,
    Workflow,
    WorkflowManager,
    current,
    shell,
    task,
    workflow,
)
from penstock.errors import OptionError
from tests.integration.commands import penstock, start, write

EXECUTORS = ["threads", "processes", "inline"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".penstock").mkdir()
    yield tmp_path
    assert eventually(lambda: not started_in(tmp_path)), f"left behind: {started_in(tmp_path)}"


def started_in(folder: Path) -> list[str]:
    """The programs that run in a folder, this one aside."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == folder and place.name != str(os.getpid()):
                found.append((place / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return [command for command in found if command]


def eventually(holds: Any) -> bool:
    deadline = monotonic() + 30
    while not holds():
        if monotonic() > deadline:
            return False
        sleep(0.02)
    return True


def run_one(command: Any, executor: str = "threads", **options: Any) -> Run:
    flow = Workflow("flow")
    flow.add_task(ShellTask("it", command, **options))
    return WorkflowManager(executor=executor, observers=[], workers=1).run(flow, raise_on_failure=False)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_value_is_the_last_line_and_the_log_has_all(executor: str) -> None:
    run = run_one("echo one; echo oops >&2; echo two; echo", executor)
    assert (run.state, run.task("it").result) == ("success", "two")
    chunks = [(entry.chunk.stream, entry.chunk.text) for entry in WorkflowManager().logs(run.id)]
    assert "".join(text for stream, text in chunks if stream == "stdout") == "one\ntwo\n\n"
    assert "".join(text for stream, text in chunks if stream == "stderr") == "oops\n"


def test_a_list_is_run_without_a_shell() -> None:
    assert run_one(["printf", "%s-", "$HOME", "a b", "*", ";"]).task("it").result == "$HOME-a b-*-;-"


@pytest.mark.parametrize(
    ("command", "code", "last"),
    [
        ("echo one; echo two >&2; exit 3", 3, "two"),
        ("false; echo three", 1, ""),
        (["no-such-command"], 127, "not found"),
        ("kill -9 $$", -9, "was ended by signal SIGKILL"),
    ],
    ids=str,
)
def test_another_exit_code_than_0_fails_with_the_last_lines(command: Any, code: int, last: str) -> None:
    run = run_one(command)
    error = run.task("it").error
    assert run.state == "failed"
    assert error is not None
    assert "CommandFailed: the command " in error
    assert last in error
    exception = run.task("it").exception
    assert isinstance(exception, CommandFailed)
    assert exception.exit_code == code


def test_bash_is_told_to_fail_within_a_pipe() -> None:
    assert run_one("false | cat", shell="/bin/sh").state == "success"
    assert run_one("false | cat", shell="/bin/bash").state == "failed"


def test_exit_code_99_skips_unless_another_does() -> None:
    assert run_one("exit 99").task("it").state == "skipped"
    assert run_one("exit 99", skip_on_exit_code=None).task("it").state == "failed"
    assert run_one("exit 3", skip_on_exit_code=3).task("it").state == "skipped"


def test_a_failed_command_is_tried_again_as_any_task() -> None:
    run = run_one("echo $PENSTOCK_ATTEMPT; test $PENSTOCK_ATTEMPT = 3", retries=2)
    assert (run.task("it").state, run.task("it").result) == ("success", "3")


def test_it_runs_in_its_folder(here: Path) -> None:
    (here / "below").mkdir()
    assert run_one("pwd", cwd=here / "below").task("it").result == str(here / "below")


def test_it_is_once_in_the_workflow_within_which_it_is_made() -> None:
    with Workflow("flow") as flow:
        one = ShellTask("one", "echo 1")
        other = flow.add_task(ShellTask("other", ["echo", one, one.output]))
    assert flow.tasks == [one, other]
    assert WorkflowManager(observers=[]).run(flow).task("other").result == "1 1"


# --- What it is given

HOSTILE = [
    "a b",
    "$(touch hacked)",
    "`touch hacked`",
    "; touch hacked",
    "' ; touch hacked ; '",
    '" ; touch hacked ; "',
    "' \" $(touch hacked) ` touch hacked `",
    "*",
    "-n",
    "line\nbreak",
    "back\\slash",
    "{{ 7 * 7 }}",
    "${HOME}",
    "é\u2028",
]


class Level(enum.Enum):
    HIGH = 1


@workflow
def given(text: str, day: date = date(2013, 1, 2), level: Level = Level.HIGH, many: tuple[int, ...] = (1, 2)) -> None:
    output = same(text)
    ShellTask("by_parameter", 'printf "%s" "<$PARAM_TEXT>" | base64 -w0')
    ShellTask("by_env", 'printf "%s" "<$X>" | base64 -w0', env={"X": output})
    ShellTask("by_argument", [sys.executable, "-c", ENCODE, output])
    for name, form in {"bare": "{{ x }}", "double": '"{{ x }}"', "single": "'{{ x }}'"}.items():
        ShellTask(name, Template(f"printf '%s' '<'{form}'>' | base64 -w0", x=output))
    ShellTask("other", 'echo "$PARAM_DAY $PARAM_LEVEL $PARAM_MANY"')
    ShellTask("about", 'echo "$PENSTOCK_WORKFLOW $PENSTOCK_TASK $PENSTOCK_ATTEMPT $PENSTOCK_IDEMPOTENCY_KEY"')


ENCODE = "import base64, sys; print(base64.b64encode(f'<{sys.argv[1]}>'.encode()).decode())"


@task
def same(text: str) -> str:
    return text


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_no_value_is_read_as_a_command_however_it_is_passed(text: str, here: Path) -> None:
    from base64 import b64decode

    run = WorkflowManager(observers=[]).run(given, text=text)
    for name in ("by_parameter", "by_env", "by_argument", "bare", "double", "single"):
        assert b64decode(run.task(name).result).decode() == f"<{text}>", name
    assert not (here / "hacked").exists()
    assert run.task("other").result == "2013-01-02 HIGH [1, 2]"
    assert run.task("about").result == f"given about 1 {run.id}:about:0:0"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_secret_goes_by_the_environment_and_only_where_it_is_named(executor: str, here: Path) -> None:
    secret = f"canary/{token_hex(12)}"

    @workflow
    def flow(password: Secret[str]) -> None:
        ShellTask(
            "used", 'echo "$PW"; echo "it is $PW" >&2; ps -eww -o args > listed; echo ${#PW}', env={"PW": password}
        )
        ShellTask("unnamed", "env > environment; echo ${PARAM_PASSWORD-none}")
        ShellTask("argument", ["echo", password])
        ShellTask("rendered", Template("echo {{ params.password }} | wc -c", password=password))

    run = WorkflowManager(executor=executor, observers=[]).run(flow, password=secret, raise_on_failure=False)
    assert run.task("used").result == str(len(secret))
    assert run.task("unnamed").result == "none"
    assert "pass it in env" in (run.task("argument").error or "")
    assert run.task("rendered").result.strip() == str(len(secret) + 1)
    files = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert here / "listed" in files
    assert [path for path, content in files.items() if secret.encode() in content] == []


def test_a_value_that_is_too_large_is_told_of() -> None:
    assert "write what is large to a file" in (run_one("true", env={"X": "x" * 200_000}).task("it").error or "")


def test_within_the_body_of_a_task(here: Path) -> None:
    @task
    def body(number: int) -> str:
        return shell('echo "$N of $PENSTOCK_TASK"', env={"N": number}) + current().task

    @workflow
    def flow() -> None:
        body.expand(number=[1, 2])

    run = WorkflowManager(observers=[]).run(flow)
    assert run.task("body").result == ["1 of body[0]body[0]", "2 of body[1]body[1]"]


@pytest.mark.parametrize(
    ("command", "env", "told"),
    [
        ("", None, "its command is ''"),
        ([], None, r"its command is \[\]"),
        (None, None, "its command is None: give a text, a list of arguments or a Template"),
        ("true", {"A=B": 1}, "env has 'A=B', which is not the name of a variable"),
        ("true", ["A"], r"env=\['A'\] is not a dict"),
    ],
)
def test_what_cannot_be_a_command_is_refused_before_anything_runs(command: Any, env: Any, told: str) -> None:
    with pytest.raises(OptionError, match=f"task 'it': {told}.*test_shell.py"):
        ShellTask("it", command, env=env)


def test_outside_of_a_run_it_is_a_command() -> None:
    assert shell(["echo", 1]) == "1"
    with pytest.raises(CommandFailed, match="exit code 2: two\nIts last lines:\n  one\n  two"):
        shell("echo one; echo two; exit 2")


def test_a_template_names_what_there_is() -> None:
    assert shell(Template("echo {% for x in xs %}{{ x + 1 }} {% endfor %}", xs=[1, 2])) == "2 3"
    with pytest.raises(PenstockError, match=r"'daay' is undefined \(there are day\)"):
        shell(Template("echo {{ daay }}", day=1))
    with pytest.raises(PenstockError, match="cannot be rendered: access to attribute '__class__'"):
        shell(Template("echo {{ day.__class__.__mro__ }}", day=1))


# --- How it ends

TREE = "sleep 600 & (sleep 600 & sleep 600) & echo started; touch started; wait"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_its_timeout_ends_all_that_it_started(executor: str) -> None:
    run = run_one(TREE, executor, timeout=0.5)
    assert "TaskTimeout" in (run.task("it").error or "")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_ignores_sigterm_is_killed(executor: str) -> None:
    run = run_one(f"trap '' TERM; {TREE}; while true; do sleep 1; done", executor, timeout=0.5)
    assert "TaskTimeout" in (run.task("it").error or "")


def test_what_it_leaves_behind_is_ended() -> None:
    run = run_one("sleep 600 & echo done")
    assert run.task("it").result == "done"


def test_what_it_leaves_behind_may_write_without_end() -> None:
    run = run_one("(yes >&2) & echo done")
    assert run.task("it").result == "done"


def test_what_makes_a_session_of_its_own_is_not_waited_for(here: Path) -> None:
    apart = "setsid sh -c 'touch apart; exec sleep 600' & echo $! > pid; until test -e apart; do sleep 0.01; done"
    run = run_one(f"{apart}; echo done")
    assert run.task("it").result == "done"
    assert eventually(lambda: started_in(here) == ["sleep 600 "])
    os.kill(int((here / "pid").read_text()), signal.SIGKILL)


FLOW = f"""
    from penstock import ShellTask, Workflow

    flow = Workflow("flow")
    flow.add_task(ShellTask("it", {f"trap 'echo asked > asked; exit 1' TERM; {TREE}"!r}))
"""


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("ended_by", ["cancel", "SIGINT", "SIGTERM", "SIGKILL"])
def test_it_ends_with_its_run_and_its_driver(executor: str, ended_by: str, here: Path) -> None:
    write("flow.py", FLOW)
    driver = start("run", "flow.py", "--executor", executor)
    assert eventually((here / "started").exists)
    if ended_by == "cancel":
        penstock("cancel")
    else:
        driver.send_signal(signal.Signals[ended_by])
    driver.communicate(timeout=60)
    assert eventually(lambda: not started_in(here))
    assert (here / "asked").exists() == (ended_by != "SIGKILL")
