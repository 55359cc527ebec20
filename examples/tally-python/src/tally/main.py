"""The command."""

from decimal import Decimal, InvalidOperation


def main(lines, out, errors):
    """Prints the sum of the numbers in `lines`; the exit status."""
    try:
        print(add_up(lines), file=out)
    except ValueError as problem:
        print(f"tally: {problem}", file=errors)
        return 1
    return 0


def add_up(lines):
    """The sum, exact; ValueError names the first line that is no number."""
    total = Decimal(0)
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            total += Decimal(text)
        except InvalidOperation:
            raise ValueError(f'line {number}: "{text}" is no number') from None
    return total
