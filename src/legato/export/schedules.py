"""Times of schedules in the words of services whose clock is UTC.

Rule: what cannot be said exactly is said at the nearest, with a note.
"""

from legato.domain.graph import Trigger
from legato.domain.triggers import parse_cron, shift, show_cron
from legato.export.jobs import Outline


def in_utc(outline: Outline, trigger: Trigger, *, steps: bool = True) -> tuple[str, str]:
    """Return a schedule's five fields in UTC, and a note; the fields are empty where five cannot say it.

    Args:
        outline: Knows the time zones.
        trigger: The schedule.
        steps: Whether the service knows `*/5`.
    """
    cron = parse_cron(trigger.cron)
    minutes, summer = outline.repository.offsets.get(trigger.tz, (0, False))
    moved = shift(cron, minutes)
    if moved is None:
        return "", (
            f"the schedule {trigger.cron!r} of {trigger.name} in {trigger.tz} cannot be said in UTC, the clock of this "
            "service: it does not start by itself"
        )
    note = ""
    if summer:
        note = (
            f"the clock of this service is UTC: in summer {trigger.name} starts an hour later in {trigger.tz}"
        )
    return show_cron(moved, steps=steps), note
