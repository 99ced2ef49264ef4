"""``/admin/routes``: drafts, diff, publication, undo, the simulator, what rests; ``/named-routes`` of accounts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_routes import (
    BreakerRows,
    KeyTestAnswer,
    NamedRouteAnswer,
    NamedRouteRows,
    RouteDiffAnswer,
    RoutePublicationAnswer,
    RouteRows,
    SimulationAnswer,
    TransitionAnswer,
)
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_routes import (
    Imagined,
    NamedRoute,
    OfAccount,
    RouteDraft,
    RoutePage,
    RoutePatch,
    RoutesQuery,
)
from smartoken.errors import InvalidRequestError
from smartoken.operations import named_routes, routes, simulate, transitions
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(tags=["routes"])
Resources = Annotated[Control, Depends(control_of)]
Reader = Annotated[Work, permitted(Permission.ROUTES_READ)]
Writer = Annotated[Work, permitted(Permission.ROUTES_WRITE)]
KeyReader = Annotated[Work, permitted(Permission.KEYS_READ)]
KeyWriter = Annotated[Work, permitted(Permission.KEYS_WRITE)]
Tester = Annotated[Work, permitted(Permission.DRILLS_WRITE)]


@router.get("/admin/routes", response_model=RouteRows)
async def list_routes(control: Resources, work: Reader, query: Annotated[RoutesQuery, Query()]) -> Any:
    """List the routes in force: published ones, and those that follow from the set-up."""
    return {"data": routes.current(await control.directory.refresh(), work, query.model)}


@router.post("/admin/routes/simulate", response_model=SimulationAnswer)
async def simulate_route(control: Resources, work: Reader, body: Imagined) -> Any:
    """Say where a call would go and why; nothing is called."""
    directory = await control.directory.refresh()
    view = control.desk.view(directory) if control.desk is not None else simulate.AllWell()
    return await control.office.read(simulate.simulate, work, directory, view, body.model_dump())


@router.get("/admin/routes/breakers", response_model=BreakerRows)
async def list_breakers(control: Resources, work: Reader) -> Any:
    """List what rests in the worker that answers, and when it may be tried again."""
    directory = await control.directory.refresh()
    found = control.desk.breakers() if control.desk is not None else []
    return {"data": transitions.shown_breakers(directory, work, found)}


@router.get("/admin/routes/transitions", response_model=Paged[TransitionAnswer])
async def list_transitions(control: Resources, work: Reader, query: Annotated[Page, Query()]) -> Any:
    """List the transitions of breakers of the last day, newest first."""
    directory = await control.directory.refresh()
    found = await control.office.read(transitions.page, work, directory, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/admin/routes/publications", response_model=Paged[RoutePublicationAnswer])
async def list_publications(control: Resources, work: Reader, query: Annotated[RoutePage, Query()]) -> Any:
    """List publications and drafts, newest first."""
    found = await control.office.read(routes.page, work, (query.after, query.limit), query.model)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("/admin/routes/publications", status_code=201, response_model=RoutePublicationAnswer)
async def draft_route(control: Resources, work: Writer, body: RouteDraft) -> Any:
    """Make a draft of a model's route."""
    return await control.office.write(routes.draft, work, await control.directory.refresh(), body.model_dump())


@router.get("/admin/routes/publications/{publication}", response_model=RoutePublicationAnswer)
async def show_publication(control: Resources, work: Reader, publication: str) -> Any:
    """Show a publication or draft."""
    return await control.office.read(routes.one, work, publication)


@router.patch("/admin/routes/publications/{publication}", response_model=RoutePublicationAnswer)
async def change_draft(control: Resources, work: Writer, publication: str, body: RoutePatch) -> Any:
    """Change a draft; what is left out stays as it is."""
    wanted = body.model_dump(exclude_unset=True)
    return await control.office.write(routes.change, work, await control.directory.refresh(), publication, wanted)


@router.delete("/admin/routes/publications/{publication}", status_code=204)
async def drop_draft(control: Resources, work: Writer, publication: str) -> None:
    """Delete a draft."""
    await control.office.write(routes.drop, work, publication)


@router.get("/admin/routes/publications/{publication}/diff", response_model=RouteDiffAnswer)
async def show_diff(control: Resources, work: Reader, publication: str) -> Any:
    """Show what publishing a draft would change."""
    return await control.office.read(routes.diff, work, await control.directory.refresh(), publication)


@router.post("/admin/routes/publications/{publication}/publish", response_model=RoutePublicationAnswer)
async def publish_draft(control: Resources, work: Writer, publication: str) -> Any:
    """Publish a draft; it never changes from then on."""
    return await control.office.write(routes.publish, work, await control.directory.refresh(), publication)


@router.post("/admin/routes/publications/{publication}/undo", response_model=RoutePublicationAnswer)
async def undo_publication(control: Resources, work: Writer, publication: str) -> Any:
    """Publish what stood before a publication."""
    return await control.office.write(routes.take_back, work, publication)


@router.post("/admin/providers/{provider}/keys/{name}/test", response_model=KeyTestAnswer)
async def test_provider_key(control: Resources, work: Tester, provider: str, name: str) -> Any:
    """Make one real call with a provider's key, timed. It costs what so short a call costs; nobody is charged."""
    if control.desk is None:
        raise InvalidRequestError(
            "A provider key is tested by a running server.", remedy="Start it with `smartoken serve`."
        )
    found = await control.desk.test_key(await control.directory.refresh(), provider, name)
    await control.office.write(transitions.note_key_test, work, found)
    return found


@router.get("/named-routes", response_model=NamedRouteRows)
async def list_named(control: Resources, work: KeyReader, query: Annotated[OfAccount, Query()]) -> Any:
    """List the named routes of an account."""
    return {"data": await control.office.read(named_routes.listed, work, query.account)}


@router.get("/named-routes/{name}/versions", response_model=NamedRouteRows)
async def list_versions(control: Resources, work: KeyReader, name: str, query: Annotated[OfAccount, Query()]) -> Any:
    """List what a name stood for, newest first."""
    return {"data": await control.office.read(named_routes.history, work, name, query.account)}


@router.put("/named-routes/{name}", response_model=NamedRouteAnswer)
async def put_named(control: Resources, work: KeyWriter, name: str, body: NamedRoute) -> Any:
    """Let a name stand for a model and its fallbacks."""
    directory = await control.directory.refresh()
    return await control.office.write(named_routes.put, work, directory, name, body.model_dump())


@router.delete("/named-routes/{name}", status_code=204)
async def remove_named(control: Resources, work: KeyWriter, name: str, query: Annotated[OfAccount, Query()]) -> None:
    """Take a name away; undo brings it back."""
    await control.office.write(named_routes.remove, work, name, query.account)


@router.post("/named-routes/{name}/undo", response_model=NamedRouteAnswer)
async def undo_named(control: Resources, work: KeyWriter, name: str, query: Annotated[OfAccount, Query()]) -> Any:
    """Put back what a name stood for before its last change."""
    return await control.office.write(named_routes.take_back, work, name, query.account)
