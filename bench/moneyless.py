"""This gateway as ``smartoken serve`` runs it, with nothing held, journalled or moved: money costs the difference.

    moneyless.py serve

Keys, plans, prices and usage records stay. For the bench alone: nothing may be sold from it.
"""

from smartoken.__main__ import main
from smartoken.billing.admission import Settled
from smartoken.billing.bound import HoldPlan, Reach
from smartoken.billing.leases import Hold, LeaseBook
from smartoken.billing.prices import Tariff
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.till import FOREVER_MS, Held, Place, Till

_PLENTY = 1 << 40  # tokens
_NOWHERE = Place((), (), (), FOREVER_MS)


async def _holds_nothing(_till: Till, call: Call, _plan: Plan, tariff: Tariff) -> Held:
    terms = HoldPlan(0, _PLENTY, _PLENTY, call.request.limit, None)
    account = call.caller.account.id
    return Held(Hold((), (), 0, []), terms, (tariff,), Reach(0, None), _PLENTY, _NOWHERE, account)


def _pays_nothing(_book: LeaseBook, _hold: Hold, charge: int) -> Settled:
    return Settled((), (), charge, 0)


def _notes_nothing(*_arguments: object) -> None:
    pass


if __name__ == "__main__":
    for owner, name, instead in (
        (Till, "hold", _holds_nothing),
        (LeaseBook, "settle", _pays_nothing),
        *((Logbook, each, _notes_nothing) for each in ("dispatched", "sent", "progress", "final")),
    ):
        setattr(owner, name, instead)
    main()
