"""kill -9 at random moments: nothing is lost, nothing is doubled, and what was told to a client stays true."""

import pytest

from faults.killing import Rig

# Text that was sent after the last checkpoint: 20 tokens apart, and what one read of the upstream may bring.
MOST_UNDERCOUNTED = 20 + 64


def check(report):
    print(report.line(), dict(report.ends))
    assert report.seen > report.kills, "the load was too thin to mean anything"
    assert report.ends["recovered"] > 0, "no kill hit a call under way"
    assert (report.lost, report.ghost, report.wrong) == ([], [], [])
    assert (report.double, report.overspend, report.held, report.unbalanced) == (0, 0, 0, 0)
    assert report.undercount <= MOST_UNDERCOUNTED


def test_fifteen_kills_lose_and_double_nothing(tmp_path):
    check(Rig(tmp_path, 15).run())


@pytest.mark.slow
def test_a_hundred_kills_lose_and_double_nothing(tmp_path):
    check(Rig(tmp_path, 100).run(clients=16))
