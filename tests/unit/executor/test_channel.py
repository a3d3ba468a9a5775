"""Messages through pipes."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.executor.channel import Receiver, Sender, encode

messages = st.lists(
    st.tuples(st.sampled_from(["print", "done"]), st.none() | st.integers() | st.text() | st.binary() | st.floats()),
    max_size=5,
)


def pipe() -> tuple[Receiver, Sender]:
    reads, writes = os.pipe()
    return Receiver(reads), Sender(writes)


@given(messages, st.integers(1, 30))
def test_messages_arrive_whole_however_they_are_cut(sent, size):
    receiver, sender = pipe()
    data = b"".join(map(encode, sent))

    def write() -> None:
        for start in range(0, len(data), size):
            os.write(sender.fd, data[start : start + size])
        os.close(sender.fd)

    thread = threading.Thread(target=write)
    thread.start()
    for message in sent:
        assert repr(receiver.receive()) == repr(message)  # a NaN is not equal to itself
    assert receiver.receive() is None
    thread.join()
    os.close(receiver.fd)


def test_messages_larger_than_a_pipe_from_many_threads():
    receiver, sender = pipe()
    threads = [threading.Thread(target=sender.send, args=(number, str(number) * 300_000)) for number in range(8)]
    for thread in threads:
        thread.start()
    received = [receiver.receive() for _ in threads]
    for thread in threads:
        thread.join()
    assert sorted(message for message in received if message) == [
        (number, str(number) * 300_000) for number in range(8)
    ]
    os.close(receiver.fd)
    os.close(sender.fd)


def test_who_writes_learns_that_nobody_reads():
    receiver, sender = pipe()
    os.close(receiver.fd)
    with pytest.raises(BrokenPipeError):
        sender.send("anything")
    os.close(sender.fd)


def test_who_reads_learns_that_nobody_writes_any_more():
    receiver, sender = pipe()
    os.write(sender.fd, encode(("half",))[:-2])
    os.close(sender.fd)
    assert receiver.receive() is None
    os.close(receiver.fd)


MARK = encode(())[:8]


@pytest.mark.parametrize(
    "junk",
    [
        MARK + b"\x05" + bytes(7) + b"?!#%&",
        MARK + b"\x01" + bytes(7) + b"s",
        MARK + b"\x05" + bytes(7) + b"i\1\0\0\0",  # a number
        b"\x40" + bytes(15),
        b"\xff" * 16,
        b"1" + encode(("done",)),
        encode(("done",))[1:] + encode(("done",)),
    ],
)
def test_what_is_no_message_is_an_error(junk):
    """And nobody waits for the rest of it: the pipe stays open."""
    receiver, sender = pipe()
    os.write(sender.fd, junk)
    with pytest.raises((ValueError, EOFError, TypeError)):
        receiver.receive()
    os.close(receiver.fd)
    os.close(sender.fd)


def test_only_plain_values_can_be_sent():
    with pytest.raises(ValueError, match="unmarshallable"):
        encode((object(),))
