"""``/admin/prices``: the book, drafts and publications, versions, history, price lists; ``/admin/margins``."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import Paged, Rows
from smartoken.control.answers_prices import AssignedAnswer, DiffAnswer, MarginAnswer, PublicationAnswer, VersionAnswer
from smartoken.control.calls import instant_of
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_prices import HistoryQuery, MarginQuery, PriceDraft, PriceListOf, PricesQuery, Publish
from smartoken.operations import margins, price_effect, price_lists, prices
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(prefix="/admin", tags=["prices"])
Resources = Annotated[Control, Depends(control_of)]
Reader = Annotated[Work, permitted(Permission.PRICES_READ)]
Writer = Annotated[Work, permitted(Permission.PRICES_WRITE)]
ModelReader = Annotated[Work, permitted(Permission.MODELS_READ)]


@router.get("/prices", response_model=Rows)
async def list_prices(control: Resources, work: Reader, query: Annotated[PricesQuery, Query()]) -> Any:
    """List the prices in force, and their next changes, standard or of a price list."""
    return {"data": prices.current(await control.directory.refresh(), work, query.price_list)}


@router.get("/prices/publications", response_model=Paged[PublicationAnswer])
async def list_publications(control: Resources, work: Reader, query: Annotated[Page, Query()]) -> Any:
    """List publications and drafts, newest first."""
    found = await control.office.read(prices.page, work, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("/prices/publications", status_code=201, response_model=PublicationAnswer)
async def draft_prices(control: Resources, work: Writer, body: PriceDraft) -> Any:
    """Make a draft."""
    directory = await control.directory.refresh()
    return await control.office.write(prices.draft, work, directory, body.model_dump(by_alias=True))


@router.get("/prices/publications/{publication}", response_model=PublicationAnswer)
async def show_publication(control: Resources, work: Reader, publication: str) -> Any:
    """Show a publication or draft."""
    return await control.office.read(prices.one, work, publication)


@router.patch("/prices/publications/{publication}", response_model=PublicationAnswer)
async def change_draft(control: Resources, work: Writer, publication: str, body: PriceDraft) -> Any:
    """Change a draft; what is left out stays as it is."""
    wanted = body.model_dump(by_alias=True, exclude_unset=True)
    return await control.office.write(prices.change, work, await control.directory.refresh(), publication, wanted)


@router.delete("/prices/publications/{publication}", status_code=204)
async def drop_draft(control: Resources, work: Writer, publication: str) -> None:
    """Delete a draft."""
    await control.office.write(prices.drop, work, publication)


@router.get("/prices/publications/{publication}/diff", response_model=DiffAnswer)
async def show_diff(control: Resources, work: Reader, publication: str) -> Any:
    """Show what a draft would change, and what the last 30 days would have come to."""
    return await control.office.read(price_effect.diff, work, await control.directory.refresh(), publication)


@router.post("/prices/publications/{publication}/publish", response_model=PublicationAnswer)
async def publish_draft(control: Resources, work: Writer, publication: str, body: Publish) -> Any:
    """Publish a draft; it never changes from then on."""
    return await control.office.write(prices.publish, work, publication, body.from_)


@router.post("/prices/publications/{publication}/undo", response_model=PublicationAnswer)
async def undo_publication(control: Resources, work: Writer, publication: str) -> Any:
    """Publish what stood before a publication."""
    return await control.office.write(prices.take_back, work, publication)


@router.get("/prices/versions/{version:path}", response_model=VersionAnswer)
async def show_version(control: Resources, work: Reader, version: str) -> Any:
    """Show the version that calls name as their `price_version`."""
    return await control.office.read(prices.version, work, version)


@router.get("/prices/history", response_model=Rows)
async def show_history(control: Resources, work: ModelReader, query: Annotated[HistoryQuery, Query()]) -> Any:
    """Show a model's standard price over time, newest first."""
    return {"data": await control.office.read(prices.history_for, work, query.model)}


@router.get("/prices/lists", response_model=Rows)
async def list_price_lists(control: Resources, work: Reader) -> Any:
    """List the price lists in force and the accounts that have them."""
    directory = await control.directory.refresh()
    return {"data": await control.office.read(price_lists.lists, work, directory)}


@router.put("/accounts/{account}/price-list", response_model=AssignedAnswer)
async def assign_list(control: Resources, work: Writer, account: str, body: PriceListOf) -> Any:
    """Give an account a price list, or the standard prices."""
    return await control.office.write(price_lists.assign, work, account, body.price_list)


@router.get("/margins", response_model=MarginAnswer)
async def show_margins(control: Resources, work: Reader, query: Annotated[MarginQuery, Query()]) -> Any:
    """Sum charge, cost and margin by group; never shown to accounts."""
    span = (instant_of(query.from_, "from"), instant_of(query.to, "to"))
    return await control.office.read(margins.report, work, query.group_by, span)
