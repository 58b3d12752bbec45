"""Hard times through the real command: a dead trunk, a mail server that is away, a full disk for recordings."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campana.mail_sink import MailSink
from tests.support_acceptance import AGREES, Site, free_port, network, require_models, running

pytestmark = [pytest.mark.acceptance, pytest.mark.speech]

NOBODY = """\
number: "*"
name: Number not in service
reject: {status: 404}
"""
TALKER = f"""\
number: "*"
name: Agrees after a while
answer: {{after_ms: 200}}
play: [wait_for_bot, {{wait: 1000}}, {{say: "{AGREES}"}}]
"""
PEOPLE = [f"+8490100001{n}" for n in range(4)]


@contextlib.contextmanager
def _deaf_port() -> Iterator[int]:
    """A UDP port that takes everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


@contextlib.contextmanager
def _closed_port() -> Iterator[int]:
    yield free_port(socket.SOCK_DGRAM)


@pytest.mark.parametrize("trunk", [_deaf_port, _closed_port], ids=["silent", "closed"])
async def test_a_trunk_that_does_not_answer_costs_bounded_time(
    site: Site, trunk: Callable[[], contextlib.AbstractContextManager[int]]
) -> None:
    require_models()
    rule = {"when": ["unreachable"], "times": 1, "after_min": 0.02}
    with trunk() as port:
        site.settings(trunk_port=port)
        # Fewer failures than pause the trunk.
        people = PEOPLE[:2]
        await site.enrol(people, max_attempts=2, call_backs=[rule], concurrency=4)
        began = time.monotonic()
        ran = (await site.run("campaign", "start", "C1", "--json")).ok()
    # Two rounds of the 6 s after which a silent peer counts as dead, far below the 32 s of RFC 3261.
    assert time.monotonic() - began < 60
    assert ran.json()["state"] == "completed"
    attempts = site.rows("SELECT action_code, call_status, answered_at, network_text FROM attempts")
    assert len(attempts) == 2 * len(people)
    assert {(row["action_code"], row["call_status"], row["answered_at"]) for row in attempts} == {
        ("CU", "CHANUNAVAIL", None)
    }
    assert all(row["network_text"] for row in attempts)
    assert {row["state"] for row in site.rows("SELECT state FROM contacts")} <= {"exhausted", "error"}
    await site.audit()


async def test_a_report_waits_for_the_mail_server_and_goes_out_once(site: Site) -> None:
    require_models()
    port = free_port()
    async with network(site.folder, NOBODY, None) as far:
        site.settings(trunk_port=far.port, smtp_port=port)
        await site.enrol(PEOPLE)
        ran = await site.run("campaign", "start", "C1")
    assert ran.code == 0, ran.text
    assert "completed" in ran.out
    told = ran.refused(f"mail server 127.0.0.1:{port}", "waits", "campana serve", code=0)
    assert "report" in told
    [waiting] = site.rows("SELECT key, state, last_error FROM outbox")
    assert waiting["state"] == "pending"
    assert f"127.0.0.1:{port}" in waiting["last_error"]
    async with MailSink(site.folder / "mail", port=port) as sink:
        for _ in range(2):
            async with running(site, "serve", "--no-dial", "--port", "0") as server:
                await server.says("dashboard: ")
                assert await sink.wait_for(1, timeout_s=30)
                (await server.interrupt()).ok()
    [mail] = sink.files
    assert b"boss@example.com" in mail.read_bytes()
    [done] = site.rows("SELECT state, last_error FROM outbox")
    assert done == {"state": "done", "last_error": None}


def _small_disk(folder: str) -> tuple[str, ...]:
    """A wrapper that runs a command with 48 kB of room in `folder`, in a mount namespace of its own."""
    mount = 'mount -t tmpfs -o size=48k none "$0" && exec "$@"'
    wrapper = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, folder)
    remedy = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run the tests as root"
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: Debian package util-linux")
    tried = subprocess.run([*wrapper, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here ({tried.stderr.strip()}): {remedy}")
    return wrapper


async def test_a_full_disk_for_recordings_stops_no_call(site: Site, spoken: Callable[[str], Path]) -> None:
    require_models()
    folder = site.folder / "data" / "recordings"
    folder.mkdir(parents=True)
    small = _small_disk(str(folder))
    audio = await asyncio.to_thread(spoken, TALKER)
    async with network(site.folder, TALKER, audio) as far:
        site.settings(trunk_port=far.port)
        await site.enrol(PEOPLE[:2])
        site.wrapper = small
        ran = await site.run("campaign", "start", "C1", "--json")
        site.wrapper = ()
    assert "Traceback" not in ran.err, ran.text
    assert ran.json()["state"] == "completed"
    attempts = site.rows("SELECT id, action_code, blocks, messages FROM attempts")
    assert [row["action_code"] for row in attempts] == ["AG", "AG"]
    recordings = site.rows("SELECT attempt_id, error FROM recordings")
    assert {row["attempt_id"] for row in recordings} == {row["id"] for row in attempts}
    assert all("No space left" in row["error"] for row in recordings)
    charged = site.rows("SELECT DISTINCT attempt_id FROM ledger_entries")
    assert {row["attempt_id"] for row in charged} == {row["id"] for row in attempts}
    await site.audit()
