"""`campana bench media` measures real calls: a few, and briefly. What it finds is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from telephony.ami.account import AmiAccount
from telephony.media.bench import Load, MediaFigures, Stall, bench_alone, gaps_of
from telephony.media.bench_asterisk import Bed, bench_asterisk
from tests.support_asterisk import Asterisk
from tests.support_sipp import free_port


def plausible(figures: MediaFigures, calls: int) -> bool:
    return (
        figures.calls == calls
        and figures.frames > 20 * calls
        and 0 < figures.gap_p50_ms <= figures.gap_p99_ms <= figures.gap_max_ms
        and figures.silent_pct < 100
    )


@pytest.mark.parametrize("stall", list(Stall))
async def test_alone(stall: Stall) -> None:
    assert plausible(await bench_alone(Load(2, 2.5, 16000, stall_ms=150, stall=stall)), 2)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
async def test_through_asterisk(rate_hz: int, tmp_path: Path) -> None:
    port = free_port()
    async with Asterisk.start(tmp_path, port) as pbx:
        account = AmiAccount("127.0.0.1", pbx.ami_user, pbx.ami_secret, pbx.ami_port)
        assert plausible(await bench_asterisk(Load(2, 2.5, rate_hz), Bed(account, port)), 2)
        await pbx.until_cli("core show channels count", "0 active channels")


def test_gaps_leave_the_beginning_out() -> None:
    assert gaps_of([float(number) for number in range(0, 40, 20)]) == []
    assert gaps_of([*(float(number) for number in range(50)), 100.0, 120.0, 145.5]) == [20.0, 25.5]
