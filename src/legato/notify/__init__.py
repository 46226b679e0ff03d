"""The door of notifications: what people are told, by which rules, and the port of the channels.

Rule: only the port, rules and plain types stand here; `legato.notify.opening` opens a channel.
"""

from legato.notify.guard import Limits
from legato.notify.port import Channel, End, Notice, Receipt, Topic
from legato.notify.post import Forgetful, Memory, Post, Sent
from legato.notify.rules import Rule, read_rules

__all__ = [
    "Channel",
    "End",
    "Forgetful",
    "Limits",
    "Memory",
    "Notice",
    "Post",
    "Receipt",
    "Rule",
    "Sent",
    "Topic",
    "read_rules",
]
