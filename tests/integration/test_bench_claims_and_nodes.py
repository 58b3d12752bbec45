"""The benchmarks of claims and of nodes in processes of their own: everybody is called, and every mix is claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.bench import bench_dial
from campaigns.bench_claim import Mix, bench_claim
from tests.support_postgres import fresh_postgres


async def test_claims_are_timed_with_every_mix_of_contacts(tmp_path: Path) -> None:
    found = await bench_claim(f"sqlite:///{tmp_path / 'bench.db'}", 400, 20, 5)
    taken = {figures.mix: figures.taken for figures in found}
    assert taken[Mix.PUT_OFF] == 0
    assert taken[Mix.DUE] == taken[Mix.MIXED] == taken[Mix.AT_ONCE] == 100
    assert all(0 < one.p50_ms <= one.p95_ms <= one.p99_ms <= one.max_ms for one in found)


@pytest.mark.postgres
async def test_nodes_in_processes_of_their_own_share_the_work(postgres_server: str) -> None:
    with fresh_postgres(postgres_server) as url:
        figures = await bench_dial(url, 40, nodes=2, processes=True)
    assert (figures.engine, figures.nodes, figures.processes, figures.attempts) == ("postgresql", 2, 2, 40)
    assert figures.attempts_per_s > 0
