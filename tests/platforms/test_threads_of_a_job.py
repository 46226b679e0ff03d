"""A job is told of no more threads than it has cores to run them on."""

import os

from legato.platforms.thread_limits import threads_for


def test_a_job_that_asks_for_more_cores_than_there_are_gets_a_thread_a_core():
    assert threads_for(100_000) == len(os.sched_getaffinity(0))
    assert threads_for(0.2) == 1
