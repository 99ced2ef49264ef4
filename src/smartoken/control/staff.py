"""``/admin/tokens`` and ``/events``: who of the staff may come in, and what somebody should be told."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_money import EventAnswer, JobAnswer, NewTokenAnswer, TokenAnswer
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_money import EventsQuery, TokenCreate
from smartoken.operations import events, job_rows, tokens
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(tags=["staff"])
Resources = Annotated[Control, Depends(control_of)]
TokenReader = Annotated[Work, permitted(Permission.TOKENS_READ)]
TokenWriter = Annotated[Work, permitted(Permission.TOKENS_WRITE)]
JobReader = Annotated[Work, permitted(Permission.JOBS_READ)]
Listener = Annotated[Work, permitted(Permission.EVENTS_READ)]


@router.get("/admin/tokens", response_model=Paged[TokenAnswer])
async def list_tokens(control: Resources, work: TokenReader, query: Annotated[Page, Query()]) -> Any:
    """List the staff's tokens, oldest first."""
    found = await control.office.read(tokens.page, work, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("/admin/tokens", status_code=201, response_model=NewTokenAnswer)
async def create_token(control: Resources, work: TokenWriter, body: TokenCreate) -> Any:
    """Make a token; its text is in this answer and nowhere else."""
    made = await control.office.write(tokens.create, work, body.name, body.role, body.expires_at)
    return {**made.token, "secret": made.secret.reveal()}


@router.delete("/admin/tokens/{token}", response_model=TokenAnswer)
async def revoke_token(control: Resources, work: TokenWriter, token: str) -> Any:
    """End a token, named by id or name, for good."""
    return await control.office.write(tokens.revoke, work, token)


@router.get("/admin/events", response_model=Paged[EventAnswer])
async def list_all_events(control: Resources, work: Listener, query: Annotated[EventsQuery, Query()]) -> Any:
    """List events, newest first, of every account or one."""
    return await _events(control, work, query)


@router.get("/events", response_model=Paged[EventAnswer])
async def list_events(control: Resources, work: Listener, query: Annotated[EventsQuery, Query()]) -> Any:
    """List an account's own events, newest first."""
    return await _events(control, work, query)


async def _events(control: Control, work: Work, query: EventsQuery) -> Any:
    place = (query.after, query.limit)
    found = await control.office.read(events.page, work, query.account, place, query.kind)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/admin/jobs", response_model=Paged[JobAnswer])
async def list_jobs(control: Resources, work: JobReader) -> Any:
    """List what runs by itself, with how each last run went."""
    return {"data": await control.office.read(job_rows.listed, work), "next": None}
