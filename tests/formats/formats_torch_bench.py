"""Modules for the tests of the torch format.

Rule: this module counts as the user's own code.
"""

from dataclasses import dataclass
from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]


class Named(torch.nn.Module):
    def __init__(self, inputs: int, hidden: int = 4) -> None:
        super().__init__()
        self.legato_config = {"inputs": inputs, "hidden": hidden}
        self.first = torch.nn.Linear(inputs, hidden)
        self.second = torch.nn.Linear(hidden, hidden)
        self.third = torch.nn.Linear(hidden, hidden)
        self.third.weight = self.second.weight
        self.norm = torch.nn.BatchNorm1d(hidden)

    def forward(self, rows: Any) -> Any:
        return self.third(self.second(self.norm(self.first(rows))))


@dataclass
class Config:
    inputs: int


class ByConfig(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layer = torch.nn.Linear(config.inputs, 1)

    def forward(self, rows: Any) -> Any:
        return self.layer(rows)


class Bare(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, rows: Any) -> Any:
        return self.layer(rows)


class NeedsMore(torch.nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(size, 1)


class Lies(torch.nn.Module):
    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(size, 1)


class Told(torch.nn.Module):
    """Keeps what it was built with as attributes, as most modules do."""

    def __init__(self, inputs: int, hidden: int = 4, sizes: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.inputs = inputs
        self.hidden = hidden
        self.sizes = sizes
        self.layer = torch.nn.Linear(inputs, hidden)

    def forward(self, rows: Any) -> Any:
        return self.layer(rows)


class Forgets(torch.nn.Module):
    """Its weights have the same shapes whatever it was built with."""

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.dropout = torch.nn.Dropout(share)
