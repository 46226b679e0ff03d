"""The order of the whole suite.

Rule: tests that fork go first, before a library that another test imports leaves threads in this process.
"""

FORK = ("tests/platforms/", "tests/contract/test_platform_contract.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(FORK))
