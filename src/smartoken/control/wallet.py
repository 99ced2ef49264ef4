"""Wallets: what an account has and how it came to it, and the acts of the staff that move money.

Every POST that moves money carries ``Idempotency-Key``. What a member asks of its own account, the staff ask of any:
under ``/wallet?account=`` or under ``/admin/accounts/{account}``.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from smartoken.billing.statement import as_csv, as_html
from smartoken.control.access import asked_once, control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_money import (
    ApprovalAnswer,
    ChargedCall,
    EntryAnswer,
    MovementAnswer,
    StatementAnswer,
    WalletAnswer,
)
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_money import (
    Adjustment,
    ApprovalsQuery,
    ChargesQuery,
    Decision,
    Deposit,
    EntriesQuery,
    GrantCreate,
    Refund,
    Reversal,
    StatementQuery,
    WalletQuery,
    Withdrawal,
)
from smartoken.money import amount_text
from smartoken.operations import adjustments, approvals, fields, refunds, wallet, wallet_view
from smartoken.operations.idempotency import Asked, once
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(tags=["wallet"])
ACCOUNT = "/admin/accounts/{account}"
Resources = Annotated[Control, Depends(control_of)]
Once = Annotated[Asked, Depends(asked_once)]
Reader = Annotated[Work, permitted(Permission.WALLET_READ)]
Payer = Annotated[Work, permitted(Permission.MONEY_WRITE)]
Adjuster = Annotated[Work, permitted(Permission.ADJUST)]
Approver = Annotated[Work, permitted(Permission.APPROVE)]
_WAITS = 202


@router.get("/wallet", response_model=WalletAnswer)
async def show_wallet(control: Resources, work: Reader, query: Annotated[WalletQuery, Query()]) -> Any:
    """Show an account's balance by fund, what calls hold of it and what could be paid out."""
    return await control.office.read(wallet_view.show, work, query.account)


@router.get(f"{ACCOUNT}/wallet", response_model=WalletAnswer)
async def show_wallet_of(control: Resources, work: Reader, account: str) -> Any:
    """Show an account's balance by fund."""
    return await control.office.read(wallet_view.show, work, account)


async def _entries(control: Control, work: Work, account: str | None, page: Page) -> Any:
    place = (page.after, page.limit)
    found, following = await control.office.read(wallet_view.entries, work, account, place)
    return {"data": found, "next": following}


@router.get("/wallet/entries", response_model=Paged[EntryAnswer])
async def list_lines(control: Resources, work: Reader, query: Annotated[EntriesQuery, Query()]) -> Any:
    """List the history, newest first, with the balance after each line; charges are one line an hour, key and fund."""
    return await _entries(control, work, query.account, query)


@router.get(f"{ACCOUNT}/wallet/entries", response_model=Paged[EntryAnswer])
async def list_lines_of(control: Resources, work: Reader, account: str, query: Annotated[Page, Query()]) -> Any:
    """List an account's history, newest first."""
    return await _entries(control, work, account, query)


@router.get("/wallet/charges", response_model=Paged[ChargedCall])
async def list_charges(control: Resources, work: Reader, query: Annotated[ChargesQuery, Query()]) -> Any:
    """List the calls behind a line of charges, by its `key` and `hour`."""
    line = (query.key, fields.instant(query.hour, "hour"))
    place = (query.after, query.limit)
    found = await control.office.read(wallet_view.charges, work, query.account, line, place)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/wallet/statement", response_model=StatementAnswer)
async def show_statement(control: Resources, work: Reader, query: Annotated[StatementQuery, Query()]) -> Any:
    """Return a month's statement as JSON, CSV or a page to print; it clears to the ledger."""
    found = await control.office.read(wallet_view.statement, work, query.account, query.month)
    return _written(found, query.format)


def _written(found: wallet_view.Printed, form: str) -> Any:
    kept = found.statement
    name = f"statement-{found.account}-{found.month}"
    if form == "csv":
        heads = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Response(as_csv(kept), headers=heads, media_type="text/csv; charset=utf-8")
    if form == "html":
        title = f"Statement {found.month} · {found.name}"
        below = f"Account {found.account}. Amounts in USD; the month is that of {found.zone}."
        heads = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(as_html(kept, title, below), headers=heads, media_type="text/html; charset=utf-8")
    return {
        "account": found.account,
        "month": found.month,
        "timezone": found.zone,
        "opening": amount_text(kept.opening),
        "moved": {kind.value: amount_text(nano) for kind, nano in kept.moved.items()},
        "charges": [
            {"model": each.model, "key": each.key, "calls": each.calls, "amount": amount_text(each.nano)}
            for each in kept.charges
        ],
        "charged": amount_text(kept.charged),
        "closing": amount_text(kept.closing),
    }


@router.post(f"{ACCOUNT}/deposits", status_code=201, response_model=MovementAnswer)
async def add_deposit(control: Resources, work: Payer, asked: Once, account: str, body: Deposit) -> Any:
    """Take in money that a customer paid."""
    return await control.office.write(once, work, asked, wallet.deposit, account, body.model_dump())


@router.post(f"{ACCOUNT}/withdrawals", status_code=201, response_model=MovementAnswer)
async def add_withdrawal(control: Resources, work: Payer, asked: Once, account: str, body: Withdrawal) -> Any:
    """Record money that was paid out, never more than is withdrawable."""
    await control.recall(account)
    return await control.office.write(once, work, asked, wallet.withdraw, account, body.model_dump())


@router.post(f"{ACCOUNT}/refunds", status_code=201, response_model=MovementAnswer)
async def add_refund(control: Resources, work: Payer, asked: Once, account: str, body: Refund) -> Any:
    """Give a charge back to the funds that paid it, never more than they paid."""
    return await control.office.write(once, work, asked, refunds.refund, account, body.model_dump())


@router.post(f"{ACCOUNT}/reversals", status_code=201, response_model=MovementAnswer)
async def add_reversal(control: Resources, work: Payer, asked: Once, account: str, body: Reversal) -> Any:
    """Take a deposit, adjustment, grant or withdrawal back, never more than it moved."""
    await control.recall(account)
    return await control.office.write(once, work, asked, refunds.reverse, account, body.model_dump())


@router.post(f"{ACCOUNT}/adjustments", status_code=201, response_model=MovementAnswer)
async def add_adjustment(
    control: Resources, work: Adjuster, asked: Once, account: str, body: Adjustment, *, response: Response
) -> Any:
    """Correct a wallet up or down; above the set amount it waits for a second person (202)."""
    await control.recall(account)
    found = await control.office.write(once, work, asked, adjustments.adjust, account, body.model_dump())
    return _or_waiting(found, response)


@router.post(f"{ACCOUNT}/grants", status_code=201, response_model=MovementAnswer)
async def add_grant(
    control: Resources, work: Adjuster, asked: Once, account: str, body: GrantCreate, *, response: Response
) -> Any:
    """Give promotional money; above the set amount it waits for a second person (202)."""
    found = await control.office.write(once, work, asked, adjustments.grant, account, body.model_dump())
    return _or_waiting(found, response)


def _or_waiting(found: dict[str, Any], response: Response) -> dict[str, Any]:
    if found["status"] == "waiting":
        response.status_code = _WAITS
    return found


@router.get("/admin/approvals", response_model=Paged[ApprovalAnswer])
async def list_approvals(control: Resources, work: Approver, query: Annotated[ApprovalsQuery, Query()]) -> Any:
    """List what waits for a second person, or was decided, oldest first."""
    found = await control.office.read(approvals.page, work, query.status, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/admin/approvals/{approval}", response_model=ApprovalAnswer)
async def show_approval(control: Resources, work: Adjuster, approval: str) -> Any:
    """Show what was asked for and how it was decided."""
    return await control.office.read(approvals.one, work, approval)


@router.post("/admin/approvals/{approval}/approve", status_code=201, response_model=MovementAnswer)
async def approve(control: Resources, work: Approver, asked: Once, approval: str, body: Decision) -> Any:
    """Do what waits, as somebody else than who asked."""
    found = await control.office.read(approvals.one, work, approval)
    await control.recall(found["account_id"])
    return await control.office.write(once, work, asked, adjustments.approve, approval, body.reason)


@router.post("/admin/approvals/{approval}/reject", response_model=ApprovalAnswer)
async def reject(control: Resources, work: Approver, approval: str, body: Decision) -> Any:
    """Refuse what waits; no money moves."""
    return await control.office.write(approvals.reject, work, approval, body.reason)
