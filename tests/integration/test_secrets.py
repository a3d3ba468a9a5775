"""Secret parameters: whatever a task does with one, it is nowhere to be found afterwards."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

import pytest

from penstock import PenstockError, RunFailed, Secret, WorkflowManager, current, task, workflow
from penstock.errors import ParameterError
from tests.integration.commands import PENSTOCK, penstock, read, write

FLOW = """
    import json, logging, os, subprocess, sys, traceback
    from pathlib import Path
    from penstock import Secret, current, task, workflow

    @task
    def tells(password: Secret[str]) -> int:
        value = password.get_secret_value()
        print(value, password, repr(value), json.dumps([value]))
        print("in two", value[:7], end="")
        sys.stdout.write(value[:7]); sys.stdout.flush(); sys.stdout.write(value[7:]); sys.stdout.flush()
        print(file=sys.stderr); print("to stderr", value, file=sys.stderr)
        current().logger.warning("logged %s", value)
        logging.getLogger("own").error("logged %s", value)
        try:
            raise RuntimeError(value)
        except RuntimeError:
            traceback.print_exc()
        listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True).stdout
        assert value not in listed
        return len(value)

    @task
    def raises(password: Secret[str]) -> None:
        try:
            raise KeyError(password.get_secret_value())
        except KeyError as error:
            raise ValueError("cannot log in with " + password.get_secret_value()) from error

    @task
    def skips(password: Secret[str]) -> None:
        from penstock import Skip
        raise Skip("without " + password.get_secret_value())

    @task
    def returns(password: Secret[str]) -> dict:
        return {"the": [password.get_secret_value()]}

    @task
    def returns_much(password: Secret[str]) -> str:
        return "x" * 10_000 + password.get_secret_value()

    class Connection:
        def __init__(self, password):
            self.password = password

    @task
    def returns_an_object(password: Secret[str]) -> Connection:
        return Connection(password.get_secret_value())

    @task
    def returns_the_secret(password: Secret[str]) -> list:
        return [password]

    @task(map_name="{text}")
    def each(text: str, password: Secret[str]) -> None: ...

    @task
    def texts() -> list[str]:
        return ["a", "b"]

    @workflow
    def flow(password: Secret[str]) -> None:
        tells(password), raises(password), skips(password)
        returns(password), returns_much(password), returns_an_object(password), returns_the_secret(password)
        each.partial(password=password).expand(text=texts())
"""

FAILED = ["raises", "returns", "returns_an_object", "returns_much", "returns_the_secret"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".penstock").mkdir()
    return tmp_path


def forms(secret: str) -> list[bytes]:
    return [secret.encode(), base64.b64encode(secret.encode()), quote(secret).encode()]


def found(secret: str, folder: Path, *texts: str) -> list[str]:
    """Where a secret is: files of a folder, or texts."""
    contents = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(name.endswith((".sqlite", ".db", ".sqlite3")) or ".penstock" in name for name in contents)
    contents |= {f"text {number}": text.encode() for number, text in enumerate(texts)}
    return [name for name, content in contents.items() if any(form in content for form in forms(secret))]


@pytest.mark.parametrize("executor", ["threads", "processes", "inline"])
def test_a_secret_is_found_nowhere(here: Path, executor: str) -> None:
    write("flow.py", FLOW)
    secret = f"canary/{token_hex(12)}"
    done = penstock("run", "flow.py", "--param", "password=env:PW", "--executor", executor, code=1, PW=secret)
    again = penstock("resume", "--executor", executor, code=1, PW=secret)
    shown = [read(*command) for command in (["show", "--all"], ["show", "--json"], ["logs"], ["runs"])]
    assert found(secret, here, done.stdout, done.stderr, again.stdout, again.stderr, *shown) == []
    record = json.loads(shown[1])
    assert record["params"] == {"password": "***"}
    states = {one["id"]: one["state"] for one in record["tasks"]}
    assert sorted(name for name, state in states.items() if state == "failed") == FAILED
    assert states["tells"] == "success"
    assert "in two" in shown[2]
    assert shown[2].count("***") >= 9


def test_a_secret_in_a_file_is_found_again_from_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("flow.py", FLOW)
    secret = f"canary/{token_hex(12)}"
    write("password.txt", secret + "\n")
    done = penstock("run", "flow.py", "--param", "password=@password.txt", code=1)
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    again = penstock("resume", code=1)
    assert "raises" in again.stdout
    (here / "password.txt").unlink()
    assert found(secret, here, done.stdout, done.stderr, again.stdout, again.stderr) == []
    gone = penstock("resume", code=2)
    assert "password.txt cannot be read" in gone.stderr


@pytest.mark.parametrize("value", ["canary-as-text", "env:", "@", "prompts"])
def test_a_command_line_takes_no_secret_itself(here: Path, value: str) -> None:
    write("flow.py", FLOW)
    for command in (["run", "flow.py", "--param"], ["check", "flow.py", "--param"], ["resume", "--secret"]):
        refused = penstock(*command, f"password={value}", code=2)
        assert "it is a secret" in refused.stdout + refused.stderr
        assert "env:NAME" in refused.stdout + refused.stderr
        assert "canary" not in refused.stdout + refused.stderr


def test_a_secret_is_asked_for_at_a_terminal(here: Path) -> None:
    write("flow.py", FLOW)
    secret = f"canary/{token_hex(12)}"
    ours, theirs = pty.openpty()
    command = [*PENSTOCK, "run", "flow.py", "--param", "password=prompt"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        assert run.stderr is not None
        asked = os.read(run.stderr.fileno(), 100)
        assert asked == b"password: "
        os.write(ours, f"{secret}\n".encode())
        out, err = run.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Running task: tells" in out
    assert found(secret, here, out.decode(), err.decode()) == []
    assert "to be asked for" in penstock("run", "flow.py", "--param", "password=prompt", code=2).stderr


def test_a_missing_variable_is_told_before_anything_runs(here: Path) -> None:
    write("flow.py", FLOW)
    refused = penstock("run", "flow.py", "--param", "password=env:NOT_THERE", code=2)
    assert "workflow 'flow', parameter 'password': there is no environment variable NOT_THERE" in refused.stderr
    assert "no runs yet" in penstock("show", code=3).stderr


# --- From Python


@task
def length(password: Secret[str]) -> int:
    assert current().params["password"].get_secret_value() == password.get_secret_value()
    if (Path.cwd() / "fail").exists():
        raise RuntimeError(f"cannot use {password.get_secret_value()}")
    return len(password.get_secret_value())


@workflow
def logs_in(password: Secret[str]) -> None:
    length(password)


@workflow
def by_default(password: Secret[str] = Secret.from_env("DB_PASSWORD"), other: Secret[str] | None = None) -> None:  # noqa: B008
    length(password)


def test_a_secret_that_was_given_as_a_value_must_be_given_again(here: Path) -> None:
    secret = f"canary/{token_hex(12)}"
    manager = WorkflowManager(observers=[])
    (here / "fail").touch()
    with pytest.raises(RunFailed) as failed:
        manager.run(logs_in, password=secret)
    (here / "fail").unlink()
    assert found(secret, here, str(failed.value), repr(failed.value.run.params)) == []
    run_id = failed.value.run.id
    assert failed.value.run.task("length").exception is None
    with pytest.raises(ParameterError, match=rf"manager.resume\('{run_id}', secrets={{'password': ...}}\)"):
        manager.resume(run_id, logs_in)
    with pytest.raises(ParameterError, match="has no secret parameter 'passwort'"):
        manager.resume(run_id, logs_in, secrets={"passwort": secret})
    assert manager.resume(run_id, logs_in, secrets={"password": secret}).task("length").result == len(secret)
    assert manager.rerun(run_id, logs_in, only=["length"], secrets={"password": "another-one"}).state == "success"
    assert found(secret, here) == []


def test_the_run_with_the_same_secret_is_resumed_with_the_value_that_is_given(here: Path) -> None:
    manager = WorkflowManager(observers=[])
    (here / "fail").touch()
    run = manager.run(logs_in, password="canary-1234", raise_on_failure=False)
    (here / "fail").unlink()
    again = manager.run(logs_in, password="canary-1234", resume=True)
    assert (again.id, again.state) == (run.id, "success")


def test_a_default_is_read_when_the_run_starts_and_when_it_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = WorkflowManager(observers=[])
    with pytest.raises(ParameterError, match="there is no environment variable DB_PASSWORD"):
        manager.run(by_default)
    monkeypatch.setenv("DB_PASSWORD", "canary-12")
    run = manager.run(by_default)
    assert run.task("length").result == 9
    monkeypatch.setenv("DB_PASSWORD", "canary-123")
    assert manager.rerun(run.id, by_default, only=["length"]).task("length").result == 10
    assert found("canary-12", here) == []


def test_a_secret_in_the_name_of_a_task_is_refused(here: Path) -> None:
    secret = f"canary/{token_hex(12)}"

    @workflow
    def flow(password: Secret[str]) -> None:
        length.named(f"length of {secret}")(password)

    manager = WorkflowManager(observers=[])
    with pytest.raises(PenstockError, match=r"the name of task 'length of \*\*\*' has a secret in it"):
        manager.run(flow, password=secret)
    assert manager.runs() == []
    assert found(secret, here) == []


def test_a_secret_among_the_arguments_of_a_task_is_refused(here: Path) -> None:
    secret = f"canary/{token_hex(12)}"

    @task
    def takes(text: str, password: Secret[str]) -> None: ...

    @workflow
    def flow(password: Secret[str]) -> None:
        takes(secret, password)

    with pytest.raises(PenstockError, match="has the value of a secret in its graph"):
        WorkflowManager(observers=[]).run(flow, password=secret)
    assert found(secret, here) == []


def test_a_secret_in_another_parameter_is_refused(here: Path) -> None:
    @workflow
    def flow(password: Secret[str], user: str) -> None:
        length(password)

    with pytest.raises(ParameterError, match="parameter 'user': it has the value of a secret in it"):
        WorkflowManager(observers=[]).run(flow, password="canary-12", user="ann:canary-12")
    assert found("canary-12", here) == []


def test_a_secret_in_the_name_of_an_instance_is_masked(here: Path) -> None:
    @task(map_name="{text}")
    def each(text: str) -> None: ...

    @task
    def texts(password: Secret[str]) -> list[str]:
        return [password.get_secret_value()[:9], "b"]  # of nine characters, the first nine

    @workflow
    def flow(password: Secret[str]) -> None:
        each.expand(text=texts(password))

    run = WorkflowManager(observers=[]).run(flow, password="canary-12", raise_on_failure=False)
    assert run.task("texts").state == "failed"
    assert found("canary-12", here) == []
