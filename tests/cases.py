"""Which cases of a test every run of the suite has, and which one of the slow tests."""

import pytest

_Case = type(pytest.param())


def sifted(cases, always):
    """Cases of which most are slow tests: all that are not of `always`, a collection of them.

    Where `always` is a number n, the 1st, the 1+nth, ... of those that are not slow already stay.
    """
    cases = [_case(case) for case in cases]
    if isinstance(always, int):
        often = [case for case in cases if not case.marks][::always]
    else:
        wanted = [_case(case).values for case in always]
        often = [case for case in cases if case.values in wanted]
    return [case if any(case is one for one in often) else _slow(case) for case in cases]


def _case(case):
    if isinstance(case, _Case):
        return case
    return pytest.param(*case) if isinstance(case, tuple) else pytest.param(case)


def _slow(case):
    return pytest.param(*case.values, id=case.id, marks=pytest.mark.slow)
