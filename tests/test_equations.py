"""Every numbered equation has one function that names it and tests that fail when the function is wrong."""

import inspect
import re

import pytest
from equations import EQUATIONS, table
from mutants import MUTANTS, cases, function_at, survived

each = pytest.mark.parametrize("number", EQUATIONS)


def test_the_index_holds_equations_1_to_16():
    assert list(EQUATIONS) == list(range(1, 17))


@each
def test_function_of_an_equation_names_its_number(number):
    where = EQUATIONS[number].function
    owner = [function_at(where.rpartition(".")[0])] if "." in where else []
    docs = " ".join(thing.__doc__ or "" for thing in (function_at(where), *owner, inspect.getmodule(function_at(where))))
    named = re.findall(r"eq(?:uation)?s?\.?\s((?:\(\d+\)(?:,\s|\sand\s|\sto\s)?)+)", docs, re.IGNORECASE)
    assert f"({number})" in " ".join(named)


@each
def test_tests_of_an_equation_are_collected_and_not_skipped(number, request):
    for test in EQUATIONS[number].tests:
        found = cases(test, request.session)
        assert found and not any(case.get_closest_marker(name) for case in found for name in ("skip", "skipif", "xfail")), test


@each
def test_tests_of_an_equation_fail_when_its_function_is_wrong(number, request):
    equation = EQUATIONS[number]
    assert equation.mutants and all(MUTANTS[name].where == equation.function for name in equation.mutants)
    for name in equation.mutants:
        assert survived(MUTANTS[name], equation.tests, request.session) == [], name


def test_table_fits_a_page():
    lines = table().splitlines()
    assert len(lines) < 18 and max(map(len, lines)) <= 120
