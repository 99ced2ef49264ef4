"""``/calls`` and ``/usage``: what was called, and what it came to."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import CallAnswer, Paged, UsageAnswer, WholeCallAnswer
from smartoken.control.resources import Control
from smartoken.control.shapes import CallsQuery, UsageQuery
from smartoken.operations import calls, fields, usage
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.usage.report_queries import CallFilter

router = APIRouter(tags=["calls and usage"])
Resources = Annotated[Control, Depends(control_of)]
CallReader = Annotated[Work, permitted(Permission.CALLS_READ)]
UsageReader = Annotated[Work, permitted(Permission.USAGE_READ)]


def instant_of(text: str | None, param: str) -> int | None:
    """Read a time: an instant, or a day, which begins at midnight UTC."""
    if text is None:
        return None
    return fields.instant(f"{text}T00:00:00Z" if len(text) == len("2026-11-01") else text, param)


@router.get("/calls", response_model=Paged[CallAnswer])
async def list_calls(control: Resources, work: CallReader, query: Annotated[CallsQuery, Query()]) -> Any:
    """List calls, newest first."""
    wanted = CallFilter(
        key_id=query.key_id,
        model=query.model,
        provider=query.provider,
        environment=query.environment,
        user=query.user,
        end_reason=query.end_reason,
        error_code=query.error_code,
        failed=query.failed,
        from_ms=instant_of(query.from_, "from"),
        to_ms=instant_of(query.to, "to"),
    )
    place = (query.after, query.limit)
    found, following = await control.office.read(calls.page, work, query.account, wanted, place)
    return {"data": found, "next": following}


@router.get("/calls/{call_id}", response_model=WholeCallAnswer)
async def show_call(control: Resources, work: CallReader, call_id: str) -> Any:
    """Show a call with its charge worked out."""
    return await control.office.read(calls.show, work, call_id)


@router.get("/usage", response_model=UsageAnswer)
async def show_usage(control: Resources, work: UsageReader, query: Annotated[UsageQuery, Query()]) -> Any:
    """Sum usage by group; a period that is no longer kept is not available, never 0."""
    span = (instant_of(query.from_, "from"), instant_of(query.to, "to"))
    asked = usage.Question(query.group_by, *span, query.account, query.timezone)
    return await control.office.read(usage.report, work, asked)
