"""Modules for the tests of serving PyTorch.

Rule: this module counts as the user's own code.
"""

from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]


class Net(torch.nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.body = torch.nn.Sequential(
            torch.nn.Linear(inputs, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
        )

    def forward(self, rows: Any) -> Any:
        return self.body(rows)


class Named(torch.nn.Module):
    feature_names_in_ = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, rows: Any) -> Any:
        return self.layer(rows)


class Pair(Net):
    def forward(self, rows: Any) -> Any:
        return self.body(rows), rows


class Pictures(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 3, 2)
        )

    def forward(self, rows: Any) -> Any:
        return self.body(rows)
