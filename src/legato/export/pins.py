"""What an exported file takes from others, each by its digest, with the version that it was then.

Rule: a pin is raised here and nowhere else, and only to a commit or digest that its source names.
"""

from typing import Final

CHECKOUT: Final = ("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1")
"""Source: the tag v7.0.1 of https://github.com/actions/checkout."""

CACHE: Final = ("actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5")
"""Source: the tag v5.0.5 of https://github.com/actions/cache."""

UPLOAD: Final = ("actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0")
"""Source: the tag v7.0.0 of https://github.com/actions/upload-artifact."""

IMAGE: Final = (
    "python:3.12.13-bookworm@sha256:3cd9086bdb30f7c9bc08a3fa621d9842e0d3f6f9291aeb4677e0547817c10b12"
)
"""Holds git, curl and a Python to start from. Source: https://hub.docker.com/_/python, the tag in its name."""

UV: Final = "0.13.9"
UV_HASHES: Final = (
    "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",  # manylinux2014 x86_64
    "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",  # manylinux2014 aarch64
)
"""Of the wheels for Linux. Source: https://pypi.org/project/uv/0.13.9/#files."""

GITHUB_RUNNER: Final = "ubuntu-24.04"
AZURE_RUNNER: Final = "ubuntu-24.04"
