"""`campana script say` with the real voice."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campana.cli.main import app
from tests.support_scripts import SMALL
from tests.support_speech import model_folder

RECORDED = "- say: Thank you.\n    - say: {text: A tone., audio: tone.wav}"


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.mark.speech
def test_each_line_becomes_a_file_that_can_be_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_folder("tts-en-joe")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "campana.toml").write_text('data_folder = "data"\n')
    tone = (np.sin(np.arange(4000) / 5) * 9000).astype(np.int16)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(tone.tobytes())
    (tmp_path / "small.yaml").write_text(SMALL.replace("- say: Thank you.", RECORDED))
    words = ["script", "say", "small.yaml", "--step", "agreed", "--var", "name=Anna", "--rate", "8000", "--json"]
    ran = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    line, recorded = json.loads(ran.stdout)
    assert (line["step"], line["text"], line["file"]) == ("agreed", "Thank you.", "small.lines/001-agreed.wav")
    with wave.open(str(tmp_path / line["file"])) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert file.getnframes() * 1000 // 8000 == line["ms"] > 300
        assert file.getsampwidth() == 2
        assert np.abs(np.frombuffer(file.readframes(file.getnframes()), np.int16)).max() > 1000
    assert (recorded["recording"], recorded["file"]) == ("tone.wav", "small.lines/002-agreed.wav")
    assert 200 < recorded["ms"] < 700
