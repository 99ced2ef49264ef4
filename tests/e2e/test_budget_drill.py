"""``smartoken drill budget``: more calls at once than a budget has room for, on each store and several workers."""

import json
import os

import pytest

from smartoken.__main__ import run

ROOM, CALLS = 12, 40


def played(capsys, *words):
    code = run(["drill", "budget", "--calls", str(CALLS), "--room", str(ROOM), *words, "--json"], dict(os.environ))
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    return code, found


@pytest.mark.parametrize(("store", "workers"), [("sqlite", 1), ("postgresql", 1), ("postgresql", 4)], ids=str)
def test_a_budget_admits_what_it_has_room_for_and_not_one_call_more(request, capsys, store, workers):
    server = [] if store == "sqlite" else ["--database", request.getfixturevalue("servers").postgres()]
    code, found = played(capsys, "--workers", str(workers), *server)
    assert code == 0, found
    assert found["held"] is True
    assert float(found["spent"]) <= float(found["cap"])
    assert found["admitted"] == ROOM
    assert found["at_once"] >= (ROOM if workers == 1 else ROOM - 4)
    assert found["spent"] == found["told"]
    assert sum(found["refused"].values()) > CALLS - ROOM - 1


def test_several_workers_need_a_server(capsys):
    assert run(["drill", "budget", "--workers", "4"], {}) == 2
    assert "--database" in capsys.readouterr().err
