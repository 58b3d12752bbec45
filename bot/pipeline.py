"""One Pipecat pipeline a call: customer's audio in, bot's audio out, nothing shared but the models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from bot.errors import BotError


class PipelineBroken(BotError):
    """The pipeline of a call failed inside."""


class CallPipeline:
    """Runs processors from `start` until `stop`; leaves no task behind.

    Each call has a runner of its own: Pipecat's idle time-outs, buses and registries reach no other call.
    """

    def __init__(
        self,
        processors: Sequence[FrameProcessor],
        *,
        rate_hz: int,
        on_failure: Callable[[BaseException], None],
        out_rate_hz: int | None = None,
    ) -> None:
        self._worker = PipelineWorker(
            Pipeline(processors),
            params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=out_rate_hz or rate_hz),
            # A customer may think for as long as the script allows; the longest call is bounded elsewhere.
            idle_timeout_secs=None,
            cancel_on_idle_timeout=False,
            cancel_runner_on_idle_timeout=False,
            enable_rtvi=False,
            enable_turn_tracking=False,
            cancel_timeout_secs=5.0,
        )
        self._on_failure = on_failure
        self._runner: WorkerRunner | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns once every processor is ready. Raises `PipelineBroken`."""
        started = asyncio.Event()

        async def on_started(_worker: PipelineWorker, _frame: Frame) -> None:
            started.set()

        async def on_error(_worker: PipelineWorker, frame: ErrorFrame) -> None:
            self._on_failure(frame.exception or PipelineBroken(frame.error))

        self._worker.add_event_handler("on_pipeline_started", on_started)
        self._worker.add_event_handler("on_pipeline_error", on_error)
        self._runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await self._runner.add_workers(self._worker)
        self._running = asyncio.create_task(self._runner.run(), name="call pipeline")
        ready = asyncio.create_task(started.wait())
        try:
            await asyncio.wait({self._running, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not started.is_set():
            raise PipelineBroken("the pipeline did not start")

    async def put(self, frame: Frame) -> None:
        """Hand a frame to the first processor."""
        await self._worker.queue_frame(frame)

    async def stop(self) -> None:
        """End at once; what is still to be said is dropped. Idempotent."""
        running, self._running = self._running, None
        if running is not None and self._runner is not None:
            await self._runner.cancel()
            await asyncio.wait({running})
