"""What must stand in the process environment before numpy, onnxruntime or CTranslate2 are imported."""

from __future__ import annotations

import os
import sys

#: One thread a library: the work pool runs several engines side by side, and nested thread pools fight for the cores.
SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Models come from models/ alone; a speech library must never reach for the network by itself.
    "HF_HUB_OFFLINE": "1",
}


def prepare_environment() -> bool:
    """Set what the speech libraries read at import; what the user has set already stays.

    Returns whether it came in time, that is before numpy was imported.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return "numpy" not in sys.modules
