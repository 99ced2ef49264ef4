"""What the journal says of a streaming call that several offers tell."""

from types import SimpleNamespace

import orjson
import pytest

from smartoken.gateway.logbook import Logbook


class Journal:
    """Keeps what is noted."""

    def __init__(self):
        self.noted = []

    def note(self, kind, payload):
        self.noted.append((kind, orjson.loads(payload)))


@pytest.mark.parametrize(("before", "counted", "out"), [(0, 7, 7), (9, 0, 9), (9, 7, 16)])
def test_a_checkpoint_counts_the_text_of_every_part(before, counted, out):
    journal = Journal()
    hold = SimpleNamespace(nano=5, lines=lambda: [["wallet:a", 5]])
    Logbook(journal).progress("call_1", counted, SimpleNamespace(before=before, hold=hold))
    assert journal.noted == [(b"P", {"id": "call_1", "out": out, "bound": 5, "funds": [["wallet:a", 5]]})]
