"""Whether a call may start: the decision by tables. The leases that it is made over stand in ``test_leases.py``."""

import pytest

from smartoken.billing.admission import (
    Carved,
    Refusal,
    RowFacts,
    Short,
    carve,
    extension,
    settle_late,
    verdict,
)


class Free:
    """A lease as far as the decision looks at it; ``!`` behind a figure blocks it."""

    def __init__(self, place, text):
        self.row = place
        self.free = int(text.rstrip("!"))
        self.blocked = text.endswith("!")


CARVES = """
bound | windows | funds  | taken or short
   10 | 10 20   | 10     | 0:10
    1 | 90000   | 90000  | 0:1
    1 | 0       | 90000  | short w0:1 +0
   10 | 10      | 30     | 0:10
   10 |         | 4 6    | 0:4 1:6
   10 |         | 4 30   | 0:4 1:6
   10 |         | 10 30  | 0:10
   10 |         | 0 10   | 1:10
   10 |         | -5 10  | 1:10
   10 |         | 4 0 6  | 0:4 2:6
   10 | 9 20    | 10     | short w0:1 +0
   10 | 20 7    | 10     | short w1:3 +0
   10 | 1 2     | 3      | short w0:9 w1:8 +7
   10 | 20      | 4 5    | short +1
   10 | 20      | 0      | short +10
   10 | 20      |        | short +10
   10 | -5      | 10     | short w0:15 +0
    0 | 0       | 0      | 0:0
    0 |         |        | short +0
    0 | 0!      | 5      | short w0:0 +0
    5 | 90!     | 5      | short w0:-85 +0
    5 | 9 90!   | 5      | short w1:-85 +0
"""


@pytest.mark.parametrize("row", CARVES.strip().splitlines()[1:])
def test_a_bound_is_taken_whole_from_every_window_and_once_from_the_funds(row):
    bound, windows, funds, expected = (part.split() for part in row.split("|"))
    found = carve(
        int(bound[0]),
        [Free(f"w{place}", text) for place, text in enumerate(windows)],
        [Free(f"f{place}", text) for place, text in enumerate(funds)],
    )
    if expected[0] == "short":
        lacking = tuple((name, int(lack)) for name, _, lack in (each.partition(":") for each in expected[1:-1]))
        assert found == Short(lacking, int(expected[-1]))
    else:
        assert found == Carved(tuple(tuple(map(int, each.split(":"))) for each in expected))


# Rows as limit/used/held; the row behind the refusal by its place, - for the funds together.
VERDICTS = """
bound | windows            | funds             | verdict
   10 | 100/0/0            | 100/0/0           | fits
   10 | 100/90/0           | 100/90/0          | fits
   10 | 100/100/0          | 100/0/0           | spent w0
   10 | 100/130/0          | 100/0/0           | spent w0
   10 | 100/91/0           | 100/0/0           | too_large w0
   10 | 5/0/0              | 100/0/0           | too_large w0
   10 | 0/0/0              | 100/0/0           | spent w0
    0 | 0/0/0              | 100/0/0           | spent w0
    0 | 100/100/0          | 100/100/0         | fits
    0 | 100/101/0          | 100/0/0           | fits
    1 | 100/101/0          | 100/0/0           | spent w0
    0 | 100/0/130          | 100/0/130         | fits
   10 | 100/0/91           | 100/0/0           | held w0
   10 | 100/0/90           | 100/0/90          | fits
   10 | 100/90/1           | 100/0/0           | held w0
   10 | 100/0/0 100/95/0   | 100/0/0           | too_large w1
   10 | 100/0/95 100/95/0  | 100/0/0           | too_large w1
   10 | 100/0/95           | 100/95/0          | balance -
   10 |                    | 100/95/0          | balance -
   10 |                    | 100/0/95          | held -
   10 |                    | 100/95/0 100/95/0 | fits
   10 |                    | 100/96/0 100/95/0 | balance -
   10 |                    | 50/60/0 10/0/0    | fits
   10 |                    | 50/60/0 10/1/0    | balance -
   10 |                    | 50/0/45 50/0/46   | held -
   10 |                    | 50/0/60 10/0/0    | fits
   10 |                    |                   | balance -
    0 |                    |                   | balance -
   10 | 100/0/95           | 100/0/95          | held w0
"""


@pytest.mark.parametrize("row", VERDICTS.strip().splitlines()[1:])
def test_what_is_spent_is_told_from_what_is_held(row):
    bound, windows, funds, expected = (part.split() for part in row.split("|"))
    facts = [
        [RowFacts(f"{kind}{place}", *map(int, each.split("/"))) for place, each in enumerate(cells)]
        for kind, cells in (("w", windows), ("f", funds))
    ]
    found = verdict(int(bound[0]), *facts)
    if expected == ["fits"]:
        assert found is None
        return
    assert found is not None
    assert (found.refusal, found.row or "-") == (Refusal(expected[0]), expected[1])
    assert found.permanent is (expected[0] != "held")


def test_the_figures_behind_a_verdict_are_those_of_its_row_or_of_all_funds():
    window, funds = RowFacts("w", 100, 20, 75), [RowFacts("a", 50, 30, 10), RowFacts("b", 70, 20, 5)]
    found = verdict(10, [window], funds)
    assert (found.limit, found.used, found.held) == (100, 20, 75)
    found = verdict(80, [], funds)
    assert (found.refusal, found.limit, found.used, found.held) == (Refusal.BALANCE, 120, 50, 15)
    found = verdict(60, [], funds)
    assert (found.refusal, found.limit, found.used, found.held) == (Refusal.HELD, 120, 50, 15)


EXTENSIONS = """
free need per_second workers | amount
 100   10          0       1 |    100   a single worker takes all
 100  100          0       1 |    100
 100  101          0       1 |      0
   0    0          0       1 |      0
  -5    0          0       1 |      0
1000   10          0       4 |     10   of four, the need at least
1000   10         50       4 |     50   a second of its spend
1000   10        500       4 |    125   at most half of its even share
  79   10         50       4 |     10   exactly the need once money is scarce
  80   10         50       4 |     10
 160   10         50       4 |     20
  10   10         50       4 |     10
   9   10         50       4 |      0
 100    0         50       4 |     12
"""


@pytest.mark.parametrize("row", EXTENSIONS.strip().splitlines()[1:])
def test_a_lease_grows_by_what_sharing_allows(row):
    given, expected = (part.split() for part in row.split("|"))
    assert extension(*map(int, given)) == int(expected[0])


LATE = """
charge | windows      | funds         | lines     overrun
    30 | 100/0/0      | 100/0/0       | 0:30            0
    30 | 100/80/0     | 100/0/0       | 0:20           10
    30 | 100/80/0 9/0/0 | 100/0/0     | 0:9            21
    30 | 100/80/20    | 100/0/0       | -              30
    30 | 100/0/0      | 20/5/0 90/0/0 | 0:15 1:15       0
    30 | 100/0/0      | 20/5/15 90/70/5 | 1:15         15
    30 |              | 20/50/0       | -              30
     0 | 100/0/0      | 100/0/0       | -               0
"""


@pytest.mark.parametrize("row", LATE.strip().splitlines()[1:])
def test_a_late_charge_takes_what_is_free_and_passes_no_limit(row):
    charge, windows, funds, expected = (part.split() for part in row.split("|"))
    facts = [
        [RowFacts(str(place), *map(int, each.split("/"))) for place, each in enumerate(cells)]
        for cells in (windows, funds)
    ]
    found = settle_late(int(charge[0]), *facts)
    lines = tuple((name, int(nano)) for name, _, nano in (each.partition(":") for each in expected[:-1] if each != "-"))
    assert (found.lines, found.overrun) == (lines, int(expected[-1]))
    assert found.paid == sum(nano for _, nano in lines) == int(charge[0]) - found.overrun
    assert found.windows == tuple(map(str, range(len(windows))))


def test_a_late_charge_is_never_negative():
    with pytest.raises(ValueError, match="negative"):
        settle_late(-1, [], [])
