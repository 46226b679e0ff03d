"""Pieces of a pipe become reports: bytes as they are, lines whole."""

import os
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from legato.platforms import LONGEST_LINE_BYTES, Said
from legato.platforms.outlets import Speech


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" "))), cut=st.integers(1, 50)
)
def test_lines_come_out_whole_however_the_bytes_are_cut(lines, cut):
    data = b"".join(line + b"\n" for line in lines)
    reading, writing = os.pipe()
    os.close(writing)

    with closing(Speech("j", reading)) as speech:
        said = [one for i in range(0, len(data), cut) for one in speech.reports(data[i : i + cut])]

    assert said == [Said(job="j", line=line) for line in lines]


def test_a_line_that_was_cut_off_is_no_line_and_one_too_long_is_noticed():
    reading, writing = os.pipe()
    os.close(writing)

    with closing(Speech("j", reading)) as speech:
        assert speech.reports(b"half a l") == []
        assert speech.reports(b"") == []
        assert not speech.babbles
        speech.reports(b"x" * LONGEST_LINE_BYTES)
        assert speech.babbles
        assert len(speech.reports(b"\n")) == 1
        assert not speech.babbles
