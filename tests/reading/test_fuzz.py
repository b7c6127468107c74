"""Thousands of random logs in many dresses: the answer of the oracle, or an error that the oracle finds justified."""

import random
import warnings

import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, KundenwertError, KundenwertWarning, RowError
from tests.reading.frames import random_case
from tests.reading.oracle import answer

BLOCKS = 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_two_hundred_logs(block):
    for number in range(10):
        check(f"fast {block} {number}")


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_two_thousand_logs(block):
    for number in range(100):
        check(f"slow {block} {number}")


def check(seed):
    """One log: whatever happens has to be what the oracle says."""
    case = random_case(random.Random(seed))  # noqa: S311 -- nothing is secret here
    expected = answer(case.rows, case.asked)
    said = f"{seed}: {case.story}\n{case.arguments}\n{case.rows}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KundenwertWarning)  # tiny logs look odd
            histories = kw.summarize(case.frame, **case.arguments)
    except KundenwertError as error:
        if "ColumnError" in case.deserved and isinstance(error, ColumnError):
            return
        if expected == "nothing" and type(error) is DataError:
            return
        if isinstance(expected, int) and isinstance(error, RowError) and f"row {expected} " in str(error):
            return
        raise AssertionError(said) from error
    except Exception as error:  # a raw error is what must not be
        raise AssertionError(said) from error
    assert not case.deserved, said
    assert not isinstance(expected, (int, str)), said
    compare(histories, expected, said, amounts=case.asked.amounts)


def compare(histories, expected, said, *, amounts):
    assert histories.customer_id.tolist() == expected.customers, said
    types = [type(who) for who in histories.customer_id.tolist()]
    assert types == [type(who) for who in expected.customers], said
    assert histories.frequency.tolist() == expected.frequency, said
    assert histories.recency.tolist() == expected.recency, said
    assert histories.T.tolist() == expected.age, said
    found = {name: getattr(histories.audit, name) for name in expected.audit}
    excess, due = found.pop("refund_excess"), expected.audit.pop("refund_excess")
    assert excess == pytest.approx(due, rel=1e-9, abs=1e-6), said
    assert found == expected.audit, said
    assert dict(histories.audit.customers_left_out) == expected.left_out, said
    if amounts:
        money = [float(amount) for amount in expected.repeat_amounts]
        assert histories.spend.total.tolist() == pytest.approx(money, rel=1e-10, abs=1e-6), said
        first = [float(amount) for amount in expected.first_amount]
        assert histories.spend.first_amount.tolist() == pytest.approx(first, rel=1e-10, abs=1e-6), said
