"""`campana script`: what it prints, for people and for programs, and how it exits."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from bot.errands import Piece
from bot.errors import BotError
from bot.outcome import LlmUsage
from bot.script.replies import Consult
from campana.cli.main import app
from tests.support_scripts import DEMO, SMALL

TESTS = """
tests:
  - name: pays
    variables: {name: Anna}
    talk:
      - said: I will pay
        bot: Thank you
    code: AG
"""


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    (tmp_path / "small.tests.yaml").write_text(TESTS)
    return path


def _run(*arguments: str | Path, code: int = 0, typed: str | None = None) -> str:
    words = ["script", *map(str, arguments)]
    ran = CliRunner(env={"COLUMNS": "250"}).invoke(app, words, input=typed, catch_exceptions=False)
    assert ran.exit_code == code, ran.output
    return ran.stdout


def _data(*arguments: str | Path, code: int = 0, typed: str | None = None) -> Any:
    return json.loads(_run(*arguments, "--json", code=code, typed=typed))


def test_check_names_each_mistake_with_its_line_and_exits_with_1(tmp_path: Path, small: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("steps:\n  a:\n    - say: Hi {nmae}\n    - goto: b\n  c:\n    - end\n")
    found = _data("check", small, wrong, tmp_path / "missing.yaml", code=1)
    assert [each["ok"] for each in found] == [True, False, False]
    told = {(problem["line"], problem["message"]) for problem in found[1]["problems"]}
    assert told == {(3, "undefined variable `nmae`"), (4, "there is no step `b`"), (5, "unreachable step `c`")}
    assert "cannot read the script" in found[2]["problems"][0]["message"]
    assert _data("check", DEMO)[0]["problems"] == []
    assert "no mistakes (small, en," in _run("check", small)


def test_check_names_a_recording_that_is_not_there(small: Path) -> None:
    small.write_text(SMALL.replace("- say: Thank you.", "- say: {text: Thank you., audio: thanks.wav}"))
    (found,) = _data("check", small, code=1)
    (problem,) = found["problems"]
    assert problem["line"] == SMALL[: SMALL.index("- say: Thank you.")].count("\n") + 1
    assert "thanks.wav" in problem["message"]
    assert problem["remedy"]


def test_show_draws_in_each_format(small: Path) -> None:
    assert "agree → agreed, line" in _run("show", small)
    assert _run("show", small, "--format", "mermaid").startswith("flowchart TD\n")
    assert _run("show", small, "--format", "dot").startswith('digraph "small" {')
    assert _data("show", small) == json.loads(_run("show", small, "--format", "json"))


def test_chat_answers_what_is_typed_and_tells_code_and_confidence(small: Path) -> None:
    typed = "how much is it\n\n/silence\n/bad\n/key 1\n"
    told = _run("chat", small, "--var", "name=Anna", "--explain", typed=typed)
    for part in ("bot: Hello Anna.", "understood amount (1.00)", "Are you there?", "code AG", "the bot hung up"):
        assert part in told
    data = _data("chat", small, "--var", "name=Anna", typed="how much is it\n/quit\nyes\n")
    assert [turn["text"] for turn in data["turns"] if turn["speaker"] == "customer"] == ["how much is it"]
    assert (data["code"], data["ended"], data["turns"][2]["intent"]) == (None, False, "amount")


def test_chat_reads_call_back_times_from_the_instant_it_is_given(small: Path) -> None:
    typed = "call me tomorrow at ten\n"
    told = _run("chat", small, "--var", "name=A", "--now", "2026-03-04T08:00:00+00:00", typed=typed)
    assert "call back at 2026-03-05T10:00:00+07:00" in told
    assert "write an instant" in _stderr("chat", small, "--now", "soon")
    assert "write name=value" in _stderr("chat", small, "--var", "name")


def _stderr(*arguments: str | Path) -> str:
    ran = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["script", *map(str, arguments)])
    assert ran.exit_code == 2
    return ran.stderr


def test_tests_pass_or_fail_with_what_was_expected(small: Path) -> None:
    assert "1 tests passed" in _run("test", small)
    beside = small.with_name("small.tests.yaml")
    beside.write_text(TESTS.replace("code: AG", "code: NU"))
    (result,) = _data("test", small, code=1)
    (failure,) = result["failures"]
    assert (failure["line"], failure["expected"]) == (8, "code NU")
    told = _run("test", small, code=1)
    assert "customer: I will pay" in told
    assert "1 tests, 1 failed" in told
    with pytest.raises(BotError, match="no test is called"):
        _run("test", small, "--only", "nothing")


def test_evaluate_measures_sentences_beside_the_script_or_its_own_samples(small: Path) -> None:
    crossed = _data("evaluate", DEMO, "--folds", "3", "--sentences", DEMO.with_name("script.sentences.yaml"))
    assert (crossed["total"], crossed["threshold"]) == (93, 0.5)
    assert crossed["right"] == round(crossed["accuracy"] * crossed["total"])
    small.with_name("small.sentences.yaml").write_text(
        "agree: [I will pay you]\nrefuse: [I will]\nnone: [blue bananas]\n"
    )
    data = _data("evaluate", small, "--at-least", "0.9", code=1)
    assert (data["total"], data["confusion"]["none"]["none"]) == (3, 1)
    assert data["training_ms"] > 0
    told = _run("evaluate", small)
    for part in ("understood as meant", "min_confidence: 0.5 now", "I will ("):
        assert part in told
    small.with_name("small.sentences.yaml").unlink()
    script = small.read_text().replace("samples: [I will pay]", "samples: [I will pay, sure I pay it]")
    small.write_text(script)
    assert "5 parts" in _data("evaluate", small)["sentences"]


HOOKED = """
steps:
  first:
    - webhook:
        url: https://crm.example.com/me
        headers: {Authorization: "Bearer {secret:CRM}"}
        into: {balance: data.balance}
    - say: You have {balance} left.
    - llm: {goal: Say goodbye., tools: {codes: [CB]}}
"""


def test_chat_has_services_and_models_answered_by_a_file_or_by_who_types(small: Path) -> None:
    script = small.with_name("hooked.yaml")
    script.write_text(HOOKED)
    answers = small.with_name("answers.json")
    answers.write_text('[{"data": {"balance": 12}}]')
    typed = 'Anything else?\nno\n/tool set_code {"code": "CB"}\n/tool end_call\nBye.\n'
    data = _data("chat", script, "--webhook", answers, typed=typed)
    assert data["turns"][0]["text"] == "You have 12 left. Anything else?"
    assert data["turns"][0]["asked"] == ["POST https://crm.example.com/me: balance = 12"]
    assert (data["turns"][-1]["text"], data["code"], data["ended"]) == ("Bye.", "CB", True)
    data = _data("chat", script, typed=f"thirteen\n{typed}")
    assert data["turns"][0]["text"] == "You have thirteen left. Anything else?"
    data = _data("chat", script, typed="/fail\n/fail\n/quit\n")
    assert data["turns"][0]["asked"] == ["POST https://crm.example.com/me: a failure"]
    for text, told in (("{", "not JSON"), ("[]", "no answer")):
        answers.write_text(text)
        with pytest.raises(BotError, match=told):
            _run("chat", script, "--webhook", answers)


def test_a_live_chat_asks_the_service_itself(small: Path) -> None:
    script = small.with_name("live.yaml")
    with served(b'{"data": {"balance": 7.50}}') as (port, requests):
        script.write_text(LIVE.format(port=port))
        small.with_name("campana.toml").write_text('[secrets]\nCRM = "hunter2"\n')
        data = _data("chat", script, "--live", typed="/quit\n")
        assert data["turns"][0]["text"] == "You have 7.50 left. Well?"
        assert requests == [("Bearer hunter2", b'{"who":"me"}')]
        assert "hunter2" not in json.dumps(data)
    data = _data("chat", script, "--live", typed="/quit\n")
    assert data["turns"][0]["text"] == "Nobody knows. Well?"


LIVE = """
steps:
  first:
    - webhook:
        url: http://127.0.0.1:{port}/me
        headers: {{Authorization: "Bearer {{secret:CRM}}"}}
        body: {{who: me}}
        into: {{balance: data.balance}}
        else: unknown
    - say: You have {{balance}} left.
    - goto: last
  unknown:
    - say: Nobody knows.
    - goto: last
  last:
    - listen: {{ask: "Well?", intents: {{"yes": last}}}}
"""


@contextmanager
def served(answer: bytes) -> Iterator[tuple[int, list[tuple[str | None, bytes]]]]:
    """A web service on loopback, and what it was asked: the authorization and the body."""
    requests: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.headers["Authorization"], body))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, requests
        finally:
            server.shutdown()
            thread.join()


class _Model:
    """A language model that takes every sentence for consent."""

    async def answer(self, _wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        spent(LlmUsage("test/model", 10, 1))
        yield "agree"


def test_evaluate_compares_with_the_language_model_of_the_settings(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.with_name("small.sentences.yaml").write_text("agree: [I will pay you]\nrefuse: [I will never]\n")
    with pytest.raises(BotError, match="the settings name no language model"):
        _run("evaluate", small, "--llm")
    small.with_name("campana.toml").write_text('[llm]\nmodel = "test/model"\n')
    monkeypatch.setattr("campana.live_model.open_model", lambda _settings: nullcontext(_Model()))
    data = _data("evaluate", small, "--llm")
    assert (data["llm"]["right"], data["llm"]["confusion"]["refuse"]["agree"]) == (1, 1)
    assert "language model: 1 of 2 understood as meant" in _run("evaluate", small, "--llm")
