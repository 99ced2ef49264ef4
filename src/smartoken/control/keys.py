"""``/keys``: API keys of an account."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from smartoken.control.access import control_of, permitted
from smartoken.control.answers import KeyAnswer, NewKeyAnswer, Paged
from smartoken.control.resources import Control
from smartoken.control.shapes import Exposure, KeyCreate, KeyPatch, KeysQuery, Rotation, Scan
from smartoken.operations import keys
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission

router = APIRouter(prefix="/keys", tags=["keys"])
Resources = Annotated[Control, Depends(control_of)]
Reader = Annotated[Work, permitted(Permission.KEYS_READ)]
Writer = Annotated[Work, permitted(Permission.KEYS_WRITE)]


def _with_secret(made: keys.Made) -> dict[str, Any]:
    return {**made.key, "secret": made.secret.reveal()}


@router.get("", response_model=Paged[KeyAnswer])
async def list_keys(control: Resources, work: Reader, query: Annotated[KeysQuery, Query()]) -> Any:
    """List keys, oldest first."""
    wanted = keys.Filter(query.account, query.name, query.status, query.environment)
    found = await control.office.read(keys.page, work, wanted, query.after, query.limit)
    return {"data": found, "next": found[-1]["id"] if len(found) == query.limit else None}


@router.post("", status_code=201, response_model=NewKeyAnswer)
async def create_key(control: Resources, work: Writer, body: KeyCreate) -> Any:
    """Make a key; its text is in this answer and nowhere else."""
    wanted = body.model_dump(exclude_unset=True)
    account = wanted.pop("account", None)
    return _with_secret(await control.office.write(keys.create, work, account, wanted))


@router.get("/{key_id}", response_model=KeyAnswer)
async def show_key(control: Resources, work: Reader, key_id: str) -> Any:
    """Show a key."""
    return await control.office.read(keys.one, work, key_id)


@router.patch("/{key_id}", response_model=KeyAnswer)
async def change_key(control: Resources, work: Writer, key_id: str, body: KeyPatch) -> Any:
    """Change a key; what is left out stays as it is."""
    return await control.office.write(keys.change, work, key_id, body.model_dump(exclude_unset=True))


@router.post("/{key_id}/rotate", response_model=NewKeyAnswer)
async def rotate_key(control: Resources, work: Writer, key_id: str, body: Rotation) -> Any:
    """Give a key a new text; the former one works for the overlap."""
    return _with_secret(await control.office.write(keys.rotate, work, key_id, body.overlap_hours))


@router.post("/{key_id}/expose", response_model=KeyAnswer)
async def expose_key(control: Resources, work: Reader, key_id: str, body: Exposure) -> Any:
    """Say that a key was seen where others can read it; it works until it is rotated."""
    return await control.office.write(keys.expose, work, key_id, body.where)


@router.post("/scan", response_model=Paged[KeyAnswer])
async def scan_text(control: Resources, work: Reader, body: Scan) -> Any:
    """Look for keys of this gateway in a text and note each as exposed; answers with those found."""
    return {"data": await control.office.write(keys.scan, work, body.text, body.where), "next": None}


@router.delete("/{key_id}", response_model=KeyAnswer)
async def revoke_key(control: Resources, work: Writer, key_id: str) -> Any:
    """Revoke a key for good."""
    return await control.office.write(keys.revoke, work, key_id)
