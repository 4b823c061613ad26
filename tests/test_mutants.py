"""Every slip of `mutants.py` is caught by each of the tests that it names; these pass without it."""

import pytest
from mutants import MUTANTS, survived


@pytest.mark.parametrize("name", MUTANTS)
def test_slip_is_caught_by_each_of_its_tests(name, request):
    assert survived(MUTANTS[name], MUTANTS[name].tests, request.session) == []


def test_a_slip_that_changes_nothing_survives(request):
    """The runner itself must be able to say that a test is blind."""
    mutant = MUTANTS[">= for >"]._replace(wrong="(v > 0.0)")
    assert survived(mutant, mutant.tests, request.session) == mutant.tests
