"""Whatever was called, the figures in SQL are those of a recount in plain Python."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.overview import overview
from reports.recount import as_counted, recount
from reports.scope import Scope
from storage.database import open_database
from tests.support_reports import Call, Sample

_CODES = st.sampled_from(
    [
        ("PTP", "success", None),
        ("BS", "unsuccessful", None),
        ("VM", "unsuccessful", "NA"),
        ("IN", "error", "CU"),
        ("XC", "not_counted", None),
    ]
)
_MILLISECONDS = st.integers(0, 120_000).map(lambda ms: ms / 1000)
_AMOUNT = st.integers(0, 10**9).map(lambda units: str(Decimal(units).scaleb(-4)))


@st.composite
def _calls(draw: st.DrawFn) -> list[Call]:
    calls = []
    for place in range(draw(st.integers(0, 12))):
        code, code_class, family = draw(_CODES)
        answered = draw(st.none() | _MILLISECONDS)
        # At most one live call a contact: the database itself refuses a second.
        phase = draw(st.sampled_from(["ended", "ended", "talking"])) if place < 4 else "ended"
        calls.append(
            Call(
                contact=place + 1 if phase != "ended" else draw(st.integers(5, 8)),
                placed_s=draw(st.none() | _MILLISECONDS) if phase == "ended" else 1.0,
                code=code if phase == "ended" else None,
                code_class=code_class if phase == "ended" else None,
                family=family,
                answer_after_s=answered,
                talk_s=draw(_MILLISECONDS),
                ring_s=draw(_MILLISECONDS),
                acw_ms=draw(st.integers(0, 5000)),
                messages=draw(st.integers(0, 3)),
                blocks=draw(st.integers(0, 5)),
                cost=(draw(_AMOUNT), draw(_AMOUNT), draw(_AMOUNT), draw(_AMOUNT)),
                attempt_no=draw(st.integers(1, 3)),
                phase=phase,
                asked_ms=draw(st.none() | st.integers(0, 120_000)),
                joined_ms=draw(st.none() | st.integers(0, 120_000)),
                agent_ms=draw(st.integers(0, 120_000)),
                cost_agent=draw(_AMOUNT),
                is_test=draw(st.booleans()),
                call_type=draw(st.sampled_from(["campaign", "campaign", "test", "visitor", "ad_hoc"])),
            )
        )
    return calls


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls=_calls(), is_test=st.booleans())
async def test_the_report_is_a_recount(calls: list[Call], is_test: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(f"sqlite:///{Path(folder) / 'x.db'}") as database:
            sample = Sample(database)
            await sample.open()
            await sample.campaign(1, is_test=is_test, state="running", finished_at=None)
            for contact in range(1, 9):
                await sample.contact(contact)
            for call in calls:
                await sample.call(call)
            async with database.read() as conn:
                report = await overview(conn, Scope(1))
                counted = await recount(conn, 1)
    assert as_counted(report) == counted
    totals = report.totals
    assert totals.successful + totals.unsuccessful + totals.error + totals.not_counted + totals.live == totals.total
    assert sum(row.calls for row in report.codes) + totals.live == totals.total
    assert sum(one.calls for one in report.histogram) == totals.talked
