"""The ledger: immutable transfers between books, in double entry. Pure.

A *book* is a name with a balance. What a customer may spend lies in its ``wallet:{account}`` and in its
``grant:{account}:{id}``; these two kinds are *funds*. The other side of every movement is a book of the house::

    deposit       house:cash_in  -> wallet        withdrawal   wallet -> house:cash_in
    adjustment    house:adjust  <-> wallet        grant        house:promo -> grant
    spend         funds, and house:overrun for what went past the hold -> house:revenue
    refund        house:refund -> the funds that paid, last paid first
    expiry        grant -> house:breakage         claw-back    grant -> house:promo
    write-off     house:absorbed -> wallet        cost         owed:{provider} -> cost:{provider}

A book of the house that gave more than it took is negative; all books together are always zero, in each currency.
Balances are nothing but the fold of the transfers. The functions build a transfer from the facts handed in, or refuse;
``post`` adds one to a ledger held in memory, by the rules that the store keeps too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

CASH_IN = "house:cash_in"
PROMO = "house:promo"
REVENUE = "house:revenue"
OVERRUN = "house:overrun"
ABSORBED = "house:absorbed"
BREAKAGE = "house:breakage"
ADJUST = "house:adjust"
REFUND = "house:refund"
HOUSE = (CASH_IN, PROMO, REVENUE, OVERRUN, ABSORBED, BREAKAGE, ADJUST, REFUND)
_FUNDS = ("wallet:", "grant:")


class LedgerError(ValueError):
    """A transfer that the rules do not allow; the message says which rule."""


class ConflictError(LedgerError):
    """The id was used before, for another transfer."""


class Kind(StrEnum):
    """Why money moved."""

    DEPOSIT = "deposit"
    ADJUSTMENT = "adjustment"
    GRANT = "grant"
    SPEND = "spend"
    REFUND = "refund"
    REVERSAL = "reversal"
    EXPIRY = "expiry"
    CLAW_BACK = "claw_back"
    WITHDRAWAL = "withdrawal"
    WRITE_OFF = "write_off"
    COST = "cost"


def wallet(account: str) -> str:
    """Return the book of an account's paid money."""
    return f"wallet:{account}"


def grant_book(account: str, grant: str) -> str:
    """Return the book of one grant."""
    return f"grant:{account}:{grant}"


def is_fund(book: str) -> bool:
    """Whether a book holds a customer's money."""
    return book.startswith(_FUNDS)


def owner(book: str) -> str | None:
    """Return the account that a fund belongs to, None for books of the house."""
    return book.split(":")[1] if is_fund(book) else None


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a transfer: what a book receives, negative for what it gives."""

    book: str
    nano: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every transfer carries: its id (also the key of idempotency), when, for what, by whom and why."""

    id: str
    at_ms: int
    ref: str | None = None
    actor: str = "system"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of money; its postings sum to zero. ``original`` is what a refund or reversal takes back.

    Raises:
        LedgerError: unbalanced, empty, a posting of nothing, or a book twice.

    """

    kind: Kind
    stamp: Stamp
    postings: tuple[Posting, ...]
    original: str | None = None
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Refuse what is no transfer."""
        if not self.postings or any(each.nano == 0 for each in self.postings):
            raise LedgerError(f"{self.kind}: a transfer moves something")
        if len({each.book for each in self.postings}) != len(self.postings):
            raise LedgerError(f"{self.kind}: a book stands once in a transfer")
        if sum(each.nano for each in self.postings) != 0:
            raise LedgerError(f"{self.kind}: the postings do not sum to zero")

    @property
    def id(self) -> str:
        """The transfer's id."""
        return self.stamp.id

    def repeats(self, other: "Transfer") -> bool:
        """Whether this is the other transfer once more: the same in everything but the time of asking."""
        return replace(self, stamp=replace(self.stamp, at_ms=other.stamp.at_ms)) == other

    @property
    def moved(self) -> int:
        """How much changed hands, in nano-units."""
        return sum(each.nano for each in self.postings if each.nano > 0)

    @property
    def paid_by_funds(self) -> int:
        """How much customers' funds gave, in nano-units."""
        return -sum(each.nano for each in self.postings if each.nano < 0 and is_fund(each.book))


@dataclass(frozen=True, slots=True)
class Taking:
    """Money taken from a fund: at once what no call holds, the rest owed on the row until leases return."""

    transfer: Transfer | None
    owed_nano: int


def _above_zero(nano: int, what: str) -> None:
    if nano <= 0:
        raise LedgerError(f"{what} must be above zero, got {nano}")


def _move(kind: Kind, stamp: Stamp, source: str, target: str, nano: int) -> Transfer:
    return Transfer(kind, stamp, (Posting(source, -nano), Posting(target, nano)))


def _take(move: Transfer, nano: int, unheld: int) -> Taking:
    """Shrink a movement out of a fund to what no call holds."""
    now = min(nano, max(unheld, 0))
    if now == nano:
        return Taking(move, 0)
    if now == 0:
        return Taking(None, nano)
    source, target = move.postings
    return Taking(_move(move.kind, move.stamp, source.book, target.book, now), nano - now)


def deposit(stamp: Stamp, account: str, nano: int) -> Transfer:
    """Take in money that a customer paid.

    Raises:
        LedgerError: nothing was paid.

    """
    _above_zero(nano, "a deposit")
    return _move(Kind.DEPOSIT, stamp, CASH_IN, wallet(account), nano)


def adjustment(stamp: Stamp, account: str, nano: int, unheld: int) -> Taking:
    """Correct a wallet by an operator, up or down; down takes what no call holds and leaves the rest owed.

    Raises:
        LedgerError: it changes nothing, or has no reason.

    """
    if nano == 0 or not stamp.reason:
        raise LedgerError("an adjustment changes something and has a reason")
    if nano > 0:
        return Taking(_move(Kind.ADJUSTMENT, stamp, ADJUST, wallet(account), nano), 0)
    return _take(_move(Kind.ADJUSTMENT, stamp, wallet(account), ADJUST, -nano), -nano, unheld)


def grant(stamp: Stamp, account: str, grant_id: str, nano: int) -> Transfer:
    """Give money of the house into a grant of its own.

    Raises:
        LedgerError: nothing was given.

    """
    _above_zero(nano, "a grant")
    return _move(Kind.GRANT, stamp, PROMO, grant_book(account, grant_id), nano)


def spend(stamp: Stamp, paid: Sequence[Posting], overrun: int = 0) -> Transfer | None:
    """Charge for calls: what each fund paid (positive, in burn order) and what went past their holds.

    Returns None when nothing was charged.

    Raises:
        LedgerError: a negative amount, or a payer that is no fund.

    """
    if overrun < 0 or any(each.nano < 0 or not is_fund(each.book) for each in paid):
        raise LedgerError("a charge is paid by funds, in amounts of zero or more")
    given = [Posting(each.book, -each.nano) for each in paid if each.nano]
    if overrun:
        given.append(Posting(OVERRUN, -overrun))
    if not given:
        return None
    return Transfer(Kind.SPEND, stamp, (*given, Posting(REVENUE, -sum(each.nano for each in given))))


def refund(stamp: Stamp, original: Transfer, returned: int, nano: int) -> Transfer:
    """Give a charge back, in part or whole, to the funds that paid it: the last that paid is the first to receive.

    ``returned`` is what earlier refunds of the same charge gave back. An overrun was the house's and is not returned.

    Raises:
        LedgerError: the original is no charge, or more would be returned than was paid.

    """
    _above_zero(nano, "a refund")
    if original.kind is not Kind.SPEND:
        raise LedgerError("only a charge is refunded; other transfers are reversed")
    if returned + nano > original.paid_by_funds:
        raise LedgerError(f"refunds of {original.id} would exceed the {original.paid_by_funds} paid")
    skip, rest = returned, nano
    received: list[Posting] = []
    for each in reversed([posting for posting in original.postings if is_fund(posting.book)]):
        paid = -each.nano
        passed = min(skip, paid)
        skip -= passed
        share = min(rest, paid - passed)
        if share:
            received.append(Posting(each.book, share))
            rest -= share
    return Transfer(Kind.REFUND, stamp, (Posting(REFUND, -nano), *received), original=original.id)


REVERSIBLE = (Kind.DEPOSIT, Kind.ADJUSTMENT, Kind.GRANT, Kind.WITHDRAWAL)


def reversal(stamp: Stamp, original: Transfer, returned: int, nano: int, unheld: int) -> Taking:
    """Take back a deposit, adjustment, grant or withdrawal, in part or whole.

    ``returned`` is what earlier reversals of the same transfer took back. Where a fund has to give, it gives what no
    call holds (``unheld``) and the rest is owed.

    Raises:
        LedgerError: not reversible, no reason, or more than the original.

    """
    _above_zero(nano, "a reversal")
    if original.kind not in REVERSIBLE:
        raise LedgerError(f"a {original.kind} is not reversed")
    if not stamp.reason:
        raise LedgerError("a reversal has a reason")
    if returned + nano > original.moved:
        raise LedgerError(f"reversals of {original.id} would exceed its {original.moved}")
    giver = next(each.book for each in original.postings if each.nano > 0)
    receiver = next(each.book for each in original.postings if each.nano < 0)
    take = nano if not is_fund(giver) else min(nano, max(unheld, 0))
    if take == 0:
        return Taking(None, nano)
    postings = (Posting(giver, -take), Posting(receiver, take))
    return Taking(Transfer(Kind.REVERSAL, stamp, postings, original=original.id), nano - take)


def expiry(stamp: Stamp, account: str, grant_id: str, unheld: int) -> Transfer | None:
    """Move what is left of a grant at its end to breakage; None when nothing is left that no call holds."""
    if unheld <= 0:
        return None
    return _move(Kind.EXPIRY, stamp, grant_book(account, grant_id), BREAKAGE, unheld)


def claw_back(stamp: Stamp, account: str, grant_id: str, nano: int, unheld: int) -> Taking:
    """Take a grant, or what is left of it, back.

    Raises:
        LedgerError: nothing to take, or no reason.

    """
    _above_zero(nano, "a claw-back")
    if not stamp.reason:
        raise LedgerError("a claw-back has a reason")
    return _take(_move(Kind.CLAW_BACK, stamp, grant_book(account, grant_id), PROMO, nano), nano, unheld)


def withdrawable(available: int, deposited: int, withdrawn: int) -> int:
    """Return what a customer may take out: paid money that is neither spent nor held.

    Grants are never withdrawable, and goodwill in the wallet counts as spent first. ``deposited`` and ``withdrawn`` are
    net of their reversals.
    """
    return max(0, min(available, deposited - withdrawn))


def withdrawal(stamp: Stamp, account: str, nano: int, most: int) -> Transfer:
    """Pay money out to a customer, never above what is ``withdrawable``.

    Raises:
        LedgerError: nothing, more than that, or without the reference of the payment.

    """
    _above_zero(nano, "a withdrawal")
    if not stamp.ref:
        raise LedgerError("a withdrawal has the reference of its payment")
    if nano > most:
        raise LedgerError(f"only {most} is withdrawable, not {nano}")
    return _move(Kind.WITHDRAWAL, stamp, wallet(account), CASH_IN, nano)


def write_off(stamp: Stamp, account: str, nano: int, balance: int) -> Transfer:
    """Let the house bear a debt of a wallet, never more than the debt.

    Raises:
        LedgerError: no reason, or more than what the wallet is below zero.

    """
    _above_zero(nano, "a write-off")
    if not stamp.reason:
        raise LedgerError("a write-off has a reason")
    if nano > max(0, -balance):
        raise LedgerError("a write-off is never above the debt")
    return _move(Kind.WRITE_OFF, stamp, ABSORBED, wallet(account), nano)


def cost(stamp: Stamp, provider: str, nano: int, currency: str) -> Transfer:
    """Note what calls cost us at a provider, in its own currency, until its bill.

    Raises:
        LedgerError: no cost.

    """
    _above_zero(nano, "a cost")
    postings = (Posting(f"owed:{provider}", -nano), Posting(f"cost:{provider}", nano))
    return Transfer(Kind.COST, stamp, postings, currency=currency)


def fold(transfers: Iterable[Transfer]) -> dict[tuple[str, str], int]:
    """Return the balance of each book by ``(currency, book)``: the only definition of a balance."""
    balances: dict[tuple[str, str], int] = {}
    for transfer in transfers:
        for each in transfer.postings:
            place = transfer.currency, each.book
            balances[place] = balances.get(place, 0) + each.nano
    return balances


def trial_balance(balances: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return what each currency's books sum to; anything but zero is a fault."""
    sums: dict[str, int] = {}
    for (currency, _), nano in balances.items():
        sums[currency] = sums.get(currency, 0) + nano
    return sums


@dataclass(frozen=True, slots=True)
class Ledger:
    """Transfers in order, with what follows from them; ``post`` returns the next one."""

    transfers: Mapping[str, Transfer] = field(default_factory=lambda: MappingProxyType({}))
    balances: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    returned: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))  # by id of the original

    def balance(self, book: str, currency: str = "USD") -> int:
        """Return a book's balance."""
        return self.balances.get((currency, book), 0)


def post(ledger: Ledger, transfer: Transfer, floors: Mapping[str, int] = MappingProxyType({})) -> Ledger:
    """Add a transfer; one that is there already, whenever it was asked for, changes nothing.

    ``floors`` says how far below zero a wallet may go (a negative number); other funds never do.

    Raises:
        ConflictError: the id stands for another transfer.
        LedgerError: it takes back more than its original moved, or a fund would fall below its floor.

    """
    known = ledger.transfers.get(transfer.id)
    if known is not None:
        if known.repeats(transfer):
            return ledger
        raise ConflictError(f"{transfer.id} was used for another transfer")
    returned = dict(ledger.returned)
    if transfer.original is not None:
        original = ledger.transfers.get(transfer.original)
        if original is None:
            raise LedgerError(f"{transfer.id} takes back {transfer.original}, which is unknown")
        most = original.paid_by_funds if original.kind is Kind.SPEND else original.moved
        returned[original.id] = returned.get(original.id, 0) + transfer.moved
        if returned[original.id] > most:
            raise LedgerError(f"more than {original.id} moved would be taken back")
    balances = dict(ledger.balances)
    for each in transfer.postings:
        place = transfer.currency, each.book
        balances[place] = balances.get(place, 0) + each.nano
        if each.nano < 0 and is_fund(each.book) and balances[place] < floors.get(each.book, 0):
            raise LedgerError(f"{each.book} would fall to {balances[place]}")
    return Ledger(
        MappingProxyType({**ledger.transfers, transfer.id: transfer}),
        MappingProxyType(balances),
        MappingProxyType(returned),
    )
