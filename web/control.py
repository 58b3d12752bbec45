"""Starting, pausing and stopping a campaign from its page."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Action(StrEnum):
    """What a person may ask of a campaign."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


#: State of the campaign → what its page offers.
OFFERED: dict[str, tuple[Action, ...]] = {
    "draft": (Action.START,),
    "scheduled": (Action.START,),
    "running": (Action.PAUSE, Action.STOP),
    "paused": (Action.RESUME, Action.STOP),
}


class CampaignControl(Protocol):
    """Carries a person's wish out."""

    async def act(self, campaign_id: int, action: Action) -> None:
        """Returns once the campaign has moved; raises `web.errors.ControlRefused` with the reason if it cannot."""
        ...
