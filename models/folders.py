"""Where models live and come from on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def default_models_dir() -> Path:
    """`CAMPANA_MODELS_DIR`, else campana/models in the user's data folder (XDG Base Directory Specification)."""
    named = os.environ.get("CAMPANA_MODELS_DIR")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "campana" / "models"


def named_folder(variable: str) -> Path | None:
    """The folder that an environment variable names, or None."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None
