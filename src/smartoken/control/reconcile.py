"""``/admin/reconcile`` and ``/admin/reconciliation``: the log against the outside, and the books against themselves."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_prices import ChecksAnswer, ReconciledAnswer, RunAnswer
from smartoken.control.calls import instant_of
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_prices import ChecksQuery, ReconcileRequest
from smartoken.operations import checks, reconcile
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(prefix="/admin", tags=["reconciliation"])
Resources = Annotated[Control, Depends(control_of)]
Reconciler = Annotated[Work, permitted(Permission.RECONCILE)]


@router.post("/reconcile", response_model=ReconciledAnswer)
async def reconcile_file(control: Resources, work: Reconciler, body: ReconcileRequest) -> Any:
    """Compare expected calls, or a provider's bill, with what was logged; the run is stored."""
    asked = reconcile.Question(
        kind=body.kind,
        text=body.text,
        form=body.format,
        account=body.account,
        key=body.key,
        provider=body.provider,
        columns=body.columns,
        timezone=body.timezone,
        from_ms=instant_of(body.from_, "from"),
        to_ms=instant_of(body.to, "to"),
        tolerance=body.tolerance,
    )
    found = await control.office.read(reconcile.run, work, await control.directory.refresh(), asked)
    await control.office.write(reconcile.keep, work, found)
    return found


@router.get("/reconcile", response_model=Paged[RunAnswer])
async def list_runs(control: Resources, work: Reconciler, query: Annotated[Page, Query()]) -> Any:
    """List the comparisons that were made, newest first."""
    found = await control.office.read(reconcile.page, work, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/reconciliation", response_model=ChecksAnswer)
async def list_checks(control: Resources, work: Reconciler, query: Annotated[ChecksQuery, Query()]) -> Any:
    """Show the newest result of each check of the books, or the results of one."""
    return _checks(await control.office.read(checks.report, work, query.name, query.limit))


@router.post("/reconciliation", response_model=ChecksAnswer)
async def run_checks(control: Resources, work: Reconciler) -> Any:
    """Run every check of the books now, and store what it found."""
    ids = await asyncio.to_thread(checks.journalled, control.data_dir, work.now_ms)
    results = await control.office.read(checks.examine_all, work, ids)
    return _checks(await control.office.write(checks.note_all, work, results))


def _checks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"sound": all(each["ok"] for each in rows), "data": rows}
