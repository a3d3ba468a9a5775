from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StoreError
from penstock.store.postgres.address import read_url


def test_what_is_ours_is_taken_out_of_the_url():
    for options in (
        "penstock_schema=mine&penstock_lease=2.5&sslmode=require",
        "sslmode=require&penstock_lease=2.5&penstock_schema=mine",
        "penstock_lease=2.5&sslmode=require&penstock_schema=mine",
    ):
        address = read_url(f"postgresql://me:secret@db:5433/work?{options}")
        assert address.schema == "mine"
        assert address.lease == 2.5
        expected = {"user": "me", "password": "secret", "host": "db", "port": "5433", "dbname": "work"}
        assert address.parameters == {**expected, "sslmode": "require"}


def test_defaults():
    address = read_url("postgresql:///work")
    assert (address.schema, address.lease, address.parameters) == ("penstock", 10.0, {"dbname": "work"})
    assert read_url("postgresql:///work", 3.0).lease == 3.0
    assert read_url("postgresql:///work?penstock_lease=4", 3.0).lease == 4.0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db:5433/work", "postgresql://db:5433/work"),
        ("postgres://me@db/work?penstock_schema=mine", "postgresql://db/work?penstock_schema=mine"),
        ("postgresql://me:secret@/work?host=/run/pg&port=5433", "postgresql:///work?host=/run/pg&port=5433"),
        ("postgresql://one:1,two:2/work", "postgresql://one,two:1,2/work"),
        ("postgresql://db/work?password=secret", "postgresql://db/work"),
        ("postgresql://me:x?host=secret@db/work", "postgresql://db/work"),
    ],
)
def test_it_is_shown_without_user_and_password(url: str, shown: str):
    assert read_url(url).shown == shown


def test_schemas_have_locks_and_channels_of_their_own():
    addresses = [read_url(f"postgresql:///work?penstock_schema=s{number}") for number in range(1000)]
    assert len({address.key for address in addresses}) == 1000
    assert len({address.channel for address in addresses}) == 1000
    assert all(-(1 << 31) <= address.key < 1 << 31 for address in addresses)
    assert read_url("postgresql://db/work").key == read_url("postgresql://other/else").key


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "is no name"),
        ("x" * 64, "is no name"),
        ("%00", "is no name"),
        ("%FF", "is no name"),
        ("a%0Ab", "is no name"),
        ("pg_mine", "PostgreSQL's own"),
        ("information_schema", "PostgreSQL's own"),
    ],
)
def test_schemas_that_cannot_be(name: str, complaint: str):
    with pytest.raises(StoreError, match=complaint):
        read_url(f"postgresql:///work?penstock_schema={name}")


@pytest.mark.parametrize("lease", ["0", "-1", "nan", "inf", "", "soon", "1e9", "0.01"])
def test_leases_that_cannot_be(lease: str):
    with pytest.raises(StoreError, match=r"penstock_lease=.* is no number of seconds"):
        read_url(f"postgresql:///work?penstock_lease={lease}")


def test_an_option_that_is_not_known_is_named():
    with pytest.raises(StoreError, match="penstock_shema"):
        read_url("postgresql:///work?penstock_shema=mine")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret%zz@db/work",
        "postgresql://me:secret@db:port:5433/work?x",
        "postgresql://me:secret@db/work?secret=1",
        "postgresql://me:secret@[::1/work",
        "postgresql://me:secret\0@db/work",
        "postgresql://me:secret\ud800@db/work",
        "postgresql://me:x/secret@db/work",
        "postgresql://me:x@secret@db/work",
        "sqlite://secret",
        "secret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_it(url: str):
    with pytest.raises(StoreError, match="cannot be read") as refusal:
        read_url(url)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@given(st.text(min_size=1), st.text(alphabet="abcäß-_ .'\"$%&/?#@:", min_size=1, max_size=20))
def test_a_password_is_never_shown(secret: str, schema: str):
    password = f"<{secret}>"
    url = f"postgresql://me:{{}}@db/work?penstock_schema={quote(schema)}"
    for written in (quote(password, safe="", errors="surrogatepass"), password):
        try:
            address = read_url(url.format(written))
            shown = f"{address} {address!r} {address.shown}"
        except StoreError as error:
            shown = f"{error} {error!r}"
        assert password not in shown


@given(st.text(alphabet="abcäß-_ .'\"$%&/?#@:=", min_size=1, max_size=20))
def test_any_name_of_a_schema_can_be_written(schema: str):
    address = read_url(f"postgresql://db/work?penstock_schema={quote(schema, safe='')}&sslmode=prefer")
    assert address.schema == schema
    assert address.parameters == {"host": "db", "dbname": "work", "sslmode": "prefer"}
