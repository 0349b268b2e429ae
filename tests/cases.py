"""Which cases of a test every run of the suite has, and which one of the slow tests."""

import pytest

_Case = type(pytest.param())


def sifted(cases, always):
    """Cases of which the most are slow tests: all that are not of `always`, a collection of them.

    Where `always` is a number n, the 1st, the 1+nth, ... of those that are not slow already stay.
    """
    found, often = [], 0
    for case in map(_case, cases):
        if isinstance(always, int):
            often += (usual := not case.marks)
            stays = usual and often % always == 1 % always
        else:
            stays = case.values in [_case(one).values for one in always]
        found.append(case if stays else _slow(case))
    return found


def _case(case):
    if isinstance(case, _Case):
        return case
    return pytest.param(*case) if isinstance(case, tuple) else pytest.param(case)


def _slow(case):
    return pytest.param(*case.values, id=case.id, marks=[pytest.mark.slow])
