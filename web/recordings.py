"""Recordings: played, downloaded and drawn. An address holds an attempt's id, never a path."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from reports.attempt import recording_of
from reports.wav import peaks
from web.rendering import fragment
from web.state import AttemptId, Shared, SharedDep

router = APIRouter()
_COLUMNS = 300


@router.get("/attempts/{attempt_id}/recording.wav")
async def recording(attempt_id: AttemptId, request: Request, shared: SharedDep) -> FileResponse:
    """The file, whole or in ranges (RFC 9110 §14); with `?download=1` as a file to keep."""
    path = await recording_file(shared, attempt_id)
    keep = request.query_params.get("download") == "1"
    return FileResponse(
        path,
        media_type="audio/wav",
        filename=f"{attempt_id}.wav",
        content_disposition_type="attachment" if keep else "inline",
        headers={"cache-control": "private, no-cache"},
    )


@router.get("/attempts/{attempt_id}/waveform.svg")
async def waveform(attempt_id: AttemptId, shared: SharedDep) -> Response:
    """The loudness of both sides over time: the customer above, the bot below."""
    path = await recording_file(shared, attempt_id)
    try:
        sides = await asyncio.to_thread(peaks, path, _COLUMNS)
    except (OSError, ValueError) as error:
        raise HTTPException(404, "This recording cannot be drawn.") from error
    drawn = fragment("waveform.svg", customer=sides[0], bot=sides[-1], columns=_COLUMNS)
    return Response(drawn, media_type="image/svg+xml", headers={"cache-control": "private, no-cache"})


async def recording_file(shared: Shared, attempt_id: str) -> Path:
    """The recording's file; 404 when there is none, or when its row points out of the recordings folder."""
    async with shared.database.read() as conn:
        found = await recording_of(conn, attempt_id)
    if found is None:
        raise HTTPException(404, "This call has no recording.")
    return await asyncio.to_thread(_inside, shared.settings.recordings_dir, found.path)


def _inside(folder: Path, relative: str) -> Path:
    root = folder.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise HTTPException(404, "The file of this recording is not in the recordings folder.")
    return path
