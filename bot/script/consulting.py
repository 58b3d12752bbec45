"""The `llm` block: a language model talks, within what the script offers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from bot.llm.choosing import Chosen, ToEnd, ToStep, ToTransfer, choose
from bot.llm.history import BotSaid, CustomerSaid
from bot.llm.prompting import messages, tools
from bot.script.language import Converse, PutThrough, Step
from bot.script.progress import Progress, ScriptFailed, Talk
from bot.script.prompts import default_lines
from bot.script.replies import Consult, Consulted
from bot.understanding.forms import ValueForm
from bot.understanding.values import find_value

#: Failures in a row after which the model is given up.
_FAILURES: Final = 2
#: A model that only calls functions is asked again for words; so many times in a turn.
_WORDLESS: Final = 3


def begin(progress: Progress, block: Converse) -> None:
    """Greet, or have the model say the first words."""
    if block.greeting is None:
        _ask(progress, block)
        return
    progress.say(block.greeting)
    progress.talk = Talk((BotSaid(progress.variables.written(block.greeting)),))


def hear(progress: Progress, block: Converse, text: str) -> bool:
    """Have the model answer what was said, also when it has not yet answered what was said before."""
    talk = progress.talk
    progress.talk = replace(talk, past=(*talk.past, CustomerSaid(text)), wordless=0)
    return _ask(progress, block)


def take(progress: Progress, block: Converse, answer: Consulted) -> bool:
    """Let happen what the model may want; whether the script goes on at once.

    Raises `ScriptFailed` when the model is given up and the script has no way without it.
    """
    progress.outside = None
    if answer.failed or not (answer.said or answer.calls):
        return _failed(progress, block, answer)
    chosen = choose(
        answer.calls,
        block.tools,
        read=lambda text, form: _read(progress, text, form),
        now=progress.now,
        time_zone=progress.time_zone,
        language=progress.language,
    )
    talk = progress.talk
    said = BotSaid(answer.said, answer.calls, chosen.results)
    progress.talk = replace(talk, past=(*talk.past, said), failures=0, wordless=talk.wordless + (not answer.said))
    _apply(progress, block, chosen)
    if chosen.onward is not None:
        return _lead(progress, block, chosen.onward)
    if answer.said:
        return False
    return _ask(progress, block) if progress.talk.wordless <= _WORDLESS else _failed(progress, block, answer)


def _ask(progress: Progress, block: Converse) -> bool:
    talk = progress.talk
    if talk.asked >= block.max_turns and not talk.wordless:
        return _give_up(progress, block)
    progress.talk = replace(talk, asked=talk.asked + (not talk.wordless))
    variables = progress.variables
    progress.outside = Consult(
        messages(
            block,
            progress.language,
            talk.past,
            variables.texts,
            own_words=variables.own_words,
            currency=variables.speech.currency,
        ),
        tools(block, {declared.code: declared.title for declared in progress.script.codes}),
        block.model,
        block.timeout_ms,
    )
    return False


def _failed(progress: Progress, block: Converse, answer: Consulted) -> bool:
    talk = progress.talk
    failures = talk.failures + 1
    if failures >= _FAILURES:
        if block.otherwise is None:
            where = f"script {progress.script.name}, step {progress.step.name}"
            raise ScriptFailed(f"{where}: the language model failed {failures} times in a row and `llm` has no `else`")
        return _give_up(progress, block)
    fallback = block.fallback or default_lines(progress.language).say_again
    progress.say(fallback)
    words = " ".join(filter(None, (answer.said, progress.variables.written(fallback))))
    progress.talk = replace(talk, past=(*talk.past, BotSaid(words)), failures=failures)
    return False


def _give_up(progress: Progress, block: Converse) -> bool:
    progress.leave(None if block.otherwise is None else block.otherwise.step)
    return True


def _apply(progress: Progress, block: Converse, chosen: Chosen) -> None:
    for name, value in chosen.kept.items():
        progress.keep(name, value, block.tools.collect[name])
    if chosen.call_back is not None:
        progress.record_call_back(chosen.call_back.at)
    if chosen.code is not None:
        progress.set_code(chosen.code)


def _lead(progress: Progress, block: Converse, onward: ToTransfer | ToStep | ToEnd) -> bool:
    match onward:
        case ToTransfer():
            transfer = PutThrough(onward.to, block.otherwise, block.line)
            progress.go_in(Step(progress.step.name, (transfer,), progress.step.line))
        case ToStep():
            progress.go(onward.step)
        case ToEnd():
            progress.leave(None)
        case _:
            assert_never(onward)
    return True


def _read(progress: Progress, text: str, form: ValueForm) -> str | None:
    return find_value(text, form, now=progress.now, time_zone=progress.time_zone, language=progress.language)
