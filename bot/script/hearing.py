"""What a script can understand: its own intents and the built-in ones in one trained model."""

from __future__ import annotations

from functools import lru_cache

from bot.script.language import BuiltIn, IntentDeclaration, Script
from bot.understanding.intents import Intent, IntentModel
from bot.understanding.lexicon import Lexicon, lexicon_for

_POLAR = {BuiltIn.YES: "yes", BuiltIn.NO: "no"}


@lru_cache(maxsize=64)
def model_of(script: Script) -> IntentModel:
    """The model of a script, trained once and shared by its calls."""
    lexicon = lexicon_for(script.language)
    declared = [_intent(declaration, lexicon) for declaration in script.intents.values()]
    known = [name for name in BuiltIn if name is not BuiltIn.OPT_OUT and name not in script.intents]
    built_in = [_intent(IntentDeclaration(name, like=name), lexicon) for name in known]
    return IntentModel([*declared, *built_in], lexicon)


def _intent(declared: IntentDeclaration, lexicon: Lexicon) -> Intent:
    like = declared.like
    return Intent(
        name=str(declared.name),
        samples=declared.samples + (lexicon.samples.get(like, ()) if like else ()),
        keywords=declared.keywords + (lexicon.keywords.get(like, ()) if like else ()),
        polarity=_POLAR.get(like) if like else None,
    )
