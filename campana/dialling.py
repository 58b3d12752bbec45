"""Dialling in the foreground: one campaign until it is complete, shown on a board, drained on Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy.exc import SQLAlchemyError

from campaigns.campaigns import CampaignStatus
from campaigns.runner import Runner
from campaigns.states import CampaignState
from campana.application import App
from campana.board import Board
from campana.node import Node, open_node

log = structlog.get_logger(__name__)

_LOOK_S = 2.0


async def dial_campaign(app: App, campaign_id: int, screen: Console) -> None:
    """Start the campaign and dial it until it has ended, or until the user asks to stop.

    A campaign that runs already is joined: its node may have died, or other nodes dial it too.
    """
    async with open_node(app) as node:
        await warm_up(node, campaign_id, screen)
        if (await app.campaigns.status(campaign_id)).state is not CampaignState.RUNNING:
            await app.campaigns.start(campaign_id)
        status = await app.campaigns.status(campaign_id)
        with draining(node.runner, screen):
            await run_shown(node, status, screen)


async def run_shown(node: Node, status: CampaignStatus, screen: Console) -> None:
    """Run a started campaign to its end with the live board."""
    contacts = sum(status.contacts.values())
    board = Board(status.name, contacts, node.app.clock, through=contacts - status.contacts_left)
    unsubscribe = node.runner.subscribe(board.follow)
    watching = asyncio.create_task(_watch_trunk(node.app, status.campaign_id, board))
    try:
        with board.shown(screen):
            await node.runner.run_until_complete(status.campaign_id)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        unsubscribe()


async def _watch_trunk(app: App, campaign_id: int, board: Board) -> None:
    """Say on the board when the campaign or a trunk is paused, and what becomes of the calls then."""
    while True:
        try:
            board.notify(await app.campaigns.hold_up(campaign_id))
        except SQLAlchemyError:
            log.exception("trunk_state_unknown", campaign_id=campaign_id)
        await asyncio.sleep(_LOOK_S)


async def warm_up(node: Node, campaign_id: int, screen: Console) -> None:
    """Speak the lines that are the same for everybody into the phrase cache, with a bar."""
    columns = (TextColumn("the bot learns its lines"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        bar = bars.add_task("lines", total=None)
        await node.voicebots.warm(campaign_id, lambda done, total: bars.update(bar, completed=done, total=total))


@contextlib.contextmanager
def draining(runner: Runner, screen: Console) -> Iterator[None]:
    """The first SIGINT or SIGTERM places no further call; the second hangs up and settles what is live."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    asked_before = False

    def asked() -> None:
        nonlocal asked_before
        if asked_before:
            task.cancel()
            return
        asked_before = True
        screen.print("no further calls are placed; waiting for the live ones (once more to hang up)")
        runner.drain()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
