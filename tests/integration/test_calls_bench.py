"""The benches of calls through an Asterisk measure what they say, on a few calls."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from campana.calls_bench.bed import Bed
from campana.calls_bench.refusing import bench_busy, most_in_a_second
from campana.calls_bench.talking import bench_calls
from telephony.errors import TelephonyError
from tests.support_acceptance import free_port
from tests.support_asterisk import Asterisk
from tests.support_asterisk_campaign import trunk_of


async def test_every_call_is_recorded_and_every_attempt_accounted_for(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    async with Asterisk.start(tmp_path, port) as pbx:
        bed = Bed(trunk_of(pbx.ami_port), port, pbx.pid)
        talked = await bench_calls(bed, 3, 1.0)
        refused = await bench_busy(bed, 12, 0, 4)
    assert (talked.answered, talked.recordings, talked.leaked_channels, talked.leaked_calls) == (3, 3, 0, 0)
    assert 0 < talked.gap_p50_ms <= talked.gap_p99_ms <= talked.gap_max_ms
    assert (refused.unaccounted, refused.leaked_channels, refused.leaked_calls) == (0, 0, 0)
    assert 1 <= refused.most_in_a_second_arrived <= 12


async def test_a_trunk_that_leads_elsewhere_is_named(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path, free_port(socket.SOCK_DGRAM), without=("chan_pjsip",)) as pbx:
        with pytest.raises(TelephonyError, match="nobody answered"):
            await bench_calls(Bed(trunk_of(pbx.ami_port), free_port(socket.SOCK_DGRAM)), 1, 1.0)


def test_the_fullest_second_is_found() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([0.0, 0.25, 0.5, 0.75, 1.0, 1.25]) == 4
    assert most_in_a_second([0.0, 0.5, 0.999, 5.0]) == 3
