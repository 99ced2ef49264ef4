"""What the journal says of calls: written here, in a form from which a record can be made when this process is gone.

D carries the whole record as far as it is known, with what the call holds and the rates that were fixed at admission;
F carries the finished record. ``operations.recovery`` reads both.
"""

from typing import Any

import orjson

from smartoken.billing.journal import FINAL, PROGRESS, SENT, Journal
from smartoken.billing.prices import Tariff
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.till import Held
from smartoken.operations.recovery import RATES
from smartoken.usage.records import CallRecord

_MAX_TARIFFS = 4_096


def compact(tariff: Tariff) -> list[Any]:
    """Return a tariff as a list that JSON holds; ``operations.recovery`` reads it."""
    kinds = (tariff.plain, tariff.thinking)
    return [
        [[each.up_to_prompt, each.up_to_output, *(getattr(each.rates, name) for name in RATES)] for each in tiers]
        for tiers in kinds
    ]


class Logbook:
    """Writes one worker's journal."""

    __slots__ = ("_journal", "_tariffs")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tariffs: dict[int, tuple[Tariff, list[Any]]] = {}  # by identity, the tariff kept so its id stays its own

    def _compact(self, tariff: Tariff) -> list[Any]:
        found = self._tariffs.get(id(tariff))
        if found is None:
            if len(self._tariffs) >= _MAX_TARIFFS:
                self._tariffs.clear()
            found = self._tariffs[id(tariff)] = (tariff, compact(tariff))
        return found[1]

    @property
    def full(self) -> bool:
        """Whether there is no room for new calls."""
        return not self._journal.room_for_new

    def dispatched(self, call: Call, plan: Plan, held: Held) -> None:
        """Note, before anything is sent, that a call begins."""
        key = call.caller.key
        target = plan.targets[0].offer
        entry = {
            "id": call.id,
            "at": call.now_ms,
            "account": call.caller.account.id,
            "key": [key.id, key.environment, key.owner, key.workflow],
            "user": call.request.user,
            "asked": call.request.model,
            "model": plan.model.model.id,
            "provider": target.provider.id,
            "offer": target.offer.id,
            "stream": call.request.stream,
            "version": plan.model.price_version,
            "ip": call.ip,
            "bound": held.hold.nano,
            "funds": held.hold.lines(),
            "windows": [each.row for each in held.place.windows],
            "prompt": held.reach.prompt,
            "tariff": self._compact(held.tariffs[0]),
        }
        self._journal.dispatch(call.id, orjson.dumps(entry))

    def sent(self, call_id: str) -> None:
        """Note that a provider may have the request."""
        self._journal.note(SENT, b'{"id":"%b"}' % call_id.encode())

    def progress(self, call_id: str, counted: int, held: Held) -> None:
        """Note how much output was counted so far, and what the call holds by now."""
        entry = {"id": call_id, "out": held.before + counted, "bound": held.hold.nano, "funds": held.hold.lines()}
        self._journal.note(PROGRESS, orjson.dumps(entry))

    def final(self, record: CallRecord) -> None:
        """Note that the call is over and what it comes to."""
        self._journal.note(FINAL, orjson.dumps({"id": record.id, "record": list(record)}))

    def stored(self, call_ids: list[str]) -> None:
        """Let go of calls that the store has."""
        self._journal.forget(call_ids)
