"""Notices as posts to a URL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme

from penstock.errors import NoticeRefused, PenstockError, TryLater
from penstock.observe.notifiers.options import Options
from penstock.observe.notifiers.webhook import Webhook
from penstock.policy import ErrorText, Notice
from tests.servers import Web, web

CANARY = "canary-7f3a"
ERROR = ErrorText("ValueError", "no rows", "Traceback ...")
NOTICE = Notice("r1/lo%2Fad/0/2/task_failed/hook", "task_failed", "r1", "nightly", "lo/ad", 0, 2, 1e9, ERROR, "hook")


def hook(environ: Mapping[str, str] | None = None, **values: Any) -> Webhook:
    options = Options("hook", values, environ or {})
    made = Webhook(options)
    options.finish()
    return made


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as seen:
        yield seen


def test_a_notice_is_posted_as_json_with_its_id_as_idempotency_key(server: Web) -> None:
    hook(url=server.url + "/a b?x=1".replace(" ", "%20"), allow_private=True).notify(NOTICE)
    (post,) = server.posts
    assert post.path == "/a%20b?x=1"
    assert post.headers["idempotency-key"] == post.headers["webhook-id"] == NOTICE.id
    assert post.headers["content-type"] == "application/json"
    told = post.json
    assert (told["id"], told["kind"], told["task"], told["attempt"]) == (NOTICE.id, "task_failed", "lo/ad", 2)
    assert told["error"] == {"type": "ValueError", "message": "no rows", "traceback": "Traceback ..."}
    assert told["text"] == "nightly: task lo/ad failed"
    assert told["more"] == "penstock logs r1 lo/ad"
    assert "webhook-signature" not in post.headers


@pytest.mark.parametrize(
    ("secret", "key"),
    [("topsecret", b"topsecret"), ("whsec_" + base64.b64encode(b"\x00key\xff").decode(), b"\x00key\xff")],
)
def test_a_post_is_signed_as_standard_webhooks_says(server: Web, secret: str, key: bytes) -> None:
    hook({"KEY": secret}, url=server.url, secret_env="KEY", allow_private=True).notify(NOTICE)
    (post,) = server.posts
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.content
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert post.headers["webhook-signature"] == f"v1,{expected}"
    assert secret.encode() not in post.content


def test_a_token_or_the_login_of_a_url_is_sent_as_a_header(server: Web) -> None:
    hook({"T": CANARY}, url=server.url, token_env="T", allow_private=True).notify(NOTICE)
    secret_url = server.url.replace("//", "//me:p%40ss@")
    hook({"URL": secret_url}, url_env="URL", allow_private=True).notify(NOTICE)
    assert server.posts[0].headers["authorization"] == f"Bearer {CANARY}"
    assert base64.b64decode(server.posts[1].headers["authorization"].removeprefix("Basic ")) == b"me:p@ss"


def test_a_name_with_any_characters_makes_no_other_header(server: Web) -> None:
    odd = replace(NOTICE, id="r1/ä\r\nX-Evil: 1/x")
    hook(url=server.url, allow_private=True).notify(odd)
    (post,) = server.posts
    assert "x-evil" not in post.headers
    assert post.json["id"] == odd.id


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_what_the_receiver_will_not_have_is_given_up(server: Web, status: int) -> None:
    server.answers.append((status, {}))
    with pytest.raises(NoticeRefused, match=rf"127\.0\.0\.1 answered {status}"):
        hook(url=f"{server.url}/{CANARY}", allow_private=True).notify(NOTICE)


def test_redirects_are_not_followed(server: Web) -> None:
    server.answers.append((302, {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(NoticeRefused, match="redirects are not followed"):
        hook(url=server.url, allow_private=True).notify(NOTICE)
    assert len(server.posts) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_receiver_that_cannot_take_it_now_is_tried_again(server: Web, status: int) -> None:
    server.answers += [
        (status, {}),
        (status, {"Retry-After": "17"}),
        (status, {"Retry-After": formatdate(time() + 90)}),
    ]
    receiver = hook(url=server.url, allow_private=True)
    with pytest.raises(OSError, match=f"answered {status}"):
        receiver.notify(NOTICE)
    with pytest.raises(TryLater) as later:
        receiver.notify(NOTICE)
    assert later.value.seconds == 17
    with pytest.raises(TryLater) as later:
        receiver.notify(NOTICE)
    assert 0 < later.value.seconds <= 91


def test_a_receiver_that_says_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{CANARY}"
        with pytest.raises(OSError) as error:
            hook(url=url, allow_private=True, timeout=0.2).notify(NOTICE)
    assert CANARY not in str(error.value)


def test_nor_does_one_hold_a_driver_that_speaks_byte_by_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(OSError):
            hook(url=f"http://127.0.0.1:{server.getsockname()[1]}", allow_private=True, timeout=0.5).notify(NOTICE)
        stop.set()
        thread.join()


def test_what_is_no_http_is_an_error_that_shows_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100_000)
                connection.sendall(CANARY.encode() + b"\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="BadStatusLine") as error:
            hook(url=f"http://127.0.0.1:{server.getsockname()[1]}", allow_private=True).notify(NOTICE)
        thread.join()
    assert CANARY not in str(error.value)


def test_https_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with web(context) as server:
        receiver = hook(url=f"https://localhost:{server.port}/x", allow_private=True)
        with pytest.raises(ssl.SSLCertVerificationError):
            receiver.notify(NOTICE)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        receiver.notify(NOTICE)
        assert len(server.posts) == 1
        with pytest.raises(ssl.SSLCertVerificationError):
            hook(url=f"https://127.0.0.1:{server.port}/x", allow_private=True).notify(NOTICE)


def test_the_own_network_is_refused_unless_it_is_allowed(server: Web) -> None:
    with pytest.raises(
        PenstockError, match=r"127\.0\.0\.1 is not of the public Internet; if it is meant, set allow_private"
    ):
        hook(url=server.url)
    with pytest.raises(NoticeRefused, match=r"localhost is (127\.0\.0\.1|::1), an address that is not of the public"):
        hook(url=f"http://localhost:{server.port}/{CANARY}").notify(NOTICE)
    assert server.posts == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "url or url_env is missing"),
        ({"url": f"ftp://h/{CANARY}"}, "not one of http:// or https://"),
        ({"url": f"file:///{CANARY}"}, "not one of http:// or https://"),
        ({"url": f"https://me:{CANARY}@h/"}, "does not belong into a file"),
        ({"url": f"https://h/{CANARY}\r\nX: 1"}, "cannot be read"),
        ({"url": f"https://h:99999/{CANARY}"}, "cannot be read"),
        ({"url": f"https:///{CANARY}"}, "cannot be read"),
        ({"url": 7}, "url is not a text"),
        ({"url": "https://h", "secret": CANARY}, "secret is a secret, and does not belong into a file"),
        (
            {"url": "https://h", "secret_env": "NONE"},
            "secret_env names the environment variable NONE, which is not set",
        ),
        ({"url": "https://h", "timeout": 0}, "timeout is not a number above 0"),
        (
            {"url": "https://h", "alow_private": True},
            "there is no setting 'alow_private'; did you mean 'allow_private'?",
        ),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "is not of the public Internet"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PenstockError, match="notifier 'hook': ") as error:
        hook(**values)
    assert message in str(error.value)
    assert CANARY not in str(error.value)
