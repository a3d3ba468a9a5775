"""Notices as e-mails."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from penstock.errors import NoticeRefused, PenstockError
from penstock.observe.notifiers.mail import Mail
from penstock.observe.notifiers.options import Options
from penstock.policy import ErrorText, Notice
from tests.servers import post_office

CANARY = "canary-91bc"
ERROR = ErrorText("ValueError", "no rows \ud800", "Traceback (most recent call last) ...")
NOTICE = Notice("r1/load/0/2/task_failed/ops", "task_failed", "r1", "nightly", "load", 0, 2, 1e9, ERROR, "ops")
WANTED = {"to": ["ops@example.test"], "from": "Penstock <penstock@example.test>"}


def mail(environ: Mapping[str, str] | None = None, **values: Any) -> Mail:
    options = Options("ops", {**WANTED, **values}, environ or {})
    made = Mail(options)
    options.finish()
    return made


def test_an_email_says_what_failed_why_and_what_shows_more() -> None:
    with post_office() as office:
        mail(host="127.0.0.1", port=office.port, security="none", allow_private=True).notify(NOTICE)
        (letter,) = office.letters
    assert letter["Subject"] == "[penstock] nightly: task load failed"
    assert (letter["From"], letter["To"]) == ("Penstock <penstock@example.test>", "ops@example.test")
    text = letter.get_content()
    for part in ("ValueError: no rows ?", "penstock logs r1 load", "Traceback", NOTICE.id, "attempt 2"):
        assert part in text


def test_the_same_notice_has_the_same_message_id_and_another_has_another() -> None:
    with post_office() as office:
        ops = mail(host="127.0.0.1", port=office.port, security="none", allow_private=True)
        for notice in (NOTICE, NOTICE, replace(NOTICE, id="r1/load/0/3/task_failed/ops")):
            ops.notify(notice)
        ids = [letter["Message-ID"] for letter in office.letters]
    assert ids[0] == ids[1] != ids[2]


def test_a_name_with_line_breaks_makes_no_other_header() -> None:
    with post_office() as office:
        odd = replace(NOTICE, task="load\r\nBcc: all@example.test")
        mail(host="127.0.0.1", port=office.port, security="none", allow_private=True).notify(odd)
        (letter,) = office.letters
    assert letter["Bcc"] is None
    assert letter["Subject"] == "[penstock] nightly: task load Bcc: all@example.test failed"


def test_a_password_goes_through_tls_only_and_certificates_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with post_office(context, CANARY) as office:
        known = {"host": "localhost", "port": office.port, "user": "me", "allow_private": True}
        ops = mail({"PASS": CANARY}, password_env="PASS", **known)
        with pytest.raises(ssl.SSLCertVerificationError):
            ops.notify(NOTICE)
        assert office.logins == []
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        ops.notify(NOTICE)
        assert office.logins == [("me", CANARY)]
        assert len(office.letters) == 1
        with pytest.raises(OSError, match=r"localhost does not accept the login \(535\)") as error:
            mail({"PASS": CANARY + "x"}, password_env="PASS", **known).notify(NOTICE)
        assert CANARY not in str(error.value)


def test_what_the_server_will_never_take_is_given_up_and_what_it_cannot_take_now_is_tried_again() -> None:
    with post_office() as office:
        office.answers += ["554 no", "451 busy"]
        ops = mail(host="127.0.0.1", port=office.port, security="none", allow_private=True)
        with pytest.raises(NoticeRefused, match="answered 554"):
            ops.notify(NOTICE)
        with pytest.raises(OSError, match="answered 451"):
            ops.notify(NOTICE)
        ops.notify(NOTICE)
        assert len(office.letters) == 1


def test_a_server_without_starttls_gets_nothing() -> None:
    with post_office() as office:
        ops = mail(
            {"PASS": CANARY}, host="127.0.0.1", port=office.port, user="me", password_env="PASS", allow_private=True
        )
        with pytest.raises(OSError, match="SMTPNotSupportedError"):
            ops.notify(NOTICE)
        assert office.letters == []


def test_a_server_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError):
        mail(host="127.0.0.1", port=port, allow_private=True).notify(NOTICE)


def test_the_own_network_is_refused_unless_it_is_allowed() -> None:
    with post_office() as office:
        with pytest.raises(NoticeRefused, match="not of the public Internet"):
            mail(host="127.0.0.1", port=office.port, security="none").notify(NOTICE)
        assert office.letters == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "host is missing"),
        ({"host": "h", "to": "ops@example.test"}, "to is not a list of texts"),
        ({"host": "h", "to": ["ops"]}, "'ops' is no e-mail address"),
        ({"host": "h", "from": "a@b\nBcc: c@d"}, "is no e-mail address"),
        ({"host": "h", "security": "ssl"}, "security is not one of starttls, tls, none"),
        ({"host": "h", "user": "me"}, "user and password_env belong together"),
        ({"host": "h", "password": CANARY}, "password is a secret, and does not belong into a file"),
        ({"host": "h", "user": "me", "password_env": "PASS", "security": "none"}, "a password is not sent in clear"),
        ({"host": "h", "prot": 25}, "there is no setting 'prot'; did you mean 'port'?"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PenstockError, match="notifier 'ops': ") as error:
        mail({"PASS": CANARY}, **values)
    assert message in str(error.value)
    assert CANARY not in str(error.value)
