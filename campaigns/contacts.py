"""The contacts of campaigns as their owners handle them: look up, add, change, hold, release, delete, visit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.contact_entry import ORIGIN, Added, Hand, add_contact, edit_contact
from campaigns.contact_moves import BATCH, Deleted, delete_contact, hold_contacts, release_contacts
from campaigns.contact_rows import Contact, History, contact_history, contact_page, contact_row, find_contact
from campaigns.states import ContactState
from campaigns.visits import Visit, Visited, note_visit
from storage.clock import Clock
from storage.database import Database

__all__ = ["Added", "Contact", "Contacts", "Deleted", "History", "Visit", "Visited"]


class Contacts:
    """The contacts of a database. `by` names who asks, for the trail: a token's name, or a person.

    A contact's columns are given as a list's are: by the reserved names and the script's variables, all as text.
    Raises `UnknownContact`, `UnknownCampaign`, and `CampaignError` where the campaign takes no contacts any more.
    """

    def __init__(self, database: Database, clock: Clock, *, origin: str = ORIGIN) -> None:
        self._database = database
        self._clock = clock
        self._origin = origin

    async def find(self, campaign_id: int, reference: str) -> Contact:
        """The contact with this external key, id, or telephone number."""
        async with self._database.read() as conn:
            return await find_contact(conn, campaign_id, reference)

    async def get(self, contact_id: int) -> Contact:
        """The contact with this id."""
        async with self._database.read() as conn:
            return Contact.of(await contact_row(conn, contact_id))

    async def page(
        self, campaign_id: int, *, state: ContactState | None = None, after_id: int = 0, limit: int = 100
    ) -> list[Contact]:
        """Contacts in the order of their ids, behind `after_id`."""
        async with self._database.read() as conn:
            return await contact_page(conn, campaign_id, state=state, after_id=after_id, limit=limit)

    async def history(self, contact_id: int) -> History:
        """What happened to the contact: its attempts, visits and trail."""
        async with self._database.read() as conn:
            await contact_row(conn, contact_id)
            return await contact_history(conn, contact_id)

    async def add(
        self,
        campaign_id: int,
        columns: Mapping[str, str],
        *,
        by: str,
        required_variables: Collection[str] = (),
        update: bool = False,
        hold: bool = False,
    ) -> Added:
        """Add one contact, judged as a list's row is; `hold` keeps it back.

        An external key that the campaign has gives the same contact back when its columns are the same, and with
        `update` takes the new ones over. Raises `BadContact` for what cannot be used, and `ContactTaken` for a number
        that the campaign has, or a known key with other columns.
        """
        hand = self._hand(by, required_variables)
        return await self._database.transact(
            lambda conn: add_contact(conn, campaign_id, columns, hand, update_known=update, hold=hold)
        )

    async def edit(
        self, contact_id: int, changes: Mapping[str, str], *, by: str, required_variables: Collection[str] = ()
    ) -> Contact:
        """Change columns of a contact that is not in a call; empty text takes a column away.

        One that its list's import refused comes in when it is mended. Raises `BadContact`, `ContactTaken`,
        `ContactBusy`.
        """
        hand = self._hand(by, required_variables)
        return await self._database.transact(lambda conn: edit_contact(conn, contact_id, changes, hand))

    async def delete(self, contact_id: int, *, by: str) -> Deleted:
        """Take a contact out: wholly if it was never called, else it is cancelled and its calls stay.

        The campaign completes when nobody else is left. Raises `ContactBusy` for one that is in a call, or is through
        with its calls.
        """
        return await self._database.transact(lambda conn: delete_contact(conn, contact_id, self._hand(by)))

    async def hold(
        self, campaign_id: int, ids: Collection[int] | None = None, *, by: str, limit: int | None = None
    ) -> int:
        """Keep waiting contacts from being called until they are released; how many.

        Those of `ids`, else all, at most `limit`, in the order of priority and import. Others are passed over.
        """
        return await self._in_batches(hold_contacts, campaign_id, ids, limit, by)

    async def release(
        self, campaign_id: int, ids: Collection[int] | None = None, *, by: str, limit: int | None = None
    ) -> int:
        """Let held contacts be called again, chosen as `hold` does; how many."""
        return await self._in_batches(release_contacts, campaign_id, ids, limit, by)

    async def visit(self, contact_id: int, visit: Visit, *, by: str) -> Visited:
        """Enter the outcome for a contact that was met outside the dialler.

        Raises `BadVisit` for a code or a time that cannot be used, and `ContactBusy` while it is in a call.
        """
        return await self._database.transact(lambda conn: note_visit(conn, contact_id, visit, self._hand(by)))

    async def _in_batches(
        self,
        move: Callable[..., Any],
        campaign_id: int,
        ids: Collection[int] | None,
        limit: int | None,
        by: str,
    ) -> int:
        left, moved = limit, 0
        wanted = sorted(set(ids)) if ids is not None else None
        while left is None or left > 0:
            some = wanted[:BATCH] if wanted is not None else None
            room = BATCH if left is None else min(BATCH, left)

            async def work(conn: AsyncConnection, some: Any = some, room: int = room) -> int:
                return int(await move(conn, campaign_id, some, room, self._hand(by)))

            count = await self._database.transact(work)
            moved, left = moved + count, None if left is None else left - count
            wanted = wanted[BATCH:] if wanted is not None else None
            if not wanted and (wanted is not None or count < room):
                break
        return moved

    def _hand(self, by: str, required_variables: Collection[str] = ()) -> Hand:
        now: datetime = self._clock.now()
        return Hand(by, now, required_variables, self._origin)
