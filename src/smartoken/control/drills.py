"""``/admin/drills``: break the primary offer of a model on purpose, see what clients got, keep the evidence."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_routes import DrillAnswer
from smartoken.control.resources import Control
from smartoken.control.shapes_routes import DrillRun, RoutePage
from smartoken.errors import InvalidRequestError
from smartoken.operations import drills
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(prefix="/admin/drills", tags=["drills"])
Resources = Annotated[Control, Depends(control_of)]
Reader = Annotated[Work, permitted(Permission.DRILLS_READ)]
Runner = Annotated[Work, permitted(Permission.DRILLS_WRITE)]


@router.get("", response_model=Paged[DrillAnswer])
async def list_drills(control: Resources, work: Reader, query: Annotated[RoutePage, Query()]) -> Any:
    """List drills, newest first."""
    found = await control.office.read(drills.page, work, (query.after, query.limit), query.model)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("", status_code=201, response_model=DrillAnswer)
async def run_drill(control: Resources, work: Runner, body: DrillRun) -> Any:
    """Run a drill and keep its result; the calls are real and paid by the drill's key."""
    if control.desk is None:
        raise InvalidRequestError("A drill needs a running server.", remedy="Start it with `smartoken serve`.")
    await control.directory.refresh()
    terms = body.model_dump()
    result = await control.desk.drill(terms)
    return await control.office.write(drills.keep, work, terms, result)


@router.get("/{drill}", response_model=DrillAnswer)
async def show_drill(control: Resources, work: Reader, drill: str) -> Any:
    """Show a drill with each of its calls."""
    return await control.office.read(drills.one, work, drill)


@router.get("/{drill}/evidence", response_class=PlainTextResponse)
async def export_evidence(control: Resources, work: Reader, drill: str) -> PlainTextResponse:
    """Return a drill as a page of Markdown."""
    found = await control.office.read(drills.one, work, drill)
    return PlainTextResponse(drills.evidence(found), media_type="text/markdown; charset=utf-8")
