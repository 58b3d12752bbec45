"""The numbers of a file, one a row or in a phone column: read and normalised in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from campaigns.columns import RESERVED, slug
from campaigns.listfile import ListError, Record, Source
from campaigns.numbers import InvalidNumber, normalise
from storage.worker import WorkerProcess

#: Batches that are normalised before they are wanted.
_AHEAD: Final = 2
#: From here on a process of its own, which takes a second to start, normalises while others are stored.
_LONG_LINES: Final = 20_000
#: A cell of the phone column as it stands in the file, with its line, and why it cannot be read.
Cell = tuple[int, str, str | None]


@dataclass(frozen=True)
class Refused:
    """A row that is no number."""

    line: int
    phone: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """What some rows of the file came to."""

    #: E.164, in the file's order; the same one may come twice.
    numbers: Sequence[str]
    refused: Sequence[Refused]

    @property
    def rows(self) -> int:
        return len(self.numbers) + len(self.refused)


def open_numbers(source: Source, region: str, column: str | None = None) -> Iterator[Cell]:
    """The cells of the file's phone column.

    `column` names it by its header; without it, it is the one that any contact list's header would name, or the only
    one, or, in a file without a header, the one that holds a number. Raises `ListError`.
    """
    records = source.records()
    first = next(records, None)
    if first is None:
        raise ListError(f"{source.path}: the file holds blank lines only; it needs one number a row")
    position, is_header = _column(source, first, region, column)
    rest = records if is_header else chain([first], records)
    return (_cell(record, position) for record in rest)


def _cell(record: Record, position: int) -> Cell:
    return record.line, record.cells[position] if position < len(record.cells) else "", record.error


def _column(source: Source, first: Record, region: str, wanted: str | None) -> tuple[int, bool]:
    """Where the numbers stand, and whether the first row is a header."""
    names = [slug(cell) for cell in first.cells]
    if wanted is not None:
        if slug(wanted) not in names:
            raise ListError(f"{source.path}: no column {wanted!r} in line {first.line}: {_shown(first)}")
        return names.index(slug(wanted)), True
    phones = [at for at, name in enumerate(names) if RESERVED.get(name) == "phone"]
    if len(phones) == 1:
        return phones[0], True
    numbers = [at for at, cell in enumerate(first.cells) if not isinstance(normalise(cell, region), InvalidNumber)]
    if not phones and len(numbers) == 1:
        return numbers[0], False
    if len(first.cells) == 1:
        # A title over the numbers, in whatever words; a number that is none is a row like any other.
        return 0, not any(character.isdigit() for character in first.cells[0])
    several = "several columns hold numbers" if phones or numbers else "no column is known to hold numbers"
    raise ListError(f"{source.path}: line {first.line}: {several}: {_shown(first)}; name one with --column")


def _shown(first: Record) -> str:
    return ", ".join(repr(cell.strip()) for cell in first.cells if cell.strip())


async def numbers_of(cells: Iterator[Cell], region: str, size: int, *, lines: int) -> AsyncGenerator[Batch, None]:
    """The batches in order, up to `size` rows each; those of a file of many lines come out of another process."""
    if lines < _LONG_LINES:
        while batch := await asyncio.to_thread(_read, cells, size):
            yield await asyncio.to_thread(_normalised, batch, region)
        return
    worker = WorkerProcess()
    under_way: deque[asyncio.Task[Batch]] = deque()
    try:
        while True:
            while len(under_way) < _AHEAD and (batch := await asyncio.to_thread(_read, cells, size)):
                under_way.append(asyncio.create_task(_beside(worker, batch, region)))
            if not under_way:
                return
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.to_thread(worker.close)


async def _beside(worker: WorkerProcess, batch: list[Cell], region: str) -> Batch:
    try:
        return await worker.run(_normalised, batch, region)
    except (BrokenProcessPool, OSError):
        # Where memory or processes are short it is only slower to do without.
        return await asyncio.to_thread(_normalised, batch, region)


def _read(cells: Iterator[Cell], size: int) -> list[Cell]:
    return list(islice(cells, size))


def _normalised(batch: list[Cell], region: str) -> Batch:
    numbers: list[str] = []
    refused: list[Refused] = []
    for line, phone, error in batch:
        found = InvalidNumber(error) if error else normalise(phone, region)
        if isinstance(found, InvalidNumber):
            refused.append(Refused(line, phone.strip(), found.reason))
        else:
            numbers.append(found.e164)
    return Batch(numbers, refused)
