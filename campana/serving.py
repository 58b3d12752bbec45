"""The dashboard and, beside it, a dialling node: one process, ended by SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

from rich.console import Console

from campaigns.campaigns import Campaigns
from campaigns.errors import CampaignError
from campaigns.runner import Runner
from campana.api import ApiEnrolment
from campana.application import App, open_app
from campana.calling import calling_rules
from campana.mailing import open_outbox
from campana.node import Node, open_node
from campana.settings import Settings
from campana.talk import open_desk
from storage.notify import open_notices
from web.api.ports import ApiPorts
from web.app import create_app
from web.control import Action
from web.errors import ControlRefused
from web.server import serving
from web.state import WebSettings


@dataclass(frozen=True)
class Control:
    """What people ask of a campaign on its page."""

    campaigns: Campaigns
    runner: Runner | None

    async def act(self, campaign_id: int, action: Action) -> None:
        """See `web.control.CampaignControl`."""
        move = {
            Action.START: self.campaigns.start,
            Action.RESUME: self.campaigns.start,
            Action.PAUSE: self.campaigns.pause,
            Action.STOP: self.campaigns.stop,
        }[action]
        try:
            await move(campaign_id)
        except CampaignError as error:
            raise ControlRefused(str(error)) from error
        if self.runner is not None:
            self.runner.wake()


async def serve_until_told(settings: Settings, host: str, port: int, *, dial: bool, screen: Console) -> None:
    """Serve until SIGINT or SIGTERM; a node among it then lets its live calls end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with (
        open_app(settings) as app,
        _dialling(app, screen, told, dial=dial) as node,
        open_desk(app, node.voicebots if node else None) as desk,
    ):
        pages = create_app(
            app.database,
            WebSettings(recordings_dir=settings.recordings_folder, api_hosts=settings.web.api_hosts),
            control=Control(app.campaigns, node.runner if node else None),
            clock=app.clock,
            api=ApiPorts(ApiEnrolment(app), app.account_id, rules=calling_rules(settings)),
            talk_desk=desk,
        )
        async with serving(pages, host=host, port=port, api_bind=settings.web.api_address) as where:
            screen.print(f"dashboard: {where.url}  (Ctrl-C ends it)", highlight=False)
            await told.wait()
        screen.print("ending")


@contextlib.asynccontextmanager
async def _dialling(app: App, screen: Console, told: asyncio.Event, *, dial: bool) -> AsyncIterator[Node | None]:
    """A node that dials running campaigns, or the outbox alone where there is nothing to dial with.

    `told` is set when the node has ended by itself: drained from elsewhere, or without a way to the network.
    """
    if not (dial and app.settings.trunks):
        reason = "no trunk is set up" if dial else "--no-dial"
        screen.print(f"not dialling: {reason}; reports are still mailed", highlight=False)
        async with open_notices(app.database) as notices, open_outbox(app, notices):
            yield None
        return
    async with open_node(app) as node, asyncio.TaskGroup() as tasks:
        # What is there before the first call stays: to look through it for garbage again and again would hold up the
        # loop for a tenth of a second each time.
        gc.collect()
        gc.freeze()
        running = tasks.create_task(node.runner.run_forever(), name="runner")
        running.add_done_callback(lambda _task: told.set())
        screen.print(f"dialling running campaigns over {', '.join(t.name for t in app.settings.trunks)}")
        try:
            yield node
        finally:
            node.runner.drain()
            await running
