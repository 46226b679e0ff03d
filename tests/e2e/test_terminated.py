"""A run that is told to end, as a CI service does, ends as with Ctrl-C."""

import signal


def test_sigterm_stops_the_steps_and_records_the_run_as_cancelled(project):
    project.pipeline("""
        import time

        @lg.step
        def slow() -> int:
            print("on its way", flush=True)
            time.sleep(60)
            return 1
    """)
    run = project.begin("run", text=True)
    assert any("on its way" in line for line in run.stderr)

    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)

    assert run.returncode == 130
    assert "cancelled" in project.legato("runs").out
