"""What every page works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as InPath

from storage.clock import Clock, SystemClock
from storage.database import Database
from web.api.ports import ApiPorts
from web.control import CampaignControl
from web.talking import TalkDesk


@dataclass(frozen=True)
class WebSettings:
    """Settings of the dashboard."""

    recordings_dir: Path
    #: Seconds between two looks at a running campaign; no page gets events faster.
    live_interval_s: float = 1.0
    #: Host names by which the API, and nothing else, may be addressed from other machines.
    api_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shared:
    """One dashboard's database, settings and signals."""

    database: Database
    settings: WebSettings
    control: CampaignControl | None = None
    clock: Clock = field(default_factory=SystemClock)
    #: Set when the server is to end: event streams then end too.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: What the API is given; None: it is not served.
    api: ApiPorts | None = None
    #: Where test calls are asked for; None: nobody can be talked to.
    talk: TalkDesk | None = None


def _shared(request: Request) -> Shared:
    shared: Shared = request.app.state.shared
    return shared


SharedDep = Annotated[Shared, Depends(_shared)]

#: Ids as they may stand in an address; whatever else stands there is not found.
CampaignId = Annotated[int, InPath(ge=1, le=2**63 - 1)]
AttemptId = Annotated[str, InPath(pattern=r"^[0-9A-Za-z_-]{1,32}$")]
