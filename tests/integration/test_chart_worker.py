"""The process that draws charts: replaced when it dies, gone when its parent is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from reports.drawing import Bars, draw_png, draw_svg, worker

ROOT = Path(__file__).parents[2]
BARS = Bars([{"label": "AG", "calls": 3, "class": "A", "text": "3"}], "A chart", ["A"], ["#2f80c0"])


async def test_one_specification_is_drawn_in_both_forms() -> None:
    assert "AG" in await draw_svg("x", BARS)
    assert (await draw_png(BARS)).startswith(b"\x89PNG")


async def test_a_worker_that_was_killed_is_replaced() -> None:
    await draw_svg("x", BARS)
    (killed,) = worker.pids
    os.kill(killed, signal.SIGKILL)
    drawn = await asyncio.gather(*(draw_svg("x", BARS) for _ in range(3)))
    assert all("AG" in one for one in drawn)
    assert worker.pids != (killed,)


def test_the_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, time\n"
        "from reports.drawing import Bars, draw_svg, worker\n"
        "if __name__ == '__main__':\n"
        f"    asyncio.run(draw_svg('x', {BARS!r}))\n"
        "    print(*worker.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    file = tmp_path / "chart_parent.py"
    file.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
