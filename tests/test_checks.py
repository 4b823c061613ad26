"""Refusals in one line: what counts as one number."""

from fractions import Fraction

import numpy as np
import pytest

from stllr_ref import checks


@pytest.mark.parametrize("value", [1, 0.5, True, np.float32(0.5), np.int8(1), np.array(0.5), Fraction(1, 2)], ids=repr)
def test_a_number_of_any_real_type_becomes_a_python_float(value):
    found = checks.number("gamma", value, 0, 1)
    assert type(found) is float and found == value


@pytest.mark.parametrize(
    "value", ["1", b"1", bytearray(b"1"), 1j, np.complex64(0.5), np.timedelta64(5), np.array([0.5]), [0.5], [[1], [1, 2]], None, 10**400], ids=lambda v: repr(v)[:20]
)
def test_what_is_no_number_is_refused_in_one_line(value):
    with pytest.raises(ValueError, match="^gamma: got .{1,110}, expected a number$"):
        checks.number("gamma", value)


@pytest.mark.parametrize("low, high, words", [(-np.inf, np.inf, "a finite number"), (checks.ABOVE_0, np.inf, "a number above 0"), (0, 1, "a number from 0 to 1")])
def test_a_number_out_of_its_span_is_told_the_span(low, high, words):
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match=f"^gamma: got {value}, expected {words}$"):
            checks.number("gamma", value, low, high)
