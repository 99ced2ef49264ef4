"""``/admin/drills``: break the primary offer of a model on purpose, see what clients got, keep the evidence."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_routes import DrillAnswer
from smartoken.control.resources import Control
from smartoken.control.shapes_routes import DrillPage, DrillRun, EvidenceForm
from smartoken.errors import InvalidRequestError
from smartoken.operations import drills
from smartoken.operations.drill_evidence import evidence
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(prefix="/admin/drills", tags=["drills"])
LOOK_S = 0.2
Resources = Annotated[Control, Depends(control_of)]
Reader = Annotated[Work, permitted(Permission.DRILLS_READ)]
Runner = Annotated[Work, permitted(Permission.DRILLS_WRITE)]


@router.get("", response_model=Paged[DrillAnswer])
async def list_drills(control: Resources, work: Reader, query: Annotated[DrillPage, Query()]) -> Any:
    """List drills, newest first, or those under way on any worker."""
    found = await control.office.read(drills.page, work, (query.after, query.limit), query.model, query.state)
    more = len(found) == query.limit and query.state != drills.RUNNING
    return {"data": found, "next": found[-1]["id"] if more else None}


@router.post("", status_code=201, response_model=DrillAnswer)
async def run_drill(control: Resources, work: Runner, body: DrillRun) -> Any:
    """Run a drill and keep its result; the calls are real and paid by the drill's key, or those of live traffic.

    With ``wait`` the answer comes when it is over, else at once: ask for its id until its state is no longer running.
    """
    desk, office = control.desk, control.office
    if desk is None:
        raise InvalidRequestError("A drill needs a running server.", remedy="Start it with `smartoken serve`.")
    await control.directory.refresh()
    terms = body.model_dump(exclude={"wait"})
    terms["model"], primary, longest_s = desk.check_drill(terms)
    row = await office.write(drills.begin, work, terms, primary, int(longest_s * 1000))
    drill: str = row["id"]

    async def finish(result: dict[str, Any]) -> None:
        await office.write(drills.finish, office.work(work.actor), drill, result)

    if body.live is None:
        desk.start_drill(drill, terms, finish)
    while body.wait and row["state"] == drills.RUNNING:
        await asyncio.sleep(LOOK_S)
        row = await office.read(drills.one, work, drill)
    return row


@router.post("/{drill}/stop", response_model=DrillAnswer)
async def stop_drill(control: Resources, work: Runner, drill: str) -> Any:
    """End a drill that is under way, on whichever workers: within a second or two, with what it has shown so far."""
    return await control.office.write(drills.stop, work, drill)


@router.get("/{drill}", response_model=DrillAnswer)
async def show_drill(control: Resources, work: Reader, drill: str) -> Any:
    """Show a drill with each of its calls."""
    return await control.office.read(drills.one, work, drill)


@router.get("/{drill}/evidence", response_class=Response)
async def export_evidence(
    control: Resources, work: Reader, drill: str, query: Annotated[EvidenceForm, Query()]
) -> Response:
    """Return a drill as a page of Markdown, or all of it as JSON, to be filed."""
    found = await control.office.read(drills.one, work, drill)
    if query.form == "json":
        return JSONResponse(found, headers={"content-disposition": f'attachment; filename="{found["id"]}.json"'})
    return PlainTextResponse(evidence(found), media_type="text/markdown; charset=utf-8")
