"""Sample data for reports: rows put straight into the tables, so that figures can be reckoned by hand."""

from __future__ import annotations

import io
import struct
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database
from storage.tables import (
    accounts,
    attempt_events,
    attempts,
    bots,
    campaigns,
    contacts,
    ledger_entries,
    recordings,
    tariffs,
    trunks,
    turns,
)

#: 2 March 2026, 16:00 in Ho Chi Minh City.
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CREATED = START - timedelta(days=1)


def at(seconds: float) -> datetime:
    """An instant that many seconds after the campaign's start."""
    return START + timedelta(milliseconds=round(seconds * 1000))


@dataclass
class Call:
    """One attempt as a test writes it; seconds count from the campaign's start."""

    contact: int
    placed_s: float | None
    code: str | None
    code_class: str | None = None
    family: str | None = None
    status: str = "USER_HANGUP"
    dial_status: str = "ANSWER"
    answer_after_s: float | None = None
    ring_s: float = 10.0
    talk_s: float | None = None
    acw_ms: int = 0
    messages: int = 0
    blocks: int = 0
    cost: tuple[str, str, str, str] | None = None
    attempt_no: int = 1
    phase: str = "ended"
    is_test: bool = False
    call_type: str = "campaign"
    first_word_ms: int | None = None
    voice_to_voice_ms: Sequence[int] = ()
    barge_in_ms: Sequence[int] = ()
    sip_code: int | None = None
    #: Of a transfer: asked and joined in ms after the answer, the agent's leg in ms, and its share of the telecom cost.
    asked_ms: int | None = None
    joined_ms: int | None = None
    agent_ms: int = 0
    cost_agent: str = "0"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Sample:
    """A database with one account, bot, tariff and trunk; tests add campaigns, contacts and attempts."""

    def __init__(self, database: Database, *, currency: str = "VND", time_zone: str = "Asia/Ho_Chi_Minh") -> None:
        self.database = database
        self.currency = currency
        self.time_zone = time_zone

    async def open(self) -> None:
        async with self.database.write() as conn:
            await conn.execute(
                insert(accounts).values(
                    id=1, name="Acme", currency=self.currency, time_zone=self.time_zone, region="VN", created_at=CREATED
                )
            )
            await self.bot(1, "Lan", conn)
            await conn.execute(
                insert(tariffs).values(
                    id=1, account_id=1, name="Standard", currency=self.currency, definition={}, valid_from=CREATED
                )
            )
            await conn.execute(insert(trunks).values(name="trunk", channels=10, cps=5.0, next_call_us=0))

    async def bot(self, bot_id: int, name: str, conn: AsyncConnection) -> None:
        await conn.execute(
            insert(bots).values(
                id=bot_id,
                account_id=1,
                name=name,
                version=1,
                language="en",
                voice="v",
                speed=1.0,
                script="",
                created_at=CREATED,
            )
        )

    async def campaign(self, campaign_id: int = 1, **values: Any) -> int:
        row: dict[str, Any] = {
            "id": campaign_id,
            "account_id": 1,
            "code": f"C{campaign_id}",
            "name": f"Campaign {campaign_id}",
            "bot_id": 1,
            "tariff_id": 1,
            "trunk": "trunk",
            "state": "completed",
            "is_test": False,
            "region": "VN",
            "time_zone": self.time_zone,
            "windows": [],
            "weekdays": [],
            "retry_rules": [],
            "codes": {},
            "report_emails": ["boss@example.com"],
            "created_at": CREATED,
            "started_at": START,
            "finished_at": at(3600),
        }
        async with self.database.write() as conn:
            await conn.execute(insert(campaigns).values(row | values))
        return campaign_id

    async def contact(self, contact_id: int, campaign_id: int = 1, **values: Any) -> int:
        row: dict[str, Any] = {
            "id": contact_id,
            "campaign_id": campaign_id,
            "line": contact_id + 1,
            "phone": f"0{number(contact_id)[3:]}",
            "number": number(contact_id),
            "name": f"Customer {contact_id}",
            "variables": {},
            "state": "done",
        }
        async with self.database.write() as conn:
            await conn.execute(insert(contacts).values(row | values))
        return contact_id

    async def call(self, call: Call, campaign_id: int = 1, *, bot_id: int = 1, charged: bool = True) -> str:
        """Insert an attempt with its turns and, when it cost something, its charge."""
        async with self.database.write() as conn:
            row = self._attempt(call, campaign_id, bot_id)
            await conn.execute(insert(attempts).values(row))
            for turn in _turns(call):
                await conn.execute(insert(turns).values(turn))
            if charged and call.cost:
                await conn.execute(insert(ledger_entries), self._charge(call))
        return call.id

    def _attempt(self, call: Call, campaign_id: int, bot_id: int) -> dict[str, Any]:
        answered = None if call.answer_after_s is None else (call.placed_s or 0) + call.answer_after_s
        ended = None
        if call.phase == "ended":
            ended = answered + (call.talk_s or 0) if answered is not None else (call.placed_s or 0) + call.ring_s
        bot, telecom, fees, vat = (Decimal(part) for part in call.cost or ("0", "0", "0", "0"))
        costs: Mapping[str, Any] = (
            {"cost_bot": bot, "cost_telecom": telecom, "cost_fees": fees, "cost_vat": vat} if ended is not None else {}
        )
        return {
            "id": call.id,
            "account_id": 1,
            "campaign_id": campaign_id,
            "contact_id": call.contact,
            "bot_id": bot_id,
            "trunk": "trunk",
            "attempt_no": call.attempt_no,
            "call_type": call.call_type,
            "is_test": call.is_test,
            "origin": "import" if call.attempt_no == 1 else "retry",
            "number": number(call.contact),
            "node": "n1",
            "lease_until": START,
            "phase": call.phase,
            "claimed_at": at(call.placed_s or 0),
            "originated_at": None if call.placed_s is None else at(call.placed_s),
            "answered_at": None if answered is None else at(answered),
            "ended_at": None if ended is None else at(ended),
            "settled_at": None if ended is None else at(ended + call.acw_ms / 1000),
            "acw_ms": call.acw_ms,
            "dial_status": call.dial_status if ended is not None else None,
            "call_status": call.status if ended is not None else None,
            "action_code": call.code,
            "code_class": call.code_class,
            "code_family": call.family or call.code,
            "spoke": call.messages > 0,
            "messages": call.messages,
            "answer_to_first_word_ms": call.first_word_ms,
            "blocks": call.blocks,
            "billable_s": 0,
            "tariff_snapshot": {},
            "currency": self.currency,
            "sip_code": call.sip_code,
            "hangup_by": "customer" if answered is not None and ended is not None else None,
            **_transfer(call, answered is not None and ended is not None),
            **costs,
        }

    def _charge(self, call: Call) -> list[dict[str, Any]]:
        parts = dict(zip(("bot", "telecom", "fees", "vat"), (Decimal(p) for p in call.cost or ()), strict=True))
        pays = "rehearsal" if call.is_test else "prepaid"
        moves = {pays: -sum(parts.values(), Decimal(0))} | {book: part for book, part in parts.items() if part}
        return [
            {
                "account_id": 1,
                "posting_key": f"charge:{call.id}",
                "kind": "charge",
                "book": book,
                "amount": amount,
                "currency": self.currency,
                "attempt_id": call.id,
                "created_at": START,
            }
            for book, amount in moves.items()
        ]

    async def recording(self, call: Call, folder: Path, *, seconds: float | None = None) -> Path:
        """A real stereo file of the call's talk time (or `seconds`), and its row."""
        length_s = call.talk_s if seconds is None else seconds
        path = folder / f"{call.id}.wav"
        frames = write_wav(path, length_s or 0.0)
        async with self.database.write() as conn:
            await conn.execute(
                insert(recordings).values(
                    attempt_id=call.id,
                    path=path.name,
                    rate_hz=8000,
                    channels=2,
                    duration_ms=frames * 1000 // 8000,
                    bytes=path.stat().st_size,
                    sha256="0" * 64,
                    created_at=START,
                )
            )
        return path

    async def event(self, attempt_id: str, seconds: float, kind: str, to_phase: str | None = None) -> None:
        async with self.database.write() as conn:
            await conn.execute(
                insert(attempt_events).values(
                    attempt_id=attempt_id, at=at(seconds), node="n1", kind=kind, to_phase=to_phase
                )
            )


def _transfer(call: Call, over: bool) -> dict[str, Any]:
    talk_ms = round((call.talk_s or 0) * 1000)
    joined = call.asked_ms is not None and call.joined_ms is not None
    own = {"bot_ms": (min(talk_ms, call.asked_ms or 0) if joined else talk_ms) if over else None}
    if call.asked_ms is None:
        return own
    return own | {
        "transfer_target": "sales",
        "transfer_by": "second_leg",
        "transfer_number": "+842812345678",
        "transfer_asked_ms": call.asked_ms,
        "transfer_joined_ms": call.joined_ms,
        "transfer_text": None,
        "agent_ms": call.agent_ms,
        "cost_agent": Decimal(call.cost_agent),
    }


def number(contact_id: int) -> str:
    """The contact's E.164 number."""
    return f"+8490{contact_id:07d}"


def _turns(call: Call) -> list[dict[str, Any]]:
    """One bot turn a message, each followed by a customer's one; latencies go to the bot turns in order."""
    rows: list[dict[str, Any]] = []
    for place in range(call.messages):
        start = 500 + place * 4000
        rows.append(
            {
                "attempt_id": call.id,
                "turn_no": 2 * place + 1,
                "speaker": "bot",
                "start_ms": start,
                "end_ms": start + 2000,
                "text": f"Bot line {place + 1}",
                "interrupted": place < len(call.barge_in_ms),
                "voice_to_voice_ms": call.voice_to_voice_ms[place] if place < len(call.voice_to_voice_ms) else None,
                "barge_in_stop_ms": call.barge_in_ms[place] if place < len(call.barge_in_ms) else None,
            }
        )
        rows.append(
            {
                "attempt_id": call.id,
                "turn_no": 2 * place + 2,
                "speaker": "customer",
                "start_ms": start + 2400,
                "end_ms": start + 3600,
                "text": f"Customer line {place + 1}",
                "intent": "agree",
                "confidence": 0.9,
            }
        )
    return rows


def write_wav(path: Path, seconds: float, *, rate_hz: int = 8000) -> int:
    """A stereo 16-bit file: a quiet ramp left, a louder one right; its frames."""
    frames = round(seconds * rate_hz)
    one = b"".join(struct.pack("<hh", (n % 80) * 60, (n % 50) * 300) for n in range(400))
    data = (one * (frames // 400 + 1))[: frames * 4]
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        2,
        rate_hz,
        rate_hz * 4,
        4,
        16,
        b"data",
        len(data),
    )
    path.write_bytes(head + data)
    return frames


#: The calls of `standard`, by name, so that a test can point at one.
def standard_calls() -> dict[str, Call]:
    """Eight attempts to six of the eight contacts; every sum over them stands in `test_figures_overview`."""
    return {
        "agreed": Call(
            1, 0, "PTP", "success", talk_s=42.5, answer_after_s=8.25, acw_ms=400, messages=5, blocks=2,
            cost=("900", "602.0833", "0", "120"), first_word_ms=300,
            voice_to_voice_ms=(400, 500, 600, 700), barge_in_ms=(210,), status="BOT_HANGUP",
        ),
        "refused": Call(
            2, 5, "REF", "success", talk_s=15.0, answer_after_s=6.0, acw_ms=200, messages=3, blocks=1,
            cost=("450", "212.5", "0", "53"), first_word_ms=350, voice_to_voice_ms=(450, 1200),
        ),
        "busy": Call(3, 10, "BS", "unsuccessful", status="BUSY", dial_status="BUSY", ring_s=1.5, sip_code=486),
        "busy_then_talked": Call(
            3, 1300, "PTP", "success", talk_s=29.999, answer_after_s=4.0, acw_ms=300, messages=4, blocks=1,
            cost=("450", "425", "0", "70"), attempt_no=2, first_word_ms=280, voice_to_voice_ms=(550, 560, 570),
        ),
        "rang_out": Call(
            4, 20, "NA", "unsuccessful", status="NOANSWER", dial_status="NOANSWER", ring_s=45.0, sip_code=480
        ),
        "short": Call(
            5, 30, "SC", "success", talk_s=4.999, answer_after_s=5.0, acw_ms=100, messages=1, blocks=1,
            cost=("450", "85", "0", "43"), status="SHORT_CALL", first_word_ms=420,
        ),
        "voicemail": Call(
            6, 40, "VM", "unsuccessful", "NA", talk_s=30.0, answer_after_s=12.0, acw_ms=250, messages=1, blocks=1,
            cost=("450", "425", "0", "70"), status="VOICEMAIL", first_word_ms=310,
        ),
        "wrong_number": Call(
            7, 50, "IN", "error", "CU", status="INVALID_NUMBER", dial_status="INVALID", ring_s=0.5, sip_code=404
        ),
    }  # fmt: skip


async def standard(database: Database, **campaign: Any) -> dict[str, Call]:
    """Campaign 1 with eight contacts and the calls of `standard_calls`."""
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1, **campaign)
    states = ["done", "done", "done", "exhausted", "done", "exhausted", "invalid", "dnc_blocked"]
    for contact_id, state in enumerate(states, start=1):
        tried = {1: 1, 2: 1, 3: 2, 4: 1, 5: 1, 6: 1, 7: 1}.get(contact_id, 0)
        await sample.contact(contact_id, state=state, attempts=tried, external_key=f"K{contact_id}")
    calls = standard_calls()
    for call in calls.values():
        call.is_test = bool(campaign.get("is_test", False))
        await sample.call(call)
    return calls


_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_xlsx(content: bytes, sheet: int = 1) -> list[list[str]]:
    """The cells of one sheet as they stand in the file: text, or the number as written; formulas are refused."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        root = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml"))
    assert root.find(f".//{_SHEET}f") is None, "the sheet holds a formula"
    rows = []
    for row in root.iter(f"{_SHEET}row"):
        cells = {}
        for cell in row:
            texts = [node.text or "" for node in cell.iter() if node.tag in {f"{_SHEET}t", f"{_SHEET}v"}]
            cells[_column(cell.attrib["r"])] = "".join(texts)
        rows.append([cells.get(place, "") for place in range(max(cells, default=-1) + 1)])
    return rows


def _column(reference: str) -> int:
    place = 0
    for letter in reference.rstrip("0123456789"):
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1
