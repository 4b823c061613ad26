"""What comes back from an implementation, told in one line."""

import pytest

from stllr_ref.oracle.answers import one_line


@pytest.mark.parametrize("length, shown", [(199, 199), (200, 200), (201, 203), (5000, 203)])
def test_a_text_is_shown_up_to_200_characters(length, shown):
    line = one_line("a" * length)
    assert len(line) == shown and line.endswith("...") == (length > 200)


def test_lines_and_blanks_become_one_line():
    assert one_line("a\n  b\tc\n") == "a b c"


def test_what_cannot_be_printed_is_said_to_be_so():
    class Silent:
        def __str__(self):
            raise RuntimeError

    assert one_line(Silent()) == "(a Silent that cannot be printed)"
