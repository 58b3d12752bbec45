"""The attempt ledger: the one authority on who is being called, by which node, and what came of it.

Every method is one transaction and a compare-and-set on the attempt's fence and phase; every move leaves a row in
attempt_events. A method returns only when its change is durable. docs/explanation/attempt-ledger.md tells why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.claiming import Claimed, Claiming
from campaigns.closing import Finished
from campaigns.codes import SHORT_CALL_MS
from campaigns.errors import StaleFence
from campaigns.moves import Moves
from campaigns.operations import AGENT_LEG, Advance, AgentDialled, Moved, Operation, OptOutSaid, Release, Settle
from campaigns.rules import NO_RULES, CallingRules
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from storage.batch import GroupCommit
from storage.clock import Clock
from storage.database import Database
from storage.rows import update_each, words
from storage.tables import attempt_events, attempts
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import DialStatus, HangupBy

log = structlog.get_logger(__name__)

#: Ends a call that a dead node may have left on the network: given trunk and attempt id, whether one was found.
HangupStray = Callable[[str, str], Awaitable[bool]]
#: Told of every campaign that has just ended.
FinishListener = Callable[[Finished], None]

_REAP_AT_ONCE = 100


def _nothing(_finished: Finished) -> None:
    return None


class Ledger:
    """The attempt ledger as one node sees it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        node: str,
        lease_s: float = 15.0,
        ahead_ms: int = 250,
        short_call_ms: int = SHORT_CALL_MS,
        on_finished: FinishListener = _nothing,
        rules: CallingRules = NO_RULES,
    ) -> None:
        self._database = database
        self._clock = clock
        self.node = node
        self.lease = timedelta(seconds=lease_s)
        self._ahead = timedelta(milliseconds=ahead_ms)
        self._short_call_ms = short_call_ms
        self._on_finished = on_finished
        self._rules = rules
        self._moves: GroupCommit[Operation, Moved] = GroupCommit(database, self._apply)
        #: Whether the last group of moves has failed, and so the campaigns of the next are locked before all else.
        self._lock_first = False

    async def claim(
        self, trunks: Collection[str], limit: int, *, campaign_ids: Collection[int] | None = None
    ) -> Claimed:
        """Claim up to `limit` contacts that may be dialled now on these trunks (VOCABULARY: May be dialled now)."""

        async def work(conn: AsyncConnection) -> Claimed:
            now = self._clock.now()
            pace = {"lease": self.lease, "ahead": self._ahead}
            claiming = Claiming(conn, node=self.node, now=now, rules=self._rules, **pace)
            return await claiming.run(trunks, limit, campaign_ids)

        claiming = asyncio.ensure_future(self._database.transact(work))
        try:
            claimed = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await self._give_back(claiming)
            raise
        for finished in claimed.finished:
            self.announce(finished)
        return claimed

    async def _give_back(self, claiming: asyncio.Future[Claimed]) -> None:
        """Release what a claim took that nobody waits for any more."""
        await asyncio.wait({claiming})
        if claiming.cancelled() or claiming.exception() is not None:
            return
        claimed = claiming.result()
        for finished in claimed.finished:
            self.announce(finished)
        for claim in claimed.claims:
            await self.release(claim.attempt_id, claim.fence, "shutdown")

    async def begin(self, attempt_id: str, fence: int) -> Moved:
        """Note that the network is about to be asked; must be durable before it is.

        The last look: when the campaign no longer runs or the number has come onto the do-not-call list, the
        contact is given back instead, and the result's phase is `ended`. Raises `StaleFence`.
        """
        return await self.advance(attempt_id, fence, AttemptPhase.ORIGINATING, self._clock.now())

    async def advance(self, attempt_id: str, fence: int, phase: AttemptPhase, at: datetime) -> Moved:
        """Note that the call has reached a phase. Raises `StaleFence` or `IllegalMove`."""
        return await self._submit(Advance(attempt_id, fence, phase, at))

    async def release(self, attempt_id: str, fence: int, reason: str, *, unasked: bool = False) -> Moved:
        """Give a contact back undialled; the attempt does not count.

        After `begin` only its holder, which knows that the network was not asked, may do so, by `unasked`.
        Raises `StaleFence` or `IllegalMove`.
        """
        return await self._submit(Release(attempt_id, fence, reason, unasked))

    async def opt_out(self, attempt_id: str, fence: int, evidence: str) -> None:
        """Put the number onto the do-not-call list for good, and out of every campaign of the account.

        Durable on return (DESIGN invariant 5). Raises `StaleFence`.
        """
        await self._submit(OptOutSaid(attempt_id, fence, evidence))

    async def agent_leg(self, attempt_id: str, fence: int, leg_id: str, target: str) -> None:
        """Note the id of an agent's leg; must be durable before it is dialled, so that `reap` can hang it up.

        Raises `StaleFence`.
        """
        await self._submit(AgentDialled(attempt_id, fence, leg_id, target))

    async def settle(self, attempt_id: str, fence: int, facts: Settlement) -> Moved:
        """End an attempt: code, bill, turns, recording, the contact's next state, and perhaps its campaign's end.

        Raises `StaleFence` when it was settled before or another node has taken it over.
        """
        return await self._submit(Settle(attempt_id, fence, facts))

    async def renew(self, held: Mapping[str, int]) -> set[str]:
        """Extend the leases of attempts (id → fence); those that are no longer ours and must be let go."""
        if not held:
            return set()

        async def work(conn: AsyncConnection) -> set[str]:
            lease_until = self._clock.now() + self.lease
            # Those that are just being moved are left for the next time: waiting for one would let all leases run out.
            free = select(attempts.c.id).where(attempts.c.id.in_(held)).order_by(attempts.c.id)
            ids = (await conn.execute(free.with_for_update(key_share=True, skip_locked=True))).scalars().all()
            rows = [({"id": i, "fence": held[i]}, {"lease_until": lease_until}) for i in ids]
            await update_each(conn, attempts, rows)
            live = select(attempts.c.id, attempts.c.fence).where(
                attempts.c.id.in_(held), attempts.c.phase != words([AttemptPhase.ENDED])[0]
            )
            ours = {i for i, fence in (await conn.execute(live)).all() if held[i] == fence}
            return set(held) - ours

        return await self._database.transact(work)

    async def reap(
        self, hangup_stray: HangupStray, *, dead_nodes: Collection[str] = (), held: Collection[str] = ()
    ) -> list[Moved]:
        """Take over and end the attempts of dead nodes: those whose lease ran out, and all of `dead_nodes`.

        `held` are attempts that the caller itself still holds: late as their renewal may be, their calls live.
        A claimed contact goes back to the queue. Where the network may have been asked the call is hung up and
        settled as lost, from what is known; the contact is called again only if a call-back rule says so.
        """
        ended: list[Moved] = []
        rows = await self._database.transact(lambda conn: self._take_over(conn, dead_nodes, held))
        for row in rows:
            try:
                ended.append(await self._end_lost(row, hangup_stray))
            except StaleFence:
                log.warning("attempt_taken_over", attempt_id=row["id"])
        # A full round may have left some.
        if len(rows) < _REAP_AT_ONCE:
            return ended
        return ended + await self.reap(hangup_stray, dead_nodes=dead_nodes, held=held)

    async def _end_lost(self, row: Mapping[str, Any], hangup_stray: HangupStray) -> Moved:
        fence = row["fence"] + 1
        if row["phase"] == AttemptPhase.CREATED:
            return await self.release(row["id"], fence, "node_died")
        return await self.settle(row["id"], fence, await self._last_known(row, hangup_stray))

    async def nodes_with_live_attempts(self) -> set[str]:
        """Names of the nodes that hold live attempts."""
        async with self._database.read() as conn:
            live = select(attempts.c.node).where(attempts.c.phase != words([AttemptPhase.ENDED])[0]).distinct()
            return set((await conn.execute(live)).scalars())

    async def aclose(self) -> None:
        """Wait until every move asked for is durable."""
        await self._moves.aclose()

    async def _apply(self, conn: AsyncConnection, operations: Sequence[Operation]) -> list[Moved | Exception]:
        now = self._clock.now()
        moves = Moves(
            conn,
            node=self.node,
            now=now,
            short_call_ms=self._short_call_ms,
            rules=self._rules,
            lock_first=self._lock_first,
        )
        # One group is written at a time: what comes next is this one again.
        self._lock_first = True
        moved = await moves.run(operations)
        self._lock_first = False
        return moved

    async def _submit(self, operation: Operation) -> Moved:
        moved = await self._moves.submit(operation)
        for finished in moved.finished:
            self.announce(finished)
        return moved

    def announce(self, finished: Finished) -> None:
        """Tell whoever waits for it that a campaign has ended."""
        log.info("campaign_ended", campaign_id=finished.campaign_id, state=finished.state.value)
        self._on_finished(finished)

    async def _take_over(
        self, conn: AsyncConnection, dead_nodes: Collection[str], held: Collection[str]
    ) -> list[dict[str, Any]]:
        now = self._clock.now()
        dead = select(attempts).where(
            attempts.c.phase != words([AttemptPhase.ENDED])[0],
            or_(attempts.c.lease_until <= now, attempts.c.node.in_(dead_nodes)),
            attempts.c.id.not_in(held),
        )
        locked = dead.order_by(attempts.c.id).limit(_REAP_AT_ONCE).with_for_update(skip_locked=True, key_share=True)
        found = [dict(row) for row in (await conn.execute(locked)).mappings()]
        rows = await self._with_agent_legs(conn, await self._with_last_sign_of_life(conn, found))
        changes = [
            (
                {"id": row["id"], "fence": row["fence"]},
                {
                    "fence": row["fence"] + 1,
                    "node": self.node,
                    "lease_until": now + self.lease,
                    "lost": row["phase"] != AttemptPhase.CREATED,
                },
            )
            for row in rows
        ]
        await update_each(conn, attempts, changes)
        if rows:
            events = [
                {
                    "attempt_id": row["id"],
                    "at": now,
                    "node": self.node,
                    "kind": "taken_over",
                    "from_phase": row["phase"],
                    "to_phase": row["phase"],
                    "detail": {"from_node": row["node"], "alive_at": row["alive_at"].isoformat()},
                }
                for row in rows
            ]
            await conn.execute(insert(attempt_events), events)
        return rows

    async def _with_last_sign_of_life(
        self, conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Rows with `alive_at`, when the node that held the call last renewed its lease.

        Of an attempt that was taken over before it is what the first take-over noted: later leases are the reapers'.
        """
        noted: dict[str, datetime] = {}
        again = [row["id"] for row in rows if row["lost"]]
        if again:
            taken = select(attempt_events.c.attempt_id, attempt_events.c.detail).where(
                attempt_events.c.attempt_id.in_(again), attempt_events.c.kind == "taken_over"
            )
            for attempt_id, detail in (await conn.execute(taken.order_by(attempt_events.c.id.desc()))).all():
                if "alive_at" in detail:
                    noted[attempt_id] = datetime.fromisoformat(detail["alive_at"])
        return [dict(row) | {"alive_at": noted.get(row["id"], row["lease_until"] - self.lease)} for row in rows]

    async def _with_agent_legs(self, conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with `agent_legs`, the ids of the agents' legs that were ever dialled for them."""
        legs: dict[str, list[str]] = {row["id"]: [] for row in rows}
        if legs:
            noted = select(attempt_events.c.attempt_id, attempt_events.c.detail).where(
                attempt_events.c.attempt_id.in_(legs), attempt_events.c.kind == AGENT_LEG
            )
            for attempt_id, detail in (await conn.execute(noted.order_by(attempt_events.c.id))).all():
                legs[attempt_id].append(detail["leg"])
        return [dict(row) | {"agent_legs": legs[row["id"]]} for row in rows]

    async def _last_known(self, row: Mapping[str, Any], hangup_stray: HangupStray) -> Settlement:
        found = row["phase"] != AttemptPhase.WRAPUP and await _hang_up(row, row["id"], hangup_stray)
        for leg_id in row["agent_legs"]:
            await _hang_up(row, leg_id, hangup_stray)
        # A call that is no longer there ended at some instant after its node's last sign of life.
        ended_at = self._clock.now() if found else min(row["alive_at"], self._clock.now())
        log.warning("attempt_lost", attempt_id=row["id"], phase=row["phase"], from_node=row["node"], found=found)
        if row["answered_at"] is None:
            return Settlement(
                dial=NotAnswered(DialStatus.ERROR, max(ended_at, row["originated_at"] or ended_at), text="node died")
            )
        ended_at = row["ended_at"] or max(ended_at, row["answered_at"])
        return Settlement(end=CallEnd(HangupBy.NETWORK, ended_at, text="node died"))


async def _hang_up(row: Mapping[str, Any], call_id: str, hangup_stray: HangupStray) -> bool:
    """Hang up one leg of a lost attempt; whether it was there."""
    try:
        return await hangup_stray(row["trunk"], call_id)
    except Exception:
        log.exception("stray_hangup_failed", attempt_id=row["id"], leg_id=call_id, trunk=row["trunk"])
        return False
