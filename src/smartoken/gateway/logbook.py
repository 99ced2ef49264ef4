"""What the journal says of calls: written here, in a form from which a record can be made when this process is gone.

D carries the whole record as far as it is known, with what the call holds and the rates that were fixed at admission;
F carries the finished record. ``operations.recovery`` reads both.
"""

from typing import Any

import orjson

from smartoken.billing.journal import FINAL, PROGRESS, SENT, Journal
from smartoken.billing.prices import Tariff
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.till import Held, Place
from smartoken.identity.facts import ApiKey
from smartoken.operations.directory import ServedModel, ServedOffer
from smartoken.operations.recovery import RATES
from smartoken.usage.records import CallRecord

_MAX_REMEMBERED = 4_096
_Alike = tuple[ApiKey, ServedModel, ServedOffer, Tariff, Place]


def compact(tariff: Tariff) -> list[Any]:
    """Return a tariff as a list that JSON holds; ``operations.recovery`` reads it."""
    kinds = (tariff.plain, tariff.thinking)
    return [
        [[each.up_to_prompt, each.up_to_output, *(getattr(each.rates, name) for name in RATES)] for each in tiers]
        for tiers in kinds
    ]


def _fixed_part(key: ApiKey, model: ServedModel, offer: ServedOffer, tariff: Tariff, place: Place) -> bytes:
    """Return the end of an entry that is the same for every call of a key, model, offer and price."""
    entry = {
        "account": key.account_id,
        "key": [key.id, key.environment, key.owner, key.workflow],
        "model": model.model.id,
        "provider": offer.provider.id,
        "offer": offer.offer.id,
        "version": model.price_version,
        "windows": place.rows,
        "tariff": compact(tariff),
    }
    return b"," + orjson.dumps(entry)[1:]


class Logbook:
    """Writes one worker's journal."""

    __slots__ = ("_fixed", "_journal")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # By identity of what they are made from, which is kept, so that it stays its own.
        self._fixed: dict[tuple[int, ...], tuple[_Alike, bytes]] = {}

    @property
    def full(self) -> bool:
        """Whether there is no room for new calls."""
        return not self._journal.room_for_new

    def dispatched(self, call: Call, plan: Plan, held: Held) -> None:
        """Note, before anything is sent, that a call begins."""
        request, hold = call.request, held.hold
        entry = {
            "id": call.id,
            "at": call.now_ms,
            "user": request.user,
            "asked": request.model,
            "stream": request.stream,
            "ip": call.ip,
            "bound": hold.nano,
            "funds": hold.lines(),
            "prompt": held.reach.prompt,
        }
        alike = (call.caller.key, plan.model, plan.targets[0].offer, held.tariffs[0], held.place)
        place = (*map(id, alike),)
        found = self._fixed.get(place)
        if found is None:
            if len(self._fixed) >= _MAX_REMEMBERED:
                self._fixed.clear()
            found = self._fixed[place] = (alike, _fixed_part(*alike))
        self._journal.dispatch(call.id, orjson.dumps(entry)[:-1] + found[1])

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
