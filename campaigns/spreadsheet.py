"""Reading a delimited text file as spreadsheets write it: encoding, delimiter, records with their line numbers."""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from campaigns.listfile import ListError, Record

DELIMITERS: Final = (",", ";", "\t", "|")
_CHUNK_BYTES: Final = 1 << 20
_SAMPLE_RECORDS: Final = 50
#: A quoted cell that runs on for longer than this was never meant to: its quotation mark is not closed.
_MOST_LINES: Final = 50
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_ENCODINGS: Final = "--encoding cp1258 (Vietnamese Windows) or --encoding cp1252 (Western Windows)"


@dataclass(frozen=True)
class TextSource:
    """A file that was read through once: it decodes, and this is how."""

    path: Path
    encoding: str
    delimiter: str
    sha256: str
    #: Physical lines.
    lines: int

    def records(self) -> Iterator[Record]:
        """The rows in order, the header first, blank ones left out; holds the file open until exhausted or closed."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            yield from _records(file, self.delimiter)


def inspect(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> TextSource:
    """Read the file through once, in bounded memory, so that nothing is stored of one that cannot be read.

    Raises `ListError` for a missing or empty file, and for an unknown or wrong encoding.
    """
    if delimiter is not None and delimiter not in DELIMITERS:
        raise ListError(f"{path}: the delimiter {delimiter!r} is not supported; use one of , ; | or a tab")
    try:
        chosen = _encoding(path, encoding)
        sha256, lines = _read_through(path, chosen, guessed=encoding is None)
        found = _separator_line(path, chosen) or delimiter or _sniff(path, chosen)
    except OSError as error:
        raise ListError(f"{path}: cannot be read: {error.strerror}; check the name and the permissions") from error
    return TextSource(path, chosen, delimiter or found, sha256, lines)


def _encoding(path: Path, wanted: str | None) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise ListError(f"{path}: the file is empty; it needs a header line and a phone column")
    if wanted is None:
        return next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8")
    try:
        name = codecs.lookup(wanted).name
    except LookupError as error:
        raise ListError(f"{path}: unknown encoding {wanted!r}; try utf-8, utf-16, cp1258 or cp1252") from error
    return "utf-8-sig" if name == "utf-8" else name


def _read_through(path: Path, encoding: str, *, guessed: bool) -> tuple[str, int]:
    """The file's sha256 and its number of lines; every byte is decoded on the way."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)()
    before, ends, open_line = 0, 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = ends + 1 + bytes(error.object[: error.start]).count(b"\n")
                raise ListError(_undecodable(path, encoding, before - pending + error.start, line, guessed)) from error
            if "\0" in text:
                raise ListError(f"{path}: the file holds NUL characters; if it is UTF-16, add --encoding utf-16-le")
            ends += text.count("\n")
            open_line = 0 if text.endswith("\n") else 1
            before += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ListError(_undecodable(path, encoding, before, ends + 1, guessed)) from error
    return digest.hexdigest(), ends + open_line


def _undecodable(path: Path, encoding: str, byte: int, line: int, guessed: bool) -> str:
    shown = encoding.removesuffix("-sig")
    remedy = f"save it as CSV UTF-8, or add {_OTHER_ENCODINGS}"
    if not guessed:
        remedy = f"it is not in this encoding; leave --encoding out if it is UTF-8, or try {_OTHER_ENCODINGS}"
    return f"{path}: line {line}, byte {byte}: not readable as {shown}; {remedy}"


def _separator_line(path: Path, encoding: str) -> str | None:
    """The delimiter of a first line `sep=;`, which spreadsheets write for each other."""
    with path.open(encoding=encoding, newline="") as file:
        return _separator(file.readline())


def _separator(line: str) -> str | None:
    text = line.rstrip("\r\n")
    if text[:4].lower() == "sep=" and text[4:] in DELIMITERS:
        return text[4:]
    return None


def _sniff(path: Path, encoding: str) -> str:
    """The delimiter that gives most of the first rows as many cells as the header, and more than one."""
    best, best_score = DELIMITERS[0], (0, 0)
    for delimiter in DELIMITERS:
        widths: list[int] = []
        with path.open(encoding=encoding, newline="") as file:
            for record in _records(file, delimiter):
                widths.append(len(record.cells))
                if len(widths) == _SAMPLE_RECORDS:
                    break
        if widths and widths[0] > 1:
            score = (sum(width == widths[0] for width in widths), widths[0])
            best, best_score = (delimiter, score) if score > best_score else (best, best_score)
    return best


def _records(file: TextIO, delimiter: str) -> Iterator[Record]:
    """Records with their first line. A quotation mark that is never closed spoils its own line only."""
    returned: deque[str] = deque()
    number = 1
    while line := _next(returned, file):
        cells, more = _open_ended(line, returned, file, delimiter) if '"' in line else (_split(line, delimiter), 0)
        if cells is None:
            raw = tuple(cell.strip('" ') for cell in _split(line, delimiter))
            yield Record(number, raw, "a quotation mark is not closed on this line, or a cell is too long")
        elif any(cell.strip() for cell in cells) and not (number == 1 and _separator(line)):
            yield Record(number, tuple(cells))
        number += 1 + more


def _next(returned: deque[str], file: TextIO) -> str:
    return returned.popleft() if returned else file.readline()


def _split(line: str, delimiter: str) -> list[str]:
    return line.rstrip("\r\n").split(delimiter)


def _open_ended(line: str, returned: deque[str], file: TextIO, delimiter: str) -> tuple[list[str] | None, int]:
    """The cells of the record that begins with `line`, and how many further lines it took; None when it has no end."""
    taken = [line]
    while True:
        try:
            return next(csv.reader(["".join(taken)], delimiter=delimiter, strict=True)), len(taken) - 1
        except csv.Error as error:
            still_open = "unexpected end of data" in str(error)
        if not still_open or len(taken) == _MOST_LINES or not (more := _next(returned, file)):
            break
        taken.append(more)
    returned.extendleft(reversed(taken[1:]))
    # A stray quotation mark inside one line is read as spreadsheets read it; over several lines it would join rows.
    return (None if still_open or len(taken) > 1 else _lenient(line, delimiter)), 0


def _lenient(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter))
    except csv.Error:
        return None
