import inspect
import pickle
from pathlib import Path

import pytest

import legato as lg
from legato.domain.errors import ConfigurationError
from legato.pipeline.words import read_uses, read_words


@lg.step
def doubled(rows: list[int], *, times: int = 2) -> list[int]:
    """Double the rows."""
    return [row * times for row in rows]


@lg.step(cpus=2, memory="2GiB", timeout="10m", retries=1)
def tripled(rows: list[int], *, times: int = 3) -> list[int]:
    return doubled(rows, times=times)


def test_a_step_is_the_function_itself():
    def plain(rows):
        return rows

    assert lg.step(plain) is plain


def test_calling_a_step_calls_the_function():
    assert doubled([1, 2]) == [2, 4]
    assert tripled([1], times=5) == [5]


def test_a_step_keeps_its_signature_docstring_and_name():
    assert str(inspect.signature(doubled)) == "(rows: list[int], *, times: int = 2) -> list[int]"
    assert doubled.__doc__ == "Double the rows."
    assert doubled.__name__ == "doubled"


def test_a_step_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(doubled)) is doubled  # noqa: S301 - our own function


def test_a_derived_step_calls_the_function_with_its_parameters():
    quadrupled = doubled.using(times=4)

    assert quadrupled([1]) == [4]
    assert quadrupled([1], times=1) == [1]
    assert quadrupled.using(rows="others").using(times=5)([1]) == [5]


def test_a_derived_step_can_be_sent_to_another_process():
    quadrupled = pickle.loads(pickle.dumps(doubled.using(times=4)))  # noqa: S301 - our own function

    assert quadrupled([1]) == [4]
    assert quadrupled.__name__ == "doubled"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({"cpu": 2}, "cpu=", "`cpus`"),
        ({"matrices": {}}, "matrices=", "`matrix`"),
        ({"colour": 1}, "colour=", "the words are"),
    ],
)
def test_an_unknown_word_is_refused_where_it_is_written(words, message, hint):
    with pytest.raises(ConfigurationError, match=message) as caught:
        lg.step(**words)
    assert hint in caught.value.hint
    assert caught.value.where.startswith(__file__)


@pytest.mark.parametrize(
    "words",
    [
        {"cpus": 0},
        {"cpus": True},
        {"cpus": "2"},
        {"cpus": float("nan")},
        {"memory": "2 bananas"},
        {"memory": 0},
        {"memory": 1.5},
        {"timeout": "soon"},
        {"timeout": -1},
        {"timeout": True},
        {"retries": -1},
        {"retries": 1.5},
        {"env": "REGION"},
        {"env": [1]},
        {"env": [""]},
        {"env": ["A=B"]},
        {"secrets": ["9LIVES"]},
        {"cache": "never"},
        {"cache": 7},
        {"cache": "0d"},
        {"effect": 1},
    ],
)
def test_a_word_with_a_value_of_the_wrong_kind_is_refused(words):
    with pytest.raises(ConfigurationError) as caught:
        read_words(words)
    assert caught.value.hint


def test_words_are_read_into_their_units():
    words = read_words(
        {
            "cpus": 2,
            "memory": "2GiB",
            "timeout": "10m",
            "retries": 1,
            "env": ["REGION"],
            "secrets": ["TOKEN"],
            "cache": "7d",
            "effect": True,
            "uses": ["rules.json"],
        }
    )

    assert (words.cpus, words.memory_bytes, words.timeout_s, words.retries) == (2.0, 2**31, 600.0, 1)
    assert (words.env, words.secrets, words.cache, words.cache_age_s, words.effect) == (
        ("REGION",),
        ("TOKEN",),
        True,
        7 * 86400.0,
        True,
    )
    assert not read_words({"cache": False}).cache


def test_uses_has_to_be_a_list():
    assert read_uses({"uses": ["a", Path("b")]}) == ("a", Path("b"))
    with pytest.raises(ConfigurationError, match="is not a list"):
        read_uses({"uses": "rules.json"})


async def _asynchronous(rows):
    return rows


def _generator(rows):
    yield rows


class _Holder:
    def method(self):
        return self


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (lambda rows: rows, "lambda"),
        (_asynchronous, "async"),
        (_generator, "generator"),
        (_Holder, "is a type"),
        (_Holder.method, "method of _Holder"),
        (_Holder().method, "is a method"),
        (len, "builtin"),
        (3, "is a int"),
        (doubled, "already is a step"),
    ],
)
@pytest.mark.parametrize("word", [lg.step, lg.check])
def test_only_a_plain_function_can_be_a_step_or_check(word, thing, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        word(thing)
    assert caught.value.hint
    assert caught.value.where


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ftp://host/wine.csv", "no kind that a dataset can have"),
        ("gcs://bucket/wine.csv", "no kind that a dataset can have"),
        ("s3:/bucket/wine.csv", "no address"),
        ("postgresql://host/db", "needs a query"),
        ("", "no path"),
        ("a\0b", "no path"),
    ],
)
def test_a_dataset_of_another_source_is_refused_with_what_serves_instead(address, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        lg.dataset(address)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: lg.dataset("a", query="select 1"), "query= is for databases"),
        (lambda: lg.dataset("sqlite:///a", query=" "), "query=' ' is no text"),
        (lambda: lg.dataset("a", qery="select 1"), "no word qery="),
        (lambda: lg.model("m", "a", "b", transform=1), r"lg.model\(transform=\) is not supported"),
        (lambda: lg.model("m", "a", "b", gate=[]), "no word gate="),
        (lambda: lg.model("../m", "a", "b"), "not a name that a model"),
        (lambda: lg.model("m" * 101, "a", "b"), "not a name that a model"),
        (lambda: lg.model("m", "a", "b", gates=[0.8]), "no gate"),
        (lambda: lg.model("m", "a", "b", gates=[lg.at_least("f1", 0.5)] * 2), "there twice"),
        (lambda: lg.endpoint("e", "m"), "no model"),
        (
            lambda: lg.endpoint("e", lg.model("m", "a", "b"), rollout=1),
            r"lg.endpoint\(rollout=\) is not supported",
        ),
        (lambda: lg.endpoint("e", lg.model("m", "a", "b"), environments="local"), "not a list"),
        (
            lambda: lg.endpoint("e", lg.model("m", "a", "b"), environments=["a b"]),
            "not a name that an environment",
        ),
        (lambda: lg.command("a b", "make"), "no name for a command"),
        (lambda: lg.command("a", "  "), "is empty"),
        (lambda: lg.command("a", "make", cpu=2), "no word cpu="),
        (lambda: lg.command("a", "make", code="R/**"), "not a list"),
        (lambda: lg.format(3), "names no type"),
        (lambda: lg.format(int)(int), r"has no save\(\)"),
    ],
)
def test_each_word_refuses_what_it_does_not_know(call, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        call()
    assert caught.value.hint
    assert caught.value.where.startswith(__file__)
