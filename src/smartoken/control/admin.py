"""``/admin``: accounts, providers, models, the set-up as a file, the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.catalog.strict import CatalogError
from smartoken.control.access import control_of, permitted
from smartoken.control.answers import (
    AccountAnswer,
    AuditCheck,
    AuditEntry,
    ExportAnswer,
    Paged,
    Rows,
    SetupAnswer,
)
from smartoken.control.resources import Control
from smartoken.control.shapes import AccountCreate, AccountPatch, AuditQuery, ModelsQuery, Page, SetupRequest
from smartoken.errors import InvalidRequestError
from smartoken.operations import accounts, audit, demo_account, export, listings, setup
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_file import read_setup

router = APIRouter(prefix="/admin", tags=["admin"])
Resources = Annotated[Control, Depends(control_of)]
AccountReader = Annotated[Work, permitted(Permission.ACCOUNTS_READ)]
AccountWriter = Annotated[Work, permitted(Permission.ACCOUNTS_WRITE)]
ProviderReader = Annotated[Work, permitted(Permission.PROVIDERS_READ)]
ModelReader = Annotated[Work, permitted(Permission.MODELS_READ)]
SetupReader = Annotated[Work, permitted(Permission.SETUP_READ)]
SetupWriter = Annotated[Work, permitted(Permission.SETUP_WRITE)]
Auditor = Annotated[Work, permitted(Permission.AUDIT_READ)]


@router.get("/accounts", response_model=Paged[AccountAnswer])
async def list_accounts(control: Resources, work: AccountReader, query: Annotated[Page, Query()]) -> Any:
    """List accounts, oldest first."""
    found = await control.office.read(accounts.page, work, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("/accounts", status_code=201, response_model=AccountAnswer)
async def create_account(control: Resources, work: AccountWriter, body: AccountCreate) -> Any:
    """Make an account without money."""
    wanted = body.model_dump(exclude_unset=True)
    return await control.office.write(accounts.create, work, wanted.pop("slug"), wanted)


@router.get("/accounts/{account}", response_model=AccountAnswer)
async def show_account(control: Resources, work: AccountReader, account: str) -> Any:
    """Show an account by short name or id."""
    return await control.office.read(accounts.one, work, account)


@router.patch("/accounts/{account}", response_model=AccountAnswer)
async def change_account(control: Resources, work: AccountWriter, account: str, body: AccountPatch) -> Any:
    """Change an account; what is left out stays as it is."""
    return await control.office.write(accounts.change, work, account, body.model_dump(exclude_unset=True))


@router.get("/providers", response_model=Rows)
async def list_providers(control: Resources, work: ProviderReader) -> Any:
    """List the providers in use, from whatever source."""
    return {"data": listings.providers(await control.directory.refresh(), work)}


@router.get("/models", response_model=Rows)
async def list_models(control: Resources, work: ModelReader, query: Annotated[ModelsQuery, Query()]) -> Any:
    """List models with prices, versions and offers."""
    return {"data": listings.models(await control.directory.refresh(), work, ready=query.ready)}


@router.post("/apply", response_model=SetupAnswer)
async def apply_setup(control: Resources, work: SetupWriter, body: SetupRequest) -> Any:
    """Bring the store to what a set-up file says."""
    try:
        file = read_setup(body.text, body.path, body.secrets)
        wish = setup.Wish(file, body.dry_run, body.prune)
        run = control.office.read if body.dry_run else control.office.write
        applied = await run(setup.apply, work, control.office.catalog, wish)
    except CatalogError as problem:
        details: dict[str, object] = {"file": problem.path, "line": problem.line}
        raise InvalidRequestError(str(problem), remedy="Correct the line and apply again.", details=details) from None
    changes = [
        {
            "verb": each.verb.value,
            "kind": each.item.kind.value,
            "name": each.item.name,
            "fields": [{"name": name, "before": before, "after": after} for name, before, after in each.fields],
        }
        for each in applied.changes
    ]
    minted = [{"key": name, "secret": secret.reveal()} for name, secret in applied.minted]
    return {"dry_run": body.dry_run, "changes": changes, "minted": minted, "notes": list(applied.notes)}


@router.get("/export", response_model=ExportAnswer)
async def export_setup(control: Resources, work: SetupReader) -> Any:
    """Return the set-up as a file, secrets replaced."""
    return {"text": await control.office.read(export.export, work)}


@router.delete("/demo", status_code=204)
async def end_demo(control: Resources, work: SetupWriter) -> None:
    """Revoke the demo key for good."""
    await control.office.write(demo_account.end, work, control.data_dir)


@router.get("/audit", response_model=Paged[AuditEntry])
async def list_entries(control: Resources, work: Auditor, query: Annotated[AuditQuery, Query()]) -> Any:
    """List audit entries, newest first."""
    rows = await control.office.read(audit.page, work, query.after, query.limit, query.object)
    found = [{**row, "created_at": instant_text(row["created_ms"])} for row in rows]
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.get("/audit/check", response_model=AuditCheck)
async def check_entries(control: Resources, work: Auditor) -> Any:
    """Follow the chain of hashes from its beginning."""
    broken = await control.office.read(audit.check, work)
    return {"intact": broken is None, "broken_at": broken}
