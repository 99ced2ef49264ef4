"""Wallets: what an account has and how it came to it, and the acts of the staff that move money.

Every POST here carries ``Idempotency-Key``.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from smartoken.control.access import asked_once, control_of, permitted
from smartoken.control.answers_money import MovementAnswer
from smartoken.control.resources import Control
from smartoken.control.shapes_money import Deposit, Withdrawal
from smartoken.operations import wallet
from smartoken.operations.idempotency import Asked, once
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(tags=["wallet"])
Resources = Annotated[Control, Depends(control_of)]
Once = Annotated[Asked, Depends(asked_once)]
Payer = Annotated[Work, permitted(Permission.MONEY_WRITE)]


@router.post("/admin/accounts/{account}/deposits", status_code=201, response_model=MovementAnswer)
async def add_deposit(control: Resources, work: Payer, asked: Once, account: str, body: Deposit) -> Any:
    """Take in money that a customer paid."""
    return await control.office.write(once, work, asked, wallet.deposit, account, body.model_dump())


@router.post("/admin/accounts/{account}/withdrawals", status_code=201, response_model=MovementAnswer)
async def add_withdrawal(control: Resources, work: Payer, asked: Once, account: str, body: Withdrawal) -> Any:
    """Record money that was paid out, never more than is withdrawable."""
    return await control.office.write(once, work, asked, wallet.withdraw, account, body.model_dump())
