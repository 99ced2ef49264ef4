"""What tests of campaigns do over and over: accounts, campaigns, codes, and the figures of money."""

import itertools

from contract.operations.rooms import ADMIN_TOKEN
from smartoken.billing import queries as money
from smartoken.billing.ledger import trial_balance

_numbers = itertools.count(1)
CAMPAIGN = {
    "slug": "autumn",
    "name": "Autumn credits",
    "triggers": ["code", "list", "link"],
    "amount": "5.00",
    "budget": "500.00",
}


def key():
    """A key of idempotency of its own."""
    return {"idempotency-key": f"key-{next(_numbers)}"}


def post(room, path, body=None, wanted=(200, 201), token=ADMIN_TOKEN):
    """Ask for a change and expect an answer."""
    answer = room.ask("POST", f"/api/v1{path}", body, token=token, headers=key())
    assert answer.status in (wanted if isinstance(wanted, tuple) else (wanted,)), (path, answer.status, answer.raw)
    return answer.body


def shown(room, path, token=ADMIN_TOKEN):
    """Read something."""
    answer = room.ask("GET", f"/api/v1{path}", token=token)
    assert answer.status == 200, (path, answer.raw)
    return answer.body


def an_account(room, slug, **facts):
    """Make an account; returns its id."""
    room.office.clock.advance(0.001)  # ids sort by the time at which they were made
    return post(room, "/admin/accounts", {"slug": slug, **facts})["id"]


def a_campaign(room, publish=True, **terms):
    """Make a campaign, published unless told otherwise."""
    made = post(room, "/admin/campaigns", {**CAMPAIGN, **terms})
    return post(room, f"/admin/campaigns/{made['slug']}/publish") if publish else made


def some_codes(room, count=1, campaign="autumn", **facts):
    """Make a batch; returns it with its codes."""
    return post(room, "/admin/codes", {"campaign": campaign, "count": count, **facts})


def redeem(room, code, account, wanted=(200, 201), **more):
    """Redeem for an account, as the staff does."""
    return post(room, "/wallet/redeem", {"code": code, "account": account, **more}, wanted)


def rows_of(room, account_id):
    """The rows of an account's grants, without the wallet."""
    rows = room.office.db.run_read(money.rows_of_account, account_id)
    return [each for each in rows if each["id"].startswith("grant:")]


def books_balance(room):
    """Whether all books together are zero, and every fund is what its postings say."""
    sums = room.office.db.run_read(money.book_sums)
    trial = trial_balance({(currency, book): nano for (book, currency), nano in sums.items()})
    return set(trial.values()) <= {0}
