"""Logging: events with fields, to standard error; third parties' logs are routed and quietened here."""

from __future__ import annotations

import logging
import sys
import warnings

import structlog


def configure_logs(level: str, *, json_lines: bool | None = None) -> None:
    """Send structlog's events to standard error.

    `level` is debug, info, warning or error. JSON lines when standard error is no terminal, unless told.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
    _quieten_pipecat(level)
    if threshold > logging.DEBUG:
        warnings.simplefilter("ignore")


def _quieten_pipecat(level: str) -> None:
    """Pipecat logs through loguru, transcripts included: those stay below debug."""
    from loguru import logger

    logger.remove()
    if level == "debug":
        logger.add(sys.stderr, level="DEBUG", format="{time} {name}: {message}")
    else:
        logger.add(sys.stderr, level="ERROR", format="{name}: {level}", catch=True)
