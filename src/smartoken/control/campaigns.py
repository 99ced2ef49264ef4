"""Campaigns and activation codes: ``/admin/campaigns``, ``/admin/codes``, ``/wallet/redeem`` and ``/wallet/claim``."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import asked_once, control_of, permitted
from smartoken.control.answers import Paged
from smartoken.control.answers_campaigns import (
    BatchAnswer,
    CampaignAnswer,
    ClaimedAnswer,
    DryRunAnswer,
    LinkAnswer,
    ListAnswer,
    NewBatchAnswer,
    OfferedAnswer,
    ReportAnswer,
    TakeBackAnswer,
    WholeCampaignAnswer,
)
from smartoken.control.resources import Control
from smartoken.control.shapes import Page
from smartoken.control.shapes_campaigns import (
    CampaignCreate,
    CampaignPatch,
    CodePreview,
    CodesCreate,
    CodesQuery,
    DryRun,
    GrantList,
    LinkClaim,
    LinkCreate,
    LinkPreview,
    Redemption,
    TakeBack,
)
from smartoken.errors import IdempotencyConflictError, InvalidRequestError, NotEligibleError
from smartoken.operations import campaign_links, campaign_offers, campaign_results, campaigns, codes
from smartoken.operations.idempotency import Asked, once
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(tags=["campaigns"])
Resources = Annotated[Control, Depends(control_of)]
Once = Annotated[Asked, Depends(asked_once)]
Reader = Annotated[Work, permitted(Permission.CAMPAIGNS_READ)]
Writer = Annotated[Work, permitted(Permission.CAMPAIGNS_WRITE)]
CodeReader = Annotated[Work, permitted(Permission.CODES_READ)]
CodeWriter = Annotated[Work, permitted(Permission.CODES_WRITE)]
Redeemer = Annotated[Work, permitted(Permission.REDEEM)]


def _paged(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    return {"data": found, "next": found[-1]["id"] if len(found) == limit else None}


@router.get("/admin/campaigns", response_model=Paged[CampaignAnswer])
async def list_campaigns(control: Resources, work: Reader, query: Annotated[Page, Query()]) -> Any:
    """List campaigns, oldest first."""
    return _paged(await control.office.read(campaigns.page, work, query.after, query.limit), query.limit)


@router.post("/admin/campaigns", status_code=201, response_model=CampaignAnswer)
async def create_campaign(control: Resources, work: Writer, body: CampaignCreate) -> Any:
    """Make a campaign as a draft."""
    wanted = body.model_dump(exclude_unset=True)
    return await control.office.write(campaigns.create, work, wanted.pop("slug"), wanted)


@router.get("/admin/campaigns/{campaign}", response_model=WholeCampaignAnswer)
async def show_campaign(control: Resources, work: Reader, campaign: str) -> Any:
    """Show a campaign by short name or id, with its rules as text."""
    return await control.office.read(campaigns.one, work, campaign)


@router.patch("/admin/campaigns/{campaign}", response_model=CampaignAnswer)
async def change_campaign(control: Resources, work: Writer, campaign: str, body: CampaignPatch) -> Any:
    """Change a campaign's draft; what is in force stays until the draft is published."""
    return await control.office.write(campaigns.change, work, campaign, body.model_dump(exclude_unset=True))


@router.post("/admin/campaigns/{campaign}/publish", response_model=CampaignAnswer)
async def publish_campaign(control: Resources, work: Writer, campaign: str) -> Any:
    """Put the draft into force as a version of its own."""
    return await control.office.write(campaigns.publish, work, campaign)


@router.post("/admin/campaigns/{campaign}/pause", response_model=CampaignAnswer)
async def pause_campaign(control: Resources, work: Writer, campaign: str) -> Any:
    """Stop a campaign from giving until it is resumed."""
    return await control.office.write(campaigns.halt, work, campaign)


@router.post("/admin/campaigns/{campaign}/resume", response_model=CampaignAnswer)
async def resume_campaign(control: Resources, work: Writer, campaign: str) -> Any:
    """Let a paused campaign go on."""
    return await control.office.write(campaigns.resume, work, campaign)


@router.post("/admin/campaigns/{campaign}/end", response_model=CampaignAnswer)
async def end_campaign(control: Resources, work: Writer, campaign: str) -> Any:
    """End a campaign for good; what it gave stays."""
    return await control.office.write(campaigns.end, work, campaign)


@router.post("/admin/campaigns/{campaign}/dry-run", response_model=DryRunAnswer)
async def try_campaign(control: Resources, work: Reader, campaign: str, body: DryRun) -> Any:
    """Say who would get what by the draft, and why not; no effect."""
    return await control.office.read(campaign_offers.dry_run, work, campaign, body.model_dump())


@router.get("/admin/campaigns/{campaign}/report", response_model=ReportAnswer)
async def report_campaign(control: Resources, work: Reader, campaign: str) -> Any:
    """Tell what a campaign gave and what came of it."""
    return await control.office.read(campaign_results.report, work, campaign)


@router.post("/admin/campaigns/{campaign}/grants", response_model=ListAnswer)
async def give_grants(control: Resources, work: Writer, asked: Once, campaign: str, body: GrantList) -> Any:
    """Give grants to the accounts named, each by the rules; needs the trigger ``list``."""
    return await control.office.write(once, work, asked, campaign_offers.give, campaign, body.accounts)


@router.post("/admin/campaigns/{campaign}/claw-backs", response_model=TakeBackAnswer)
async def claw_grants_back(control: Resources, work: Writer, asked: Once, campaign: str, body: TakeBack) -> Any:
    """Take back what is unspent of a campaign's grants; what calls hold is owed until they end."""
    return await control.office.write(once, work, asked, campaign_results.take_back, campaign, body.model_dump())


@router.post("/admin/campaigns/{campaign}/links", status_code=201, response_model=LinkAnswer)
async def create_link(control: Resources, work: Writer, campaign: str, body: LinkCreate) -> Any:
    """Make a signed link of a campaign; it is in this answer and nowhere else."""
    return await control.office.write(campaign_links.make_link, work, campaign, body.expires_at)


@router.delete("/admin/campaigns/{campaign}/links", status_code=204)
async def void_links(control: Resources, work: Writer, campaign: str) -> None:
    """Void every link of a campaign that was made so far."""
    await control.office.write(campaign_links.void_links, work, campaign)


@router.get("/admin/codes", response_model=Paged[BatchAnswer])
async def list_batches(control: Resources, work: CodeReader, query: Annotated[CodesQuery, Query()]) -> Any:
    """List batches of codes with their counts, oldest first; never a code."""
    found = await control.office.read(codes.page, work, query.campaign, query.after, query.limit)
    return _paged(found, query.limit)


@router.post("/admin/codes", status_code=201, response_model=NewBatchAnswer)
async def create_codes(control: Resources, work: CodeWriter, body: CodesCreate) -> Any:
    """Make a batch of codes; their texts are in this answer and nowhere else."""
    return await control.office.write(codes.create, work, body.model_dump(exclude_unset=True))


@router.delete("/admin/codes/{batch}", status_code=204)
async def revoke_codes(control: Resources, work: CodeWriter, batch: str) -> None:
    """End a batch of codes for good; grants that were given stay."""
    await control.office.write(codes.revoke, work, batch)


async def _begun(control: Control, work: Work, account: str | None) -> str:
    """Count an attempt, unless its account has to wait; most who have to are told by a read alone."""
    account_id = await control.office.read(codes.may_try, work, account)
    await control.office.write(codes.count_attempt, work, account_id)
    return account_id


@router.post("/wallet/redeem/preview", response_model=OfferedAnswer)
async def preview_code(control: Resources, work: Redeemer, body: CodePreview) -> Any:
    """Tell what a code would give, with the rules; nothing is redeemed."""
    account_id = await _begun(control, work, body.account)
    return await control.office.write(codes.preview, work, account_id, body.code)


@router.post("/wallet/redeem", response_model=ClaimedAnswer)
async def redeem_code(control: Resources, work: Redeemer, asked: Once, body: Redemption) -> Any:
    """Redeem a code."""
    account_id = await _begun(control, work, body.account)
    try:
        return await control.office.write(codes.redeem_once, work, asked, account_id, body.model_dump())
    except (NotEligibleError, InvalidRequestError, IdempotencyConflictError):  # the code was not guessed at
        await control.office.write(codes.forgive, work, account_id)
        raise


@router.post("/wallet/claim/preview", response_model=OfferedAnswer)
async def preview_claim(control: Resources, work: Redeemer, body: LinkPreview) -> Any:
    """Tell what a campaign's link would give, with the rules; nothing is claimed."""
    return await control.office.read(campaign_links.preview_link, work, body.account, body.link)


@router.post("/wallet/claim", response_model=ClaimedAnswer)
async def claim_by_link(control: Resources, work: Redeemer, asked: Once, body: LinkClaim) -> Any:
    """Claim what a campaign's link gives."""
    wanted = body.model_dump()
    return await control.office.write(once, work, asked, campaign_links.claim_link, wanted.pop("account"), wanted)
