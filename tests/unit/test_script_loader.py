"""Reading a script: what comes out, and how every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import BotError, ScriptErrors
from bot.script.language import AskBack, AskOut, BuiltIn, Goto, Label, Listen, Say
from bot.script.loader import load_script
from tests.support_scripts import SMALL, problems_of, script_of

HEAD = "codes: {AG: {result: Completed}}\nvariables: {name: required}\n"


def test_a_script_is_read_as_written() -> None:
    script = script_of(SMALL)
    assert (script.name, script.title, script.language, script.start) == ("small", "small", "en", "greeting")
    assert script.required_variables == ("name",)
    greeting = script.steps["greeting"]
    assert isinstance(greeting.blocks[0], Say)
    listen = greeting.blocks[1]
    assert isinstance(listen, Listen)
    assert [(choice.intent, choice.step) for choice in listen.choices] == [("agree", "agreed"), ("refuse", "goodbye")]
    assert listen.reprompt == ("Sorry?", "Once more?")
    assert listen.otherwise is not None
    assert listen.otherwise.step == "lost"
    assert listen.silence is not None
    assert (listen.silence.after_ms, listen.silence.say, listen.silence.goto) == (4000, ("Are you there?",), "goodbye")
    assert listen.keys["1"].step == "agreed"
    assert [type(block) for block in script.steps["agreed"].blocks] == [Label, Say, Goto]


def test_opt_out_and_call_back_have_steps_in_every_script() -> None:
    script = script_of(SMALL)
    opted_out = script.steps[script.handlers[BuiltIn.OPT_OUT].step]
    called_back = script.steps[script.handlers[BuiltIn.CALL_BACK].step]
    assert isinstance(opted_out.blocks[0], AskOut)
    assert isinstance(called_back.blocks[0], AskBack)


def test_default_lines_follow_the_language() -> None:
    script = script_of("language: vi\nsteps:\n  a:\n    - say: Xin chào.\n    - end\n")
    last_words = [block.text for block in script.steps["_opt_out"].blocks if isinstance(block, Say)]
    assert "không gọi lại" in last_words[0]


def test_an_intent_may_be_declared_where_it_is_listened_for() -> None:
    script = script_of(
        """
        steps:
          a:
            - say: Tea or coffee?
            - listen:
                intents:
                  tea: {samples: [tea please], goto: b}
                  coffee: {keywords: [coffee], goto: b}
          b: [end]
        """
    )
    assert script.intents["tea"].samples == ("tea please",)
    assert script.intents["coffee"].keywords == ("coffee",)


def test_yes_and_no_as_keys_are_words() -> None:
    script = script_of("steps:\n  a:\n    - say: Well?\n    - listen: {intents: {yes: b, no: b}}\n  b: [end]\n")
    listen = script.steps["a"].blocks[-1]
    assert isinstance(listen, Listen)
    assert [choice.intent for choice in listen.choices] == ["yes", "no"]


def test_say_can_forbid_interruption() -> None:
    script = script_of("steps:\n  a:\n    - say: {text: This call is recorded., interruptible: false}\n    - end\n")
    assert script.steps["a"].blocks[0] == Say("This call is recorded.", interruptible=False, line=3)


@pytest.mark.parametrize(
    ("text", "line", "message", "remedy"),
    [
        ("steps:\n  a:\n    - sey: Hello\n    - end\n", 3, "unknown block `sey`", "Did you mean `say`?"),
        ("steps:\n  a:\n    - hello\n    - end\n", 3, "unknown block `hello`", "Use one of: assign, call_back, code"),
        ("stepps:\n  a: [end]\n", 1, "unknown key `stepps` in the script", "Did you mean `steps`?"),
        ("title: x\n", 1, "the script has no steps", "Add `steps:`"),
        ("steps:\n  a: [end]\n  a: [end]\n", 3, "duplicate `a` in steps, first given in line 2", "Rename or remove"),
        ("steps:\n  a:\n    - say:\n    - end\n", 3, "say is empty", "Write its text"),
        ("steps:\n  a:\n    - say: ''\n    - end\n", 3, "say is empty", "Write its text"),
        ("steps:\n  a: []\n", 2, "step `a` is empty", "Add blocks"),
        ("steps:\n  a: hello\n", 2, "step `a` must be a list", "`- `"),
        ("steps:\n  a:\n    - say: Hi\n      end:\n", 3, "a block holds one thing, this one also holds `end`", "- "),
        ("steps:\n  a b:\n    - end\n", 2, "step name `a b` cannot be used", "Use letters"),
        ("steps:\n  a:\n    - end: now\n", 3, "end takes nothing after it", "Write `- end` alone"),
        ("steps:\n  a:\n    - goto: b\n  bb: [end]\n", 3, "there is no step `b`", "Did you mean `bb`?"),
        ("start: x\nsteps:\n  aa: [end]\n", 1, "there is no step `x`", "aa"),
        ("steps:\n  a: [end]\n  b: [end]\n", 3, "unreachable step `b`", "Lead to it"),
        ("steps:\n  a:\n    - end\n    - say: Hi\n", 4, "unreachable block in step `a`", "Move it up"),
        ("steps:\n  a:\n    - say: Hi\n", 3, "does not say what comes next", "Add goto, listen, transfer or end"),
        ("steps:\n  a:\n    - goto: b\n  b:\n    - goto: a\n", 2, "loop without listen: a → b → a", "Listen"),
        ("steps:\n  a:\n    - goto: a\n", 2, "loop without listen: a → a", "Listen"),
        ("steps:\n  a:\n    - say: Hi {nam}\n    - end\n", 3, "undefined variable `nam`", "Declare it"),
        (HEAD + "steps:\n  a:\n    - say: Hi {nam}\n    - end\n", 5, "undefined variable `nam`", "mean `name`?"),
        ("steps:\n  a:\n    - say: Hi {your name}\n    - end\n", 3, "`{your name}` in a text is no variable", "{name}"),
        ("steps:\n  a:\n    - say: Hi {name\n    - end\n", 3, "`{` in a text is no variable", "{{"),
        ("steps:\n  a:\n    - code: ZZ\n    - end\n", 3, "code `ZZ` is not declared", "Declare it under `codes:`"),
        (HEAD + "steps:\n  a:\n    - code: AQ\n    - end\n", 5, "code `AQ` is not declared", "AG"),
        (
            "steps:\n  a:\n    - say: Hi\n    - listen: {intents: {agre: a}}\nintents: {agree: {samples: [ok]}}\n",
            4,
            "there is no intent `agre`",
            "Did you mean `agree`?",
        ),
        ("intents:\n  agree: {}\nsteps: {a: [end]}\n", 2, "intent `agree` has no samples", "Add `samples:`"),
        ("intents:\n  agree: {samples: []}\nsteps: {a: [end]}\n", 2, "intent `agree` has no samples", "like:"),
        ("intents:\n  agree: {like: opt_out}\nsteps: {a: [end]}\n", 2, "like of `agree` is `opt_out`", "Use one of"),
        ("intents:\n  'yes': {samples: [y]}\nsteps: {a: [end]}\n", 2, "intent `yes` is built in", "like: yes"),
        ("faq:\n  q: {samples: [what]}\nsteps: {a: [end]}\n", 2, "question `q` has no answer", "Add `say:`"),
        ("handlers:\n  opt_in: a\nsteps: {a: [end]}\n", 2, "unknown key `opt_in` in handlers", "`opt_out`?"),
        ("handlers:\n  opt_out: b\nsteps: {a: [end]}\n", 2, "there is no step `b`", "a"),
        ("silence: {after_ms: 5}\nsteps: {a: [end]}\n", 1, "after_ms is `5`", "Write a number from 500 to 60000"),
        ("min_confidence: high\nsteps: {a: [end]}\n", 1, "min_confidence is `high`", "Write a number"),
        ("language: English\nsteps: {a: [end]}\n", 1, "language is `English`", "en or vi"),
        ("variables: {Name: required}\nsteps: {a: [end]}\n", 1, "variable name `Name` cannot be used", "small letters"),
        ("variables: {call_back_at: required}\nsteps: {a: [end]}\n", 1, "is set during the call", "another name"),
        (
            "variables: {n: {required: true, default: x}}\nsteps: {a: [end]}\n",
            1,
            "is required and has a default",
            "out",
        ),
        ("variables: {n: {required: maybe}}\nsteps: {a: [end]}\n", 1, "required of `n` is `maybe`", "true or false"),
        ("steps:\n  a:\n    - say: Hi\n    - listen: {}\n", 4, "listen offers nothing", "Add `intents:`"),
        ("steps:\n  a:\n    - say: Hi\n    - listen: {keys: {A: a}}\n", 4, "`A` is no telephone key", "#"),
        ("steps:\n  a:\n    - say: {name}, hello\n    - end\n", 3, "not valid YAML", "between quotes"),
        ("[" * 20_000, 1, "nested too deeply", "Take out"),
        ("steps:\n  a:\n    - say: {name}\n    - end\n", 3, "unknown key `name` in say", "text"),
        ("- a\n- b\n", 1, "the script must be a mapping", "Indent"),
        ("", 1, "the script is empty", "Begin with `steps:`"),
        ("steps:\n  a:\n  - say: a\x00b\n", 3, "a character that no text has", "Remove it"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(text: str, line: int, message: str, remedy: str) -> None:
    problems = problems_of(text)
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    assert (found[0].file, found[0].line) == ("bot.yaml", line)
    assert remedy in found[0].remedy


def test_every_mistake_is_reported_at_once_in_the_order_of_lines() -> None:
    problems = problems_of(
        """\
        titel: Reminder
        intents:
          agree: {}
        steps:
          a:
            - say: Hello {nmae}
            - code: XX
            - goto: nowhere
          b:
            - end
        """
    )
    lines = [problem.line for problem in problems]
    assert lines == sorted(lines)
    assert [problem.message.split("`")[1] for problem in problems] == ["titel", "agree", "nmae", "XX", "nowhere", "b"]


def test_the_error_reads_as_one_line_for_each_mistake() -> None:
    with pytest.raises(ScriptErrors) as caught:
        script_of("steps:\n  a:\n    - goto: b\n")
    assert str(caught.value) == "bot.yaml, line 3: there is no step `b`. Use one of: a"


def test_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "hello.yaml"
    path.write_text("steps:\n  a:\n    - say: Hi\n    - end\n", encoding="utf-8-sig")
    script = load_script(path)
    assert script.name == "hello"
    assert script.file == str(path)


def test_a_file_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BotError, match=r"cannot read the script: No such file.*Check the path"):
        load_script(tmp_path / "none.yaml", "none.yaml")


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("steps:\n  a:\n    - say: Grüße\n".encode("latin-1"))
    with pytest.raises(ScriptErrors) as caught:
        load_script(path, "latin.yaml")
    assert [(p.line, p.remedy) for p in caught.value.problems] == [(3, "Save it in the encoding UTF-8")]
