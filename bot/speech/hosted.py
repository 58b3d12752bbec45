"""Speech services by configuration: any Pipecat class that speaks or listens, made and run for us."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final

from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.pipeline import CallPipeline, PipelineBroken
from bot.speech.errors import BadService
from bot.speech.hosted_errors import Refusals

#: What services speak at, unless their arguments say otherwise, and what they are given to hear.
VOICE_HZ: Final = 24000
EARS_HZ: Final = 16000
_START_S: Final = 10.0


@dataclass(frozen=True)
class ServiceSpec:
    """A service as the settings have it.

    `path` is the class, `arguments` and `settings` go to it and to its `Settings`; `secrets` names for an argument
    the environment variable that holds it. `at_once` bounds requests at once, `timeout_s` the time of each.
    """

    name: str
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 4
    timeout_s: float = 8.0

    def fingerprint(self, language: str) -> str:
        """Equal for services that sound the same in a language; secrets are no part of it."""
        parts = [self.path, dict(self.arguments), dict(self.settings), language]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def secret_values(self) -> dict[str, str]:
        """The secrets by argument. Raises `BadService` for a variable that is not set."""
        found = {}
        for argument, variable in self.secrets.items():
            value = os.environ.get(variable)
            if not value:
                raise BadService(self.name, f"environment variable {variable} is not set; it holds {argument}")
            found[argument] = value
        return found


def service_class(spec: ServiceSpec, base: type[Any]) -> type[Any]:
    """The class that a service names. Raises `BadService` when there is no such class, or not of this kind."""
    module, dot, name = spec.path.rpartition(".")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = getattr(importlib.import_module(module), name, None) if dot else None
        if "openai" in sys.modules:
            # Else its client imports it at the first request, and holds up the event loop for seconds.
            importlib.import_module("openai.resources")
    except Exception as error:
        raise BadService(
            spec.name,
            f"class: {module} cannot be imported: {error}; install what it needs, for Pipecat's own services by "
            f'pip install "pipecat-ai[NAME]"',
        ) from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BadService(
            spec.name,
            f"class: {spec.path} is no {base.__name__}; write module and class, such as "
            "pipecat.services.openai.stt.OpenAISTTService",
        )
    return found


class HostedService:
    """One object of a service in a started pipeline of its own; `frames` gets all that it sends.

    `open` it first; `error` is what it reported last, as ours.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        base: type[Any],
        frames: Callable[[Frame], None],
        *,
        language: str,
        further: Mapping[str, Any] | None = None,
    ) -> None:
        self._spec = spec
        secrets = spec.secret_values()
        self._session: Any = None
        self.refusals = Refusals(spec.name, tuple(secrets.values()), tuple(spec.secrets.values()), spec.timeout_s)
        self.service: Any = self._made(service_class(spec, base), secrets, {"language": language, **(further or {})})
        self.error: Exception | None = None
        #: What it is saying now: nothing that errors may repeat.
        self.private = ""
        self.failed = asyncio.Event()
        self.service.add_event_handler("on_error", self._on_error)
        self._pipeline = CallPipeline(
            [self.service, _Tap(frames)], rate_hz=EARS_HZ, out_rate_hz=VOICE_HZ, on_failure=lambda _error: None
        )

    async def open(self) -> None:
        """Start it; raises `SpeechError` when it reports an error, or does not start in time."""
        try:
            await self._start()
        except BaseException:
            # Also where it was cancelled: nobody else knows of what has begun by then.
            await asyncio.shield(self.aclose())
            raise

    async def put(self, frame: Frame) -> None:
        """Hand it a frame, as if it came from the call."""
        await self._pipeline.put(frame)

    async def aclose(self) -> None:
        """End it at once. Idempotent."""
        await self._pipeline.stop()
        # Services that are made with OpenAI's client leave it open at their end.
        for each in (self._session, getattr(self.service, "_client", None)):
            close = getattr(each, "close", None)
            if inspect.iscoroutinefunction(close):
                await close()

    async def _start(self) -> None:
        try:
            async with asyncio.timeout(_START_S):
                await self._pipeline.start()
        except (PipelineBroken, TimeoutError) as error:
            raise self.refusals.of(error) from error
        if self.error is not None:
            raise self.error

    def _on_error(self, _service: FrameProcessor, frame: ErrorFrame) -> None:
        self.error = self.refusals.of_frame(frame, hide=self.private)
        self.failed.set()

    def _made(self, service: type[Any], secrets: Mapping[str, str], wanted: Mapping[str, Any]) -> Any:
        arguments = {**self._spec.arguments, **secrets}
        known = inspect.signature(service.__init__).parameters
        if "aiohttp_session" in known and "aiohttp_session" not in arguments:
            arguments["aiohttp_session"] = self._session = _http_session()
        takes = "settings" in known or any(each.kind is each.VAR_KEYWORD for each in known.values())
        settings = self._settings(getattr(service, "Settings", None) if takes else None, wanted)
        if settings is not None:
            arguments["settings"] = settings
        try:
            return service(**arguments)
        except Exception as error:
            if self._session is not None:
                self._session.detach()
            told = self.refusals.clean(str(error))
            raise BadService(self._spec.name, f"arguments: {service.__name__} does not take them: {told}") from error

    def _settings(self, kind: Any, wanted: Mapping[str, Any]) -> Any:
        given = dict(self._spec.settings)
        if not is_dataclass(kind):
            if given:
                raise BadService(self._spec.name, f"settings: {self._spec.path} has none; write them under arguments")
            return None
        known = [each.name for each in fields(kind)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise BadService(
                self._spec.name, f"settings: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
        fitting = {name: value for name, value in wanted.items() if name in known and value is not None}
        made: Any = kind
        return made(**{**fitting, **given})


class _Tap(FrameProcessor):
    """Shows every frame to somebody and passes it on."""

    def __init__(self, frames: Callable[[Frame], None]) -> None:
        super().__init__()
        self._frames = frames

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._frames(frame)
        await self.push_frame(frame, direction)


def has_setting(service: type[Any], name: str) -> bool:
    """Whether a service's `Settings` have a field of this name."""
    kind = getattr(service, "Settings", None)
    return is_dataclass(kind) and name in {each.name for each in fields(kind)}


def _http_session() -> Any:
    import aiohttp

    return aiohttp.ClientSession()
