"""Messages and descriptors between the processes of a service."""

from __future__ import annotations

import os
from threading import Thread

import pytest

from penstock.service.wire import Broken, Wire, pair


def test_messages_of_any_length_come_as_they_were_sent_with_their_descriptors() -> None:
    left, right = pair()
    sender, receiver = Wire(left), Wire(right)
    messages = [{"number": number, "text": "x" * (number * 70_000)} for number in range(5)]
    read, write = os.pipe()

    def send() -> None:
        for message in messages:
            sender.send(message, [write] if message["number"] == 2 else [])
        sender.close()

    thread = Thread(target=send)
    thread.start()
    assert [receiver.receive() for _ in messages] == messages
    assert receiver.receive() is None
    thread.join()
    os.close(write)
    got = receiver.take_fd()
    os.write(got, b"through")
    assert os.read(read, 10) == b"through"
    for fd in (got, read):
        os.close(fd)
    receiver.close()


@pytest.mark.parametrize("bad", [b"\xff\xff\xff\xff", b"\0\0\0\x02[]", b"\0\0\0\x03abc"])
def test_what_is_no_message_is_refused(bad: bytes) -> None:
    left, right = pair()
    receiver = Wire(right)
    left.sendall(bad)
    with pytest.raises(Broken):
        receiver.receive()
    left.close()
    receiver.close()
