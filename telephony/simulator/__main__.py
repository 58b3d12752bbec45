"""`python -m telephony.simulator`: the simulated network as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TextIO

import structlog

from telephony.errors import TelephonyError
from telephony.simulator.grammar import json_schema
from telephony.simulator.lines import Lines
from telephony.simulator.network import LOOPBACK, SimulatedNetwork
from telephony.simulator.persona import Persona
from telephony.simulator.persona_file import load_personas


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until standard input closes or SIGTERM or SIGINT comes; the exit status (2: a user's mistake)."""
    options = _options(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if options.schema:
        print(json.dumps(json_schema(), indent=2))
        return 0
    try:
        personas = load_personas(options.personas)
        asyncio.run(_serve(personas, options))
    except (TelephonyError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m telephony.simulator", description=__doc__)
    parser.add_argument("--personas", type=Path, help="folder of persona files, or one file")
    parser.add_argument("--audio", type=Path, help="folder of the rendered lines")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="UDP port; 0 takes a free one (default)")
    parser.add_argument("--log", type=Path, help="append a JSON line for each INVITE and each ended call")
    parser.add_argument("--record", type=Path, help="folder for what each answered call heard")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of persona files and end")
    options = parser.parse_args(arguments)
    if not options.schema and options.personas is None:
        parser.error("--personas is needed")
    return options


async def _serve(personas: tuple[Persona, ...], options: argparse.Namespace) -> None:
    lines = Lines(options.audio) if options.audio else None
    with contextlib.ExitStack() as files:
        log = files.enter_context(options.log.open("a", buffering=1, encoding="utf-8")) if options.log else None
        network = SimulatedNetwork(
            personas,
            lines,
            host=options.host,
            port=options.port,
            own_thread=False,
            record_dir=options.record,
            log=log,
            keep_heard=False,
        )
        stop = asyncio.Event()
        async with network, _stopping(stop):
            print(json.dumps({"listening": network.port}), flush=True)
            await stop.wait()


@contextlib.asynccontextmanager
async def _stopping(stop: asyncio.Event) -> AsyncIterator[None]:
    """Have `stop` set by SIGTERM, by SIGINT, and by the end of standard input where that is a pipe or a terminal."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    transport: asyncio.BaseTransport | None = None
    if _closes(sys.stdin):
        transport, _ = await loop.connect_read_pipe(lambda: _Closing(stop), sys.stdin)
    yield
    if transport is not None:
        transport.close()


def _closes(stream: TextIO) -> bool:
    """Whether the stream can come to an end that means something: /dev/null and files are at theirs from the start."""
    mode = os.fstat(stream.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()


class _Closing(asyncio.Protocol):
    """Sets an event when its pipe is closed at the other end."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
