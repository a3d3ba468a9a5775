"""Notices through apprise."""

from __future__ import annotations

import logging
import sys

import pytest

from penstock.errors import NoticeRefused, PenstockError
from penstock.observe.notifiers.by_apprise import ByApprise
from penstock.observe.notifiers.options import Options
from penstock.policy import ErrorText, Notice
from tests.servers import web

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")

CANARY = "canary-c0de"
ERROR = ErrorText("ValueError", "no rows")
NOTICE = Notice("r1/load/0/2/task_failed/chat", "task_failed", "r1", "nightly", "load", 0, 2, 1e9, ERROR, "chat")


def chat(urls: str, **values: object) -> ByApprise:
    return ByApprise(Options("chat", {"urls_env": "URLS", **values}, {"URLS": urls}))


def test_each_service_is_told_until_it_has_taken_it(caplog: pytest.LogCaptureFixture) -> None:
    with web() as one, web() as other, caplog.at_level(logging.WARNING):
        other.answers.append((500, {}))
        services = chat(f"json://127.0.0.1:{one.port}/x json://127.0.0.1:{other.port}/{CANARY}", allow_private=True)
        with pytest.raises(OSError, match="1 of 2 services did not take it"):
            services.notify(NOTICE)
        services.notify(NOTICE)
        assert (len(one.posts), len(other.posts)) == (1, 2)
    assert one.posts[0].json["title"] == "nightly: task load failed"
    assert one.posts[0].json["type"] == "failure"
    assert "ValueError: no rows" in one.posts[0].json["message"]
    assert CANARY not in caplog.text


def test_the_own_network_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(
        PenstockError, match="URL number 1 in its variable leads to an address that is not of the public"
    ):
        chat(f"json://127.0.0.1/{CANARY}")
    with web() as server:
        named = chat(f"json://localhost.localdomain:{server.port}/{CANARY}")
        with pytest.raises((NoticeRefused, OSError)) as error:
            named.notify(NOTICE)
        assert server.posts == []
    assert CANARY not in str(error.value)


def test_what_apprise_does_not_know_is_refused_without_showing_it() -> None:
    with pytest.raises(PenstockError, match="the URL number 2 in its variable is none that apprise knows") as error:
        chat(f"json://8.8.8.8/ nothing://{CANARY}")
    assert CANARY not in str(error.value)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(PenstockError, match=r"pip install 'penstock\[apprise\]'"):
        chat("json://8.8.8.8/")
