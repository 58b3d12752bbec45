"""What a listening step makes of what was said: its own offers first, then what may be said at any moment."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from bot.script import collecting, consulting
from bot.script.hearing import model_of
from bot.script.language import AskBack, Block, BuiltIn, Collect, Converse, Listen, Say
from bot.script.offers import understand
from bot.script.progress import Progress
from bot.script.prompts import default_lines
from bot.script.replies import Line
from bot.understanding.callback import asks_call_back
from bot.understanding.entities import parse_call_back
from bot.understanding.intents import Understood

#: How often the customer may have the same words said again in one step.
REPEATS: Final = 3
#: A request to be called at another time is found by rule, not by likeness to samples.
CALL_BACK_CONFIDENCE: Final = 0.9
#: From this confidence on a question or handler goes before an answer that any words could be.
CLEAR: Final = 0.8
#: How values are told from intents in a transcript.
VALUE: Final = "value"

#: What was understood, and whether the script goes on at once.
Heard = tuple[Understood | None, bool]


def hear(progress: Progress, text: str) -> Heard:
    """React to what the customer said in a step that listens."""
    block = progress.block
    if isinstance(block, AskBack) and call_back_time(progress, text) is not None:
        return Understood(BuiltIn.CALL_BACK.value, CALL_BACK_CONFIDENCE), True
    understood = _understand(progress, text, block)
    match block:
        case Collect():
            return _hear_value(progress, block, text, understood)
        case Listen() if block.values:
            return _hear_any(progress, block, text, understood)
        case Converse():
            if understood.intent == BuiltIn.CALL_BACK and not block.tools.call_back:
                return understood, _react(progress, understood)
            return None, consulting.hear(progress, block, text)
    return understood, _react(progress, understood)


def call_back_time(progress: Progress, text: str) -> datetime | None:
    """The time for a call that was named."""
    return parse_call_back(text, progress.now, progress.time_zone, progress.language)


def miss(progress: Progress) -> bool:
    """Go on after something that fits nothing: whether the script goes on at once."""
    block = progress.block
    if isinstance(block, Collect):
        return collecting.missed(progress, block)
    if not isinstance(block, Listen):
        return True
    misses = progress.asked.misses
    if misses < len(block.reprompt):
        progress.say(block.reprompt[misses])
        progress.asked.misses += 1
        return False
    progress.leave(None if block.otherwise is None else block.otherwise.step)
    return True


def _hear_value(progress: Progress, block: Collect, text: str, understood: Understood) -> Heard:
    progress.asked.typed = ""
    clear = understood.intent is not None and understood.confidence >= CLEAR
    # "Tomorrow" alone is like the samples of a call-back, and here it is the value.
    if clear and (understood.intent == BuiltIn.CALL_BACK or block.form.kind in collecting.VAGUE):
        return understood, _react(progress, understood)
    goes_on = collecting.hear(progress, block, text)
    if goes_on is None:
        guessed = understood.intent == BuiltIn.CALL_BACK and not clear
        return understood, miss(progress) if guessed else _react(progress, understood)
    return Understood(VALUE, 1.0), goes_on


def _hear_any(progress: Progress, block: Listen, text: str, understood: Understood) -> Heard:
    """The script says whether intents or values go first; a wish to be called later goes before both."""
    later = understood.intent == BuiltIn.CALL_BACK
    intent_first = understood.confidence >= CLEAR if later else not block.values_first
    if not (intent_first and understood.intent is not None) and _take_value(progress, block, text):
        return Understood(VALUE, 1.0), True
    return understood, _react(progress, understood)


def _take_value(progress: Progress, block: Listen, text: str) -> bool:
    for choice in block.values:
        value = collecting.find(progress, text, choice.form)
        if value is not None:
            progress.keep(choice.into, value, choice.form)
            progress.go(choice.step)
            return True
    return False


def _understand(progress: Progress, text: str, block: Block) -> Understood:
    """The best of what this step and the whole script offer; the step's own intents come first."""
    script = progress.script
    if asks_call_back(text, script.language):
        return Understood(BuiltIn.CALL_BACK.value, CALL_BACK_CONFIDENCE)
    if isinstance(block, Converse):
        return Understood(None, 0.0)
    own = block.min_confidence if isinstance(block, Listen) else None
    threshold = script.min_confidence if own is None else own
    return understand(script, block, model_of(script), _without_name(progress, text), threshold)


def _without_name(progress: Progress, text: str) -> str:
    """`text` with the contact's own name as "someone", as in the samples of `wrong_person`."""
    name = progress.variables.texts.get("name", "")
    return re.sub(rf"\b{re.escape(name)}\b", "someone", text, flags=re.IGNORECASE) if name else text


def _react(progress: Progress, understood: Understood) -> bool:
    """Do what was understood; whether the script goes on at once."""
    block, intent = progress.block, understood.intent
    for choice in block.choices if isinstance(block, Listen) else ():
        if choice.intent == intent:
            progress.go(choice.step)
            return True
    for question in progress.script.questions:
        if question.intent == intent:
            return _again(progress, intent, question.repeat, progress.rendered(question.answer))
    if intent is None or (intent == BuiltIn.CALL_BACK and isinstance(block, AskBack)):
        return miss(progress)
    handler = progress.script.handlers.get(BuiltIn(intent))
    if handler is None:
        return _built_in(progress, BuiltIn(intent))
    progress.go(handler.step)
    return True


def _built_in(progress: Progress, intent: BuiltIn) -> bool:
    """What happens where the script has no handler: words said again, or a plain answer."""
    match intent:
        case BuiltIn.WHO_IS_CALLING:
            return _again(progress, f"{progress.step.name}.who", REPEATS, _introduction(progress))
        case BuiltIn.PERSON:
            answer = default_lines(progress.language).no_person
            return _again(progress, f"{progress.step.name}.person", REPEATS, progress.rendered(answer))
        case _:
            return _again(progress, f"{progress.step.name}.repeat", REPEATS, None)


def _introduction(progress: Progress) -> tuple[Line, ...]:
    """The first words of the script, in which a bot says who calls."""
    script = progress.script
    for block in script.steps[script.start].blocks:
        if isinstance(block, Say):
            return progress.line(block)
        if isinstance(block, Converse) and block.greeting is not None:
            return progress.rendered(block.greeting)
    return progress.rendered(script.title.replace("{", "{{").replace("}", "}}"))


def _again(progress: Progress, key: str, limit: int, answer: tuple[Line, ...] | None) -> bool:
    """Say an answer and the question of this step again, or repeat everything (None); within limits."""
    if progress.used[key] >= limit:
        return miss(progress)
    progress.used[key] += 1
    if answer is None:
        progress.lines.extend(progress.prompt)
    else:
        progress.lines.extend(answer)
        progress.lines.extend(_question(progress))
    return False


def _question(progress: Progress) -> tuple[Line, ...]:
    """What is asked again after an answered question: `ask`, else the last sentence before listening."""
    block = progress.block
    if isinstance(block, Collect):
        return collecting.question(progress, block)
    if isinstance(block, Listen) and block.ask is not None:
        return progress.rendered(block.ask)
    return progress.prompt[-1:]
