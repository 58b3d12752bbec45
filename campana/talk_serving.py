"""The dashboard for talking alone: no node dials, no mail leaves, and it ends by SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Console

from bot.script.loader import load_script
from campana.application import App, open_app
from campana.bots import find_bot, read_bot
from campana.settings import Settings
from campana.talk import open_desk
from web.app import create_app
from web.server import serving
from web.state import WebSettings


@dataclass(frozen=True)
class Beginning:
    """What the page begins with."""

    scripts: tuple[Path, ...]
    bot: str | None
    variables: Mapping[str, str]


async def talk_until_told(settings: Settings, beginning: Beginning, port: int, *, screen: Console) -> None:
    """Serve until SIGINT or SIGTERM. Raises `NoSuchBot`, or the script's errors, before anything is served."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with open_app(settings) as app, open_desk(app, scripts=beginning.scripts) as desk:
        query = await _query(app, beginning)
        pages = create_app(
            app.database, WebSettings(recordings_dir=settings.recordings_folder), clock=app.clock, talk_desk=desk
        )
        async with serving(pages, host=settings.web.host, port=port) as where:
            screen.print(f"talk: {where.url}/talk{query}  (Ctrl-C ends it)", highlight=False, soft_wrap=True)
            await told.wait()
        screen.print("ending")


async def _query(app: App, beginning: Beginning) -> str:
    """The page's address with what it begins with, checked."""
    chosen: dict[str, str] = {}
    for path in beginning.scripts:
        await asyncio.to_thread(load_script, path)
    if beginning.bot is not None:
        found = await find_bot(app, *read_bot(beginning.bot))
        chosen = {"bot": found.name, "version": str(found.version)}
    chosen |= {f"var.{name}": text for name, text in beginning.variables.items()}
    return f"?{urlencode(chosen)}" if chosen else ""
