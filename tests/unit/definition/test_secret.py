"""What a secret shows of itself, and what is taken out of texts while it lives."""

from __future__ import annotations

import base64
import gc
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, Secret, WorkflowManager, task, workflow
from penstock.definition.secret import has_secrets, holds_secret, mask
from penstock.errors import OptionError, ParameterError, ValueNotKept
from penstock.executor.capture import AttemptOutput
from penstock.logs.base import Stream

VALUE = "pa55 'w\"ord'\nof /two\\lines"


def test_a_secret_shows_nothing_of_its_value() -> None:
    secret = Secret(VALUE)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>30}", repr([secret])):
        assert "pa55" not in text
    assert secret.get_secret_value() == VALUE


def test_a_secret_that_is_found_elsewhere_says_where() -> None:
    assert repr(Secret.from_env("DB_PASSWORD")) == "<secret *** from environment variable DB_PASSWORD>"
    assert repr(Secret.from_file("/run/secrets/db")) == "<secret *** from file /run/secrets/db>"
    with pytest.raises(PenstockError, match=r"DB_PASSWORD.* is not known here"):
        Secret.from_env("DB_PASSWORD").get_secret_value()


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(ValueNotKept):
        pickle.dumps(Secret(VALUE))


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        repr(VALUE),
        repr({"password": [VALUE]}),
        json.dumps({"password": VALUE}),
        f"https://ann:{quote(VALUE, safe='')}@db",
        base64.b64encode(VALUE.encode()).decode(),
        "the second line was: of /two\\lines",
    ],
)
def test_every_form_of_it_is_masked_while_it_lives(text: str) -> None:
    secret = Secret(VALUE)
    masked = mask(f"before {text} after")
    assert "two" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    del secret
    gc.collect()
    assert not has_secrets()
    assert mask(text) == text


def test_the_longer_of_two_that_begin_alike_is_masked_whole() -> None:
    secrets = Secret("password"), Secret("password-of-ann")
    assert mask("a password-of-ann and a password") == "a *** and a ***"
    del secrets


@pytest.mark.parametrize("value", [{"user": "ann", "key": "canary-1"}, ["canary-1"], b"canary-1", ("x", {"canary-1"})])
def test_every_text_in_a_secret_value_is_masked(value: object) -> None:
    secret = Secret(value)
    assert mask("it is canary-1.") == "it is ***."
    del secret


def test_a_value_that_is_too_short_to_be_found_is_left() -> None:
    secret = Secret("abc")
    assert mask("abc") == "abc"
    del secret


def test_what_may_not_be_stored_are_long_secrets() -> None:
    secrets = Secret("1234567"), Secret("12345678")
    assert not holds_secret(b"a1234567b")
    assert holds_secret(b"a12345678b")
    del secrets


@given(
    st.text("ab\n'", min_size=4, max_size=40),
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=6),
    st.text("xyz \n", max_size=20),
)
def test_however_a_text_is_cut_into_writes_its_secret_is_not_in_the_log(
    value: str, cuts: list[tuple[int, bool]], around: str
) -> None:
    secret = Secret(value)
    kept: list[str] = []
    shown: list[str] = []

    def keep(stream: Stream, text: str) -> None:
        kept.append(text)

    output = AttemptOutput(keep)
    text, start = around + value + around, 0
    for cut, flushed in sorted(cuts):
        output.write("stdout", text[start:cut], shown.append)
        start = max(start, cut)
        if flushed:
            output.flush("stdout")
    output.write("stdout", text[start:], shown.append)
    output.end()
    assert "".join(kept) == "".join(shown) == text.replace(value, "***")
    del secret


# --- As a parameter


@task
def use(password: object) -> None: ...


def test_a_secret_is_given_as_it_is_or_as_a_secret() -> None:
    @workflow
    def flow(password: Secret[str]) -> None:
        use(password)

    manager = WorkflowManager("memory", observers=[])
    for given_value in ("canary-1", Secret("canary-1")):
        run = manager.run(flow, password=given_value)
        assert run.params["password"].get_secret_value() == "canary-1"
        assert not manager.get(run.id).params["password"].is_read


def test_a_wrong_value_is_refused_without_being_shown() -> None:
    @workflow
    def flow(password: Secret[str]) -> None:
        use(password)

    with pytest.raises(ParameterError) as caught:
        WorkflowManager("memory").compile(flow, {"password": 987654321})
    assert "the int that it was given is not str" in str(caught.value)
    assert "987654321" not in str(caught.value)


def test_a_secret_cannot_shape_the_graph() -> None:
    with pytest.raises(OptionError, match="'password' of workflow 'flow' is a secret, which cannot shape the graph"):

        @workflow(build=["password"])
        def flow(password: Secret[str]) -> None: ...


def test_a_secret_does_not_stand_in_the_code_or_in_another_value() -> None:
    with pytest.raises(OptionError, match="'password': a secret is not in the code"):

        @workflow
        def one(password: Secret[str] = "canary") -> None: ...  # type: ignore[assignment]

    with pytest.raises(OptionError, match="'password': a secret is not in the code"):

        @workflow
        def wrapped(password: Secret[str] = Secret("canary")) -> None: ...  # noqa: B008

    with pytest.raises(OptionError, match="a secret cannot be a part of a value"):

        @workflow
        def other(passwords: list[Secret[str]]) -> None: ...
