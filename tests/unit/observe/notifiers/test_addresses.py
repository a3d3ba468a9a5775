"""Where a notifier may connect to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import NoticeRefused
from penstock.observe.notifiers.addresses import addresses, connect, is_public

OWN = [
    *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1", "2001::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *(
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("text", OWN)
def test_own_addresses_are_known_in_every_guise(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_those_of_the_internet_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_by_itself(address: IPv4Address) -> None:
    number = int(address)
    for prefix, shift in (("::ffff:0:0", 0), ("64:ff9b::", 0), ("2002::", 80)):
        around = IPv6Address(int(IPv6Address(prefix)) | number << shift)
        assert is_public(around) == is_public(address)


def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers([["8.8.8.8", "10.0.0.1"]]))
    with pytest.raises(NoticeRefused, match=r"example\.test is 10\.0\.0\.1"):
        addresses("example.test", 80, allow_private=False)


def test_the_name_is_looked_up_once_and_the_connection_goes_to_what_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], timeout: float) -> Any:
        asked.append(address)
        return None

    monkeypatch.setattr(socket, "getaddrinfo", answers([["8.8.8.8"], ["127.0.0.1"]]))
    monkeypatch.setattr(socket, "create_connection", create_connection)
    connect("rebinds.test", 80, 1.0, allow_private=False)
    assert asked == [("8.8.8.8", 80)]


def test_another_address_is_tried_if_one_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect("localhost", port, 5.0, allow_private=True).close()


def answers(texts: list[list[str]]) -> Any:
    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in texts.pop(0)]

    return getaddrinfo
