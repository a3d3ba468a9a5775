"""Templates: values are never a part of the text that is made."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, Secret, Template, sql_text
from penstock.executor.templates import shell_text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("wc {{ x }}", 'wc "${PENSTOCK_VALUE_0}"'),
        ('wc "{{ x }}.csv"', 'wc "${PENSTOCK_VALUE_0}.csv"'),
        ("wc '{{ x }}.csv'", "wc ''\"${PENSTOCK_VALUE_0}\"'.csv'"),
        ('echo \\" {{ x }}', 'echo \\" "${PENSTOCK_VALUE_0}"'),
        ("echo '\\' {{ x }}", "echo '\\' \"${PENSTOCK_VALUE_0}\""),
        ("{% if x %}a{% endif %} {# nothing #}b\n", "a b\n"),
        ("{{ x }} {{ x | upper }}", '"${PENSTOCK_VALUE_0}" "${PENSTOCK_VALUE_1}"'),
        ("{% macro m(y) %}{{ y }}!{% endmacro %}{{ m(x) }}", '"${PENSTOCK_VALUE_1}"'),
    ],
)
def test_a_value_in_a_command_is_a_variable(template: str, text: str) -> None:
    made, variables = shell_text(template, {"x": "a; b"}, str)
    assert made == text
    if "VALUE_1" in text:
        assert variables["PENSTOCK_VALUE_1"] in ("A; B", "a; b!")


@given(st.text().filter(lambda text: "\0" not in text))
def test_no_value_is_in_the_text_of_a_command(value: str) -> None:
    made, variables = shell_text("a {{ x }} \"b {{ x ~ 'c' }}\"", {"x": value}, str)
    assert made == 'a "${PENSTOCK_VALUE_0}" "b ${PENSTOCK_VALUE_1}"'
    assert variables == {"PENSTOCK_VALUE_0": value, "PENSTOCK_VALUE_1": value + "c"}


@pytest.mark.parametrize(
    ("style", "text", "values"),
    [
        ("qmark", "select ?, ? like '%'", (1, "b")),
        ("numeric", "select :1, :2 like '%'", (1, "b")),
        ("format", "select %s, %s like '%%'", (1, "b")),
        ("named", "select :v0, :v1 like '%'", {"v0": 1, "v1": "b"}),
        ("pyformat", "select %(v0)s, %(v1)s like '%%'", {"v0": 1, "v1": "b"}),
    ],
)
def test_each_style_of_parameters(style: Any, text: str, values: Any) -> None:
    assert sql_text("select {{ a }}, {{ b }} like '%'", paramstyle=style, a=1, b="b") == (text, values)


@given(st.text(), st.integers(-(2**63), 2**63 - 1))
def test_a_database_gets_the_values_as_they_are(text: str, number: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    connection = sqlite3.connect(":memory:")
    try:
        row = connection.execute(*sql_text("select {{ text }}, {{ number }}, {{ text }}", text=text, number=number))
        assert row.fetchone() == (text, number, text)
    finally:
        connection.close()


def test_a_secret_is_given_to_a_database_as_its_value() -> None:
    assert sql_text("select {{ key }}", key=Secret("canary")) == ("select ?", ("canary",))


@pytest.mark.parametrize("text", ["select '{{ x }}'", "select 'a{{ x }}'", 'select "{{ x }}"', "select `{{ x }}`"])
def test_a_value_within_quotes_of_sql_is_refused(text: str) -> None:
    with pytest.raises(PenstockError, match="a value stands within"):
        sql_text(text, x=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ y }}", "'y' is undefined"),
        ("{{ x.y.z }}", "no attribute 'y'"),
        ("{% if x %}", "cannot be rendered"),
        ("{{ x.__class__ }}", "access to attribute '__class__' of 'int' object is unsafe"),
        ("{{ ''.format_map.__globals__ }}", "unsafe"),
    ],
)
def test_what_cannot_be_rendered_is_told(text: str, told: str) -> None:
    with pytest.raises(PenstockError, match=told):
        sql_text(text, x=1)


def test_a_template_does_not_show_its_values() -> None:
    assert "canary" not in repr(Template("echo {{ x }}", x="canary"))
