"""The recordings that scripts play: checked beside the script, kept by their sha256 for the bot's version."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bot.errors import BotError
from bot.script.language import Say, Script
from bot.speech.recorded import Recorded
from campana.settings import Settings


def named_recordings(script: Script) -> dict[str, int]:
    """The recordings that a script names, each with the first line that does."""
    found: dict[str, int] = {}
    for _, block in script.blocks():
        if isinstance(block, Say) and block.audio is not None:
            found.setdefault(block.audio, block.line)
    return found


def checked_recordings(script: Script, folder: Path) -> dict[str, Recorded]:
    """The recordings of a script out of `folder`; raises `BotError` naming every one that cannot be used."""
    found, mistakes = {}, []
    for name, line in named_recordings(script).items():
        try:
            found[name] = Recorded.read(folder / name, name)
        except BotError as error:
            mistakes.append(f"{script.file}, line {line}: {error}")
    if mistakes:
        raise BotError("\n".join(mistakes))
    return found


async def recordings_beside(script: Script) -> dict[str, Recorded]:
    """The recordings beside a script's file; none for a script that was not read from one. Raises `BotError`."""
    file = Path(script.file)
    if not named_recordings(script) or not await asyncio.to_thread(file.is_file):
        return {}
    return await asyncio.to_thread(checked_recordings, script, file.parent)


def keep_recordings(settings: Settings, recorded: Mapping[str, Recorded]) -> dict[str, str]:
    """Copy recordings into the data folder, each under its sha256; the names with theirs. Blocking."""
    for file in recorded.values():
        kept = settings.sounds_folder / f"{file.sha256}.wav"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(file.path, kept)
    return {name: file.sha256 for name, file in recorded.items()}


def stored_recordings(settings: Settings, sounds: Mapping[str, str] | None) -> dict[str, Recorded]:
    """The recordings of a stored bot, by the names in its script; whether they are there shows when one is played."""
    folder = settings.sounds_folder
    return {name: Recorded(folder / f"{sha256}.wav", sha256, 0) for name, sha256 in (sounds or {}).items()}


def _copy_whole(source: Path, target: Path) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".new")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
