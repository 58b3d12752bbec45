"""Which intents can be understood in a step, and which of them is."""

from __future__ import annotations

from typing import Final

from bot.script.language import Block, BuiltIn, Listen, Script
from bot.understanding.intents import IntentModel, Understood

#: What the built-in answers need, where the script does not ask for these intents: "I do not know" is near to
#: "I do not know that person".
BUILT_IN_CONFIDENCE: Final = {BuiltIn.WRONG_PERSON: 0.85, BuiltIn.PERSON: 0.7, BuiltIn.WHO_IS_CALLING: 0.0}


def own_offers(script: Script, block: Block) -> tuple[str, ...]:
    """What the step and the script ask for, in the order of their priority, and words to be said again."""
    answered = built_in_offers(script, block)
    offered = [choice.intent for choice in block.choices] if isinstance(block, Listen) else []
    offered += [question.intent for question in script.questions]
    offered += [handled.value for handled in script.handlers if handled.value not in answered]
    offered += [BuiltIn.REPEAT.value, BuiltIn.HELLO.value]
    return tuple(dict.fromkeys(offered))


def built_in_offers(script: Script, block: Block) -> tuple[str, ...]:
    """What has a built-in answer here, since neither the script nor the step asks for it."""
    own = {choice.intent for choice in block.choices} if isinstance(block, Listen) else set()
    own |= {intent.value for intent, goto in script.handlers.items() if not goto.step.startswith("_")}
    return tuple(each.value for each in BUILT_IN_CONFIDENCE if each not in script.intents and each.value not in own)


def understand(script: Script, block: Block, model: IntentModel, text: str, threshold: float) -> Understood:
    """What is meant with at least `threshold`; a built-in answer only where nothing else is."""
    own = model.classify(text, own_offers(script, block), threshold=threshold)
    if own.intent is not None:
        return own
    built_in = model.classify(text, built_in_offers(script, block), threshold=threshold)
    return built_in if built_in.intent is not None and not _is_doubted(built_in) else own


def most_likely(script: Script, block: Block, model: IntentModel, text: str) -> Understood:
    """What is meant, however unsure; a built-in answer where nothing else is clear enough for the script."""
    own = model.classify(text, own_offers(script, block), threshold=0.0)
    if own.intent is not None and own.confidence >= script.min_confidence:
        return own
    built_in = model.classify(text, built_in_offers(script, block), threshold=0.0)
    return built_in if built_in.confidence > own.confidence and not _is_doubted(built_in) else own


def _is_doubted(understood: Understood) -> bool:
    return understood.intent is None or understood.confidence < BUILT_IN_CONFIDENCE[BuiltIn(understood.intent)]
