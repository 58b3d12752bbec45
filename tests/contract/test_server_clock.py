"""Nodes that share a PostgreSQL tell the time by it, however wrong their machines' clocks are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from campaigns.attempts import Ledger
from campana.application import open_app
from campana.doctor import State, examine
from campana.settings import Settings
from storage.clock import ManualClock, SystemClock
from storage.database import open_database
from storage.server_clock import ServerClock
from storage.tables import attempts
from tests.support_campaigns import House, number
from tests.support_postgres import fresh_postgres

_HOUR = timedelta(hours=1)
#: A clock that is an hour wrong is told from one that is right by this, on a machine that stands still for a while too.
_NEAR = timedelta(minutes=10)
pytestmark = pytest.mark.postgres


@pytest.fixture
def skewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour ahead."""
    monkeypatch.setattr(SystemClock, "now", lambda _self: datetime.now(UTC) + _HOUR)


@pytest.fixture
def settings(postgres_server: str, postgres_template: str, tmp_path: Path) -> Iterator[Settings]:
    with fresh_postgres(postgres_server, postgres_template) as url:
        yield Settings(database_url=url, data_folder=tmp_path)


async def test_a_node_whose_clock_is_wrong_neither_reaps_the_living_nor_calls_at_the_wrong_hour(
    settings: Settings, skewed: None
) -> None:
    true = datetime.now(UTC)
    in_half_an_hour = [(true + timedelta(minutes=m)).strftime("%H:%M") for m in (40, 50)]
    if in_half_an_hour[0] > in_half_an_hour[1]:
        in_half_an_hour = ["00:40", "00:50"]
    with capture_logs() as logs:
        async with open_app(settings) as app:
            assert abs(app.clock.now() - true) < _NEAR
            house = await House(app.database, clock=ManualClock(true)).build()
            await house.campaign(people=1)
            living = house.ledger("living", lease_s=1800.0)
            (claim,) = (await living.claim(["line"], 1)).claims
            # The hour in which this node's machine believes itself to be.
            shut = await house.campaign(windows=[in_half_an_hour], time_zone="UTC")
            await house.contact(shut, number(7777))
            await house.campaigns.start(shut)
            wrong = Ledger(app.database, app.clock, node="wrong clock", lease_s=60.0)

            async def no_call(_trunk: str, _attempt_id: str) -> bool:
                raise AssertionError("a living call was asked for")

            assert await wrong.reap(no_call) == []
            assert (await wrong.claim(["line"], 5)).claims == ()
            assert await living.renew({claim.attempt_id: claim.fence}) == set()
            await wrong.renew({claim.attempt_id: claim.fence})
            (row,) = await house.rows(attempts)
            assert abs(row["lease_until"] - true - timedelta(seconds=60)) < _NEAR
    assert any(each["event"] == "machine_clock_differs" and each["ahead_s"] > 3000 for each in logs)


async def test_the_doctor_warns_of_a_wrong_clock(settings: Settings, request: pytest.FixtureRequest) -> None:
    async def clock_found() -> list[State]:
        return [found.state async for found in examine(settings) if found.check == "clock"]

    assert await clock_found() == [State.OK]
    request.getfixturevalue("skewed")
    assert await clock_found() == [State.WARNING]


async def test_an_answer_that_may_be_as_wrong_as_it_differs_changes_nothing(settings: Settings) -> None:
    readings = _Readings()
    async with open_database(settings.url) as database:
        clock = ServerClock(database, machine=ManualClock(datetime(2020, 1, 1, tzinfo=UTC)), steady=readings)
        assert clock.now().year == 2020, "nothing is known yet"
        await clock.measure()
        server = datetime.now(UTC)
        assert abs(clock.now() - server) < _NEAR
        assert clock.machine_ahead_s < -1e7
        readings.at_s = 3600.0
        assert clock.now() - server > timedelta(minutes=40)
        # An answer that took three hours may be an hour old.
        readings.took_s = 3 * 3600.0
        before = clock.now()
        await clock.measure()
        readings.took_s = 0.0
        assert clock.now() - before > timedelta(hours=2), "counted on, not set back"
        # One that came at once is believed.
        await clock.measure()
        assert abs(clock.now() - server) < _NEAR


class _Readings:
    """A steady clock that goes on by `took_s` with every look."""

    def __init__(self) -> None:
        self.at_s, self.took_s = 0.0, 0.0

    def __call__(self) -> float:
        self.at_s += self.took_s
        return self.at_s
