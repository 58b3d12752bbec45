"""The phrase cache: memory, disk, damage, limits."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.speech.phrases import Phrase, PhraseCache

GOODBYE = Phrase("piper:abc", "Goodbye.", 1.0, 8000)
HELLO = Phrase("piper:abc", "Hello.", 1.0, 8000)
PCM = bytes(range(200)) * 10


@pytest.mark.parametrize(
    "other",
    [
        Phrase("piper:abd", "Hello.", 1.0, 8000),
        Phrase("piper:abc", "Hello!", 1.0, 8000),
        Phrase("piper:abc", "Hello.", 1.1, 8000),
        Phrase("piper:abc", "Hello.", 1.0, 16000),
    ],
    ids=["voice", "text", "speed", "rate"],
)
def test_voice_text_speed_and_rate_each_make_another_key(other: Phrase) -> None:
    assert other.key != HELLO.key
    assert Phrase("piper:abc", "Hello.", 1.0, 8000).key == HELLO.key


def test_a_stored_line_is_there_for_another_process(tmp_path: Path) -> None:
    PhraseCache(tmp_path / "new").store(HELLO, PCM)
    assert PhraseCache(tmp_path / "new").get(HELLO) == PCM
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{HELLO.key}.pcm"]


def test_without_a_folder_memory_alone_serves() -> None:
    cache = PhraseCache(None)
    assert cache.get(HELLO) is None
    cache.store(HELLO, PCM)
    assert cache.get(HELLO) is None
    cache.put(HELLO, PCM)
    assert cache.get(HELLO) == PCM
    assert cache.prune() == 0


@pytest.mark.parametrize("change", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_file_counts_as_absent_and_is_written_anew(tmp_path: Path, change: str) -> None:
    PhraseCache(tmp_path).store(HELLO, PCM)
    file = tmp_path / f"{HELLO.key}.pcm"
    raw = file.read_bytes()
    file.write_bytes({"cut": raw[:-2], "flip": raw[:-1] + b"\xff", "empty": b"", "foreign": b"RIFF" + raw}[change])
    cache = PhraseCache(tmp_path)
    with capture_logs() as logs:
        assert cache.get(HELLO) is None
    assert [entry["event"] for entry in logs] == ["speaking.cache_damaged"]
    cache.store(HELLO, PCM)
    assert cache.get(HELLO) == PCM


def test_lines_longest_without_use_leave_memory_first() -> None:
    cache = PhraseCache(None, memory_bytes=2 * len(PCM))
    lines = [Phrase("v", str(n), 1.0, 8000) for n in range(3)]
    cache.put(lines[0], PCM)
    cache.put(lines[1], PCM)
    assert cache.get(lines[0]) == PCM
    cache.put(lines[2], PCM)
    assert [cache.get(line) is not None for line in lines] == [True, False, True]


def test_putting_a_line_twice_counts_it_once() -> None:
    cache = PhraseCache(None, memory_bytes=2 * len(PCM))
    other = Phrase("v", "other", 1.0, 8000)
    cache.put(other, PCM)
    for _ in range(5):
        cache.put(HELLO, PCM)
    assert cache.get(other) == PCM


def test_a_line_larger_than_memory_is_not_kept() -> None:
    cache = PhraseCache(None, memory_bytes=len(PCM) - 1)
    cache.put(HELLO, PCM)
    assert cache.get(HELLO) is None


def test_the_folder_is_cut_to_its_limit_oldest_use_first(tmp_path: Path) -> None:
    lines = [Phrase("v", str(n), 1.0, 8000) for n in range(4)]
    writer = PhraseCache(tmp_path)
    for at, line in enumerate(lines):
        writer.store(line, PCM)
        os.utime(tmp_path / f"{line.key}.pcm", (1000 + at, 1000 + at))
    size = (tmp_path / f"{lines[0].key}.pcm").stat().st_size
    assert PhraseCache(tmp_path).get(lines[0]) == PCM

    cache = PhraseCache(tmp_path, disk_bytes=2 * size)
    assert cache.prune() == 2
    assert [cache.get(line) is not None for line in lines] == [True, False, False, True]
    assert cache.prune() == 0


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_the_folder_stays_within_its_limit_while_lines_are_added(tmp_path: Path) -> None:
    cache = PhraseCache(tmp_path, disk_bytes=50_000, prune_every_bytes=10_000)
    most = 0
    for number in range(200):
        cache.store(Phrase("v", f"Hello customer {number}.", 1.0, 8000), PCM)
        most = max(most, on_disk(tmp_path))
    assert 50_000 - 2 * len(PCM) <= most < 50_000 + 10_000 + 2 * len(PCM)
    assert cache.get(Phrase("v", "Hello customer 0.", 1.0, 8000)) is None
    assert cache.get(Phrase("v", "Hello customer 199.", 1.0, 8000)) == PCM


def test_threads_that_store_at_once_stay_within_the_limit(tmp_path: Path) -> None:
    cache = PhraseCache(tmp_path, disk_bytes=50_000, prune_every_bytes=10_000)
    lines = [Phrase("v", str(number), 1.0, 8000) for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda line: cache.store(line, PCM), lines))
    assert on_disk(tmp_path) < 50_000 + 10_000 + 5 * len(PCM)


def test_a_line_that_is_used_from_memory_stays_on_disk(tmp_path: Path) -> None:
    cache = PhraseCache(tmp_path, disk_bytes=50_000, prune_every_bytes=10_000)
    for line in (HELLO, GOODBYE):
        cache.store(line, PCM)
        cache.put(line, PCM)
        os.utime(tmp_path / f"{line.key}.pcm", (1000, 1000))
    for number in range(100):
        assert cache.get(HELLO) == PCM
        other = Phrase("v", str(number), 1.0, 8000)
        cache.store(other, PCM)
        os.utime(tmp_path / f"{other.key}.pcm", (2000 + number, 2000 + number))
    after = PhraseCache(tmp_path)
    assert after.get(HELLO) == PCM
    assert after.get(GOODBYE) is None


def test_a_folder_that_cannot_be_pruned_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refused)
    cache = PhraseCache(tmp_path, disk_bytes=0, prune_every_bytes=1)
    with capture_logs() as logs:
        cache.store(HELLO, PCM)
        assert cache.prune() == 0
    assert [entry["event"] for entry in logs] == ["speaking.cache_unusable"]
    assert cache.get(HELLO) == PCM


def test_drafts_of_a_dead_process_are_dropped_and_fresh_ones_are_not(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".a.new", tmp_path / ".b.new"
    old.write_bytes(b"x")
    fresh.write_bytes(b"x")
    os.utime(old, (1000, 1000))
    PhraseCache(tmp_path).prune()
    assert not old.exists()
    assert fresh.exists()


def test_a_disk_that_cannot_be_used_is_told_once_and_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "phrases").write_text("a file, not a folder")
    cache = PhraseCache(tmp_path / "phrases")
    with capture_logs() as logs:
        for _ in range(3):
            cache.store(HELLO, PCM)
            assert cache.get(HELLO) is None
    assert [entry["event"] for entry in logs] == ["speaking.cache_unusable"]
    cache.put(HELLO, PCM)
    assert cache.get(HELLO) == PCM
