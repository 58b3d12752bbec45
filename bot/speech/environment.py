"""How a process is set up for speech: libraries' threads before their import, memory once models are loaded."""

from __future__ import annotations

import gc
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


def settle_memory() -> None:
    """Take what is loaded by now out of garbage collection; blocks some 0.1 s.

    A full collection otherwise walks a hundred thousand objects of models and libraries, which never go, and holds
    every call up for 100 ms.
    """
    gc.collect()
    gc.freeze()
