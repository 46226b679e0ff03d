"""Frames and descriptors over a socket, whole and in order, however much one side says."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.platforms.channel import Channel, pair


@pytest.fixture
def ends():
    one, other = pair()
    with closing(Channel(one)) as left, closing(Channel(other)) as right:
        yield left, right


def everything(sender, receiver, count):
    frames = []
    while len(frames) < count:
        sender.flush()
        frames += receiver.receive()
    return frames


@given(frames=st.lists(st.binary(max_size=300), max_size=20))
def test_frames_arrive_whole_and_in_order(frames):
    one, other = pair()
    with closing(Channel(one)) as left, closing(Channel(other)) as right:
        for frame in frames:
            left.send(frame)

        assert everything(left, right, len(frames)) == [(frame, []) for frame in frames]


def test_sending_more_than_the_other_side_reads_does_not_block(ends):
    left, right = ends
    large = os.urandom(5_000_000)
    left.send(large)
    right.send(large)
    left.send(b"after")

    assert everything(left, right, 2) == [(large, []), (b"after", [])]
    assert everything(right, left, 1) == [(large, [])]


def test_descriptors_come_with_their_own_frame(ends):
    left, right = ends
    reading, writing = os.pipe()
    left.send(b"x" * 1_000_000)
    left.send(b"the pipe", [writing])
    left.send(b"nothing")

    frames = everything(left, right, 3)

    assert [(frame[:8], len(fds)) for frame, fds in frames] == [
        (b"xxxxxxxx", 0),
        (b"the pipe", 1),
        (b"nothing", 0),
    ]
    os.write(frames[1][1][0], b"through")
    os.close(frames[1][1][0])
    assert os.read(reading, 100) == b"through"
    assert os.read(reading, 100) == b""  # the sender's own copy was closed
    os.close(reading)


def test_a_received_descriptor_is_not_inherited_by_programs(ends):
    left, right = ends
    left.send(b"", [os.dup(1)])

    fd = everything(left, right, 1)[0][1][0]

    assert not os.get_inheritable(fd)
    os.close(fd)


def test_the_end_of_the_other_side_is_seen_after_its_last_frame(ends):
    left, right = ends
    left.send(b"last")
    left.finish_sending()

    assert list(right.receive()) == [(b"last", [])]
    assert right.ended
    right.send(b"to nobody")
    assert list(left.receive()) == [(b"to nobody", [])]


def test_descriptors_that_were_never_sent_are_closed():
    one, other = pair()
    fds = Path("/dev/fd")
    before = len(list(fds.iterdir()))
    channel = Channel(one)
    channel.send(b"x" * 5_000_000)
    channel.send(b"y", [os.dup(1), os.dup(1)])
    channel.close()

    assert other.recv(3) != b""
    other.close()
    assert len(list(fds.iterdir())) == before - 2


def test_sending_to_a_side_that_is_gone_is_no_error():
    one, other = socket.socketpair()
    other.close()
    with closing(Channel(one)) as channel:
        channel.send(b"hello", [os.dup(1)])

        assert channel.flush()
        assert list(channel.receive()) == []
        assert channel.ended
