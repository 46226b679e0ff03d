"""No secret of an address gets anywhere but into the connection."""

import pytest

from legato.data.addresses import Address, filled, masked, secrets_of, shown
from legato.data.fetched import refused
from legato.data.guarding import addresses_of, is_public
from legato.domain.errors import ConfigurationError, MissingError


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://ann:pw@db:5432/shop", "postgresql://ann@db:5432/shop"),
        (
            "postgresql://db/shop?user=ann&password=pw&sslmode=require",
            "postgresql://db/shop?user=ann&password=***&sslmode=require",
        ),
        ("https://token@host/f.csv", "https://host/f.csv"),
        ("https://u:p@host/f.csv?X-Amz-Signature=abc&v=1#frag", "https://host/f.csv?X-Amz-Signature=***&v=1"),
        ("https://host/f.csv?access_token=abc", "https://host/f.csv?access_token=***"),
        ("sqlite:///data/shop.db", "sqlite:///data/shop.db"),
        ("s3://bucket/a b/", "s3://bucket/a b/"),
        ("postgresql://${USER}:${PASSWORD}@db/shop", "postgresql://${USER}@db/shop"),
    ],
)
def test_what_is_shown_has_no_secret(address, expected):
    assert shown(address) == expected


def test_variables_are_filled_in_and_quoted():
    full = filled("postgresql://${U}:${P}@db/shop", {"U": "ann", "P": "p@ss/w:rd"})

    assert full == "postgresql://ann:p%40ss%2Fw%3Ard@db/shop"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(MissingError, match="variable NOPE, which is not set"):
        filled("https://${NOPE}@host/", {})


def test_what_a_driver_says_is_masked_in_every_spelling():
    full = "postgresql://ann:p%40w@db/shop"

    error = refused(full, f"connection to {full} failed: password 'p@w' (p%40w)", "hint")

    assert "p@w" not in str(error)
    assert "p%40w" not in str(error)


def test_an_address_that_is_nonsense_is_refused_without_saying_it():
    with pytest.raises(ConfigurationError, match="not well formed") as caught:
        shown("http://user:secret@[::1/f")

    assert "secret" not in str(caught.value)


def test_a_query_is_named_and_not_said():
    asked = Address(name="orders", address="sqlite:///a.db", query="select 'hush'")

    assert "hush" not in asked.asks
    assert asked.asks != Address(name="orders", address="sqlite:///a.db", query="select 2").asks
    assert secrets_of(asked.address) == ()
    assert masked("all fine", asked.address) == "all fine"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "[::1]", "169.254.169.254", "2130706433", "0x7f000001", "017700000001", "0", "localhost",
     "::ffff:127.0.0.1", "10.1.2.3", "192.168.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "fe80::1"],
)  # fmt: skip
def test_a_host_of_this_machine_or_its_network_is_refused_on_a_server(host):
    with pytest.raises(ConfigurationError, match="which is not asked from here"):
        addresses_of(host, 80, private=False)


def test_a_name_that_resolves_there_is_refused_even_if_another_of_its_addresses_is_public():
    def resolve(_host, port):
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    with pytest.raises(ConfigurationError, match=r"'harmless\.test' is 127\.0\.0\.1"):
        addresses_of("harmless.test", 80, private=False, resolve=resolve)
    assert addresses_of("harmless.test", 80, private=True, resolve=resolve) == ["93.184.216.34", "127.0.0.1"]


def test_public_addresses_are_public():
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")
