"""An opt-out on its way to the ledger: durable before the bot's next word (DESIGN invariant 5)."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from bot.outcome import Job, OptOut

_log = structlog.get_logger(__name__)

#: How long the customer waits in silence for an opt-out to be committed.
_COMMIT_S: Final = 5.0
#: How long a call that is over waits for it; the result tells of it in any case.
_LATE_COMMIT_S: Final = 10.0


class Committing:
    """The opt-outs of one conversation."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._commit: asyncio.Future[None] | None = None
        #: An opt-out was said that nobody has written down for certain.
        self.pending = False

    async def begin(self, opt_out: OptOut) -> bool:
        """Have it written down; False when that takes too long. Raises what it failed of."""
        self.pending = True
        self._commit = commit = asyncio.ensure_future(self._job.on_opt_out(opt_out))
        await asyncio.wait({commit}, timeout=_COMMIT_S)
        if not commit.done():
            _log.error("dialogue.opt_out_slow", attempt=self._job.attempt_id)
            return False
        commit.result()
        self.pending = False
        return True

    async def finish(self) -> None:
        """Wait for one that is still under way, but not for long."""
        commit, self._commit = self._commit, None
        if commit is None or commit.done():
            return
        await asyncio.wait({commit}, timeout=_LATE_COMMIT_S)
        error = TimeoutError() if commit.cancel() else None if commit.cancelled() else commit.exception()
        if error is not None:
            _log.error("dialogue.opt_out_uncommitted", attempt=self._job.attempt_id, error=describe(error))


def describe(error: BaseException) -> str:
    """An error as one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
