"""Lines made of the parts that programs write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.observe.terminal import Lines

PLAIN = st.text(st.sampled_from("ab \té日\n"), max_size=40)


def fed(*parts: str) -> str:
    """All that is shown of these parts."""
    lines = Lines()
    return "".join(lines.add(part) for part in parts) + lines.rest()


@given(st.lists(PLAIN))
def test_plain_text_is_shown_as_it_is_however_it_was_cut(parts: list[str]):
    text = "".join(parts)
    assert fed(*parts) == (text if not text or text.endswith("\n") else f"{text}\n")


def test_only_whole_lines_come_at_once():
    lines = Lines()
    assert lines.add("a\nb") == "a\n"
    assert lines.part() == "b"
    assert lines.add("c\nd\n") == "bc\nd\n"
    assert (lines.part(), lines.rest()) == ("", "")


def test_a_progress_bar_shows_its_last_state():
    lines = Lines()
    assert [lines.add(f"\r{percent}%") for percent in (10, 20, 30)] == ["", "", ""]
    assert lines.part() == "30%"
    assert lines.add("\n") == "30%\n"
    assert fed("10%\r", "20%\r", "done\n") == "done\n"
    assert fed("a\r\nb\r\n") == "a\nb\n"


def test_a_line_that_comes_while_a_progress_bar_waits_is_shown_on_its_own():
    lines = Lines()
    lines.add("\r10%")
    assert lines.add("from another task\n") == "from another task\n"
    assert lines.part() == "10%"
    lines.add("\r20%")
    assert lines.rest() == "20%\n"


def test_what_moves_the_cursor_is_left_out_and_colours_are_ended():
    assert fed("up\x1b[1A\x1b[2Kdown\x07\x08\n") == "updown\n"
    assert fed("\x1b]0;title\x07text\n") == "text\n"
    assert fed("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n") == "link\n"
    assert fed("\x9b31mred\n") == "31mred\n"
    assert fed("\x1b[31mred\n") == "\x1b[31mred\x1b[0m\n"
    lines = Lines()
    lines.add("\x1b[31mred")
    assert lines.part() == "red"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20)))
def test_nothing_but_lines_and_colours_comes_out(parts: list[str]):
    shown = fed(*parts)
    assert not shown or shown.endswith("\n")
    assert not {chr(code) for code in (*range(9), *range(11, 27), *range(28, 32))} & set(shown)


def test_a_line_without_end_does_not_grow_for_ever():
    lines = Lines()
    for _ in range(100):
        lines.add("x" * 10_000)
    assert len(lines.part()) <= 65_536
