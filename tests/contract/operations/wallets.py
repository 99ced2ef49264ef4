"""An account with a wallet, and what is done to it over and over, each as a line of text."""

from contract.operations.rooms import ADMIN_TOKEN, call_record
from smartoken.billing import queries as money
from smartoken.billing.ledger import trial_balance
from smartoken.money import amount_text, parse_amount
from smartoken.operations import keys
from smartoken.operations.rights import Actor, ActorKind, Role

SETUP = '[[account]]\nid = "acme"\ntimezone = "Asia/Shanghai"\n[[account.key]]\nname = "=main"\n'
FINANCE, OPERATOR = "finance-token-0123456789abcdef012345678", "operator-token-0123456789abcdef01234567"
MEMBER = "member-token-0123456789abcdef0123456789a"
ADMIN = "/api/v1/admin/accounts/acme"


def opened(room):
    """A room with the account `acme`, its key and four who ask."""
    room.apply(SETUP, {})
    (key,) = room.read(keys.page, keys.Filter(), None, 10)
    room.account, room.key = key["account_id"], key["id"]
    room.actors[FINANCE] = Actor(ActorKind.ADMIN, "fiona", role=Role.FINANCE)
    room.actors[OPERATOR] = Actor(ActorKind.ADMIN, "oscar", role=Role.OPERATOR)
    room.member = MEMBER
    room.actors[MEMBER] = Actor(ActorKind.MEMBER, "alice", room.account)
    room.number = 0
    room.grants, room.ids = {}, {}
    return room


def post(house, path, body, token=ADMIN_TOKEN):
    house.number += 1
    headers = {"idempotency-key": f"k{house.number}"}
    path = path if path.startswith("/") else f"{ADMIN}/{path}"
    return house.ask("POST", path, body, token=token, headers=headers)


def spend(house, number, *lines):
    """A settled call that these (fund, amount) paid; a fund is ``wallet`` or the name of a grant."""
    paid = [[book_of(house, fund), parse_amount(amount)] for fund, amount in lines]
    total = sum(nano for _, nano in paid)
    now = house.office.clock.now_ms()
    record = call_record(number, house.account, house.key, created_ms=now, charge_nano=total, fund_lines=paid)
    house.calls(record)
    return record.id


def book_of(house, fund):
    return f"wallet:{house.account}" if fund == "wallet" else f"grant:{house.account}:{house.grants[fund]}"


def books(house):
    """Every book that is not empty, by a short name, as amounts."""
    sums = house.office.db.run_read(money.book_sums)
    assert trial_balance({(currency, book): nano for (book, currency), nano in sums.items()}) in ({}, {"USD": 0})
    short = {book_of(house, fund): fund for fund in ("wallet", *house.grants)}
    return {short.get(book, book): amount_text(nano) for (book, _), nano in sums.items() if nano}


def run(house, line):
    """Do what one line of a table says; returns the answer."""
    what, *given = line.split()
    if what == "deposit":
        answer = post(house, "deposits", {"amount": given[0], "reference": "bank 7"})
    elif what == "adjust":
        answer = post(house, "adjustments", {"amount": given[0], "reason": "goodwill"})
    elif what == "grant":
        answer = post(house, "grants", {"amount": given[1], "reason": "welcome"})
        house.grants[given[0]] = answer.body["grant"]
    elif what == "spend":
        house.ids["call"] = spend(house, house.number, *(each.split("=") for each in given))
        house.number += 1
        return None
    elif what == "refund":
        answer = post(house, "refunds", {"call": house.ids["call"], "amount": given[0], "reason": "wrong answer"})
    elif what == "withdraw":
        answer = post(house, "withdrawals", {"amount": given[0], "reference": "bank 8"})
    else:
        assert what == "reverse"
        answer = post(house, "reversals", {"transfer": house.ids[given[0]], "amount": given[1], "reason": "mistake"})
    if answer.status < 400:
        house.ids[what] = answer.body["id"]
    return answer


def lines_of(house, path="/api/v1/wallet/entries", token=MEMBER, **query):
    found, after = [], ""
    while after is not None:
        asked = "&".join(f"{name}={value}" for name, value in {**query, **({"after": after} if after else {})}.items())
        page = house.ask("GET", f"{path}?limit=2&{asked}", token=token).body
        found += page["data"]
        after = page["next"]
    return found[::-1]


def wallet_figures(house):
    found = house.ask("GET", "/api/v1/wallet", token=MEMBER).body
    return tuple(found[name] for name in ("balance", "held", "owed", "available"))
