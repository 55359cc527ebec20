import io
from decimal import Decimal

import pytest

from tally.main import add_up, main


@pytest.mark.parametrize(
    ("lines", "total"),
    [([], "0"), (["1\n", "2\n"], "3"), (["0.1", "0.2"], "0.3"), (["\n", "-4\n"], "-4")],
)
def test_adds_up(lines, total):
    assert add_up(lines) == Decimal(total)


def test_names_the_line_that_is_no_number():
    errors = io.StringIO()
    assert main(["1\n", "two\n"], io.StringIO(), errors) == 1
    assert errors.getvalue() == 'tally: line 2: "two" is no number\n'
