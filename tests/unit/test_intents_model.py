"""Intents from sample sentences: likeness, negation, particles and keywords."""

from __future__ import annotations

import pytest

from bot.understanding.intents import Intent, IntentModel, Understood
from bot.understanding.lexicon import Lexicon, lexicon_for

MODEL = IntentModel(
    [
        Intent("pay", ("I will pay", "I am going to pay"), ("already paid",), polarity="yes"),
        Intent("refuse", ("I will not pay", "I do not have the money"), polarity="no"),
        Intent("amount", ("How much do I owe", "What is the amount")),
        Intent("later", ("Call me later", "Another time")),
    ],
    lexicon_for("en"),
)


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("I will pay", "pay"),
        ("I'll pay.", "pay"),
        ("I won't pay.", "refuse"),
        ("I'm not going to pay", "refuse"),
        ("I don't have the money", "refuse"),
        ("Yes.", "pay"),
        ("No.", "refuse"),
        ("Yeah, sure.", "pay"),
        ("Nope", "refuse"),
        ("Absolutely not.", "refuse"),
        ("Yes, I won't pay.", "refuse"),
        ("No, how much do I owe?", "amount"),
        ("Yes, but call me later.", "later"),
        ("No problem, I will pay.", "pay"),
        ("HOW MUCH DO I OWE???", "amount"),
        ("I’ll pay", "pay"),
        ("I have already paid that last week to your colleague", "pay"),
        ("Please.", None),
        ("Thank you.", None),
        ("The cat sat on the mat.", None),
        ("", None),
        ("?!", None),
    ],
)
def test_sentences_are_understood(said: str, intent: str | None) -> None:
    assert MODEL.classify(said).intent == intent


YES_NO = IntentModel(
    [
        Intent(name, (*lexicon_for("en").samples[name], more), polarity=name)
        for name, more in (("yes", "I will pay"), ("no", "I will not pay"))
    ],
    lexicon_for("en"),
)


@pytest.mark.parametrize(
    "said",
    [
        "Mm-hmm, no, I will not pay.",
        "Mhm. No.",
        "No. Mm-hmm.",
        "Uh-huh, no thank you.",
        "Yeah, no.",
        "Yeah, no, I'm not sure.",
        "Okay, no thanks.",
        "Right, no I can't do that.",
        "Right no.",
        "All right, no.",
        "Ah okay right no thank you",
        "Yeah I mean no",
        "No, that's okay.",
        "I can't pay. Okay, that's fine.",
        "I would like to pay, but no.",
        "I will pay. I will not pay.",
    ],
)
@pytest.mark.parametrize("offers", [("yes", "no"), ("no", "yes")])
def test_a_no_outweighs_the_assent_around_it_whichever_is_offered_first(said: str, offers: tuple[str, str]) -> None:
    assert YES_NO.classify(said, offers).intent == "no"


@pytest.mark.parametrize("said", ["No, yes.", "No. No. Okay, bye.", "No, okay.", "Yes. No. Yes."])
@pytest.mark.parametrize("offers", [("yes", "no"), ("no", "yes")])
def test_a_yes_after_a_no_promises_nothing_by_itself(said: str, offers: tuple[str, str]) -> None:
    assert YES_NO.classify(said, offers) == Understood(None, 0.0)


@pytest.mark.parametrize(
    "said",
    [
        "Mm-hmm.",
        "All right.",
        "No, okay, I will pay.",
        "I will not pay. Well, I will pay.",
        "I will pay, no doubt.",
        "Yes, no issue.",
        "Yes, no later than Friday.",
        "I agree, no questions.",
    ],
)
def test_a_yes_stays_one_where_no_word_refuses(said: str) -> None:
    assert YES_NO.classify(said).intent == "yes"


@pytest.mark.parametrize("said", ["Vâng, không.", "Không, được ạ.", "Được rồi, không.", "Có. Không."])
@pytest.mark.parametrize("offers", [("yes", "no"), ("no", "yes")])
def test_a_vietnamese_no_outweighs_the_assent_around_it(said: str, offers: tuple[str, str]) -> None:
    lexicon = lexicon_for("vi")
    model = IntentModel([Intent(name, lexicon.samples[name], polarity=name) for name in ("yes", "no")], lexicon)
    assert model.classify(said, offers).intent == "no"


def test_a_sample_itself_is_certain_and_confidence_stays_within_bounds() -> None:
    assert MODEL.classify("How much do I owe").confidence == 1.0
    assert 0.0 < MODEL.classify("How much owe the dog").confidence < 1.0
    assert MODEL.classify("xyzzy") == Understood(None, 0.0)


def test_only_what_is_offered_can_be_understood() -> None:
    assert MODEL.classify("I will pay", ["amount", "later"]).intent is None
    assert MODEL.classify("Yes", ["amount"]).intent is None
    assert MODEL.classify("I will pay", ["amount", "no such intent"]).intent is None


def test_the_threshold_decides() -> None:
    confidence = MODEL.classify("What amount is it", threshold=0.0).confidence
    assert MODEL.classify("What amount is it", threshold=confidence).intent == "amount"
    assert MODEL.classify("What amount is it", threshold=confidence + 0.01).intent is None


def test_of_two_equal_intents_the_one_offered_first_wins() -> None:
    model = IntentModel([Intent("a", ("good day",)), Intent("b", ("good day",))], lexicon_for("en"))
    assert model.classify("good day", ["b", "a"]).intent == "b"
    assert model.classify("good day", ["a", "b"]).intent == "a"


def test_any_language_is_learnt_from_samples_alone() -> None:
    model = IntentModel(
        [Intent("ja", ("ja gerne", "das mache ich")), Intent("nein", ("nein danke", "das will ich nicht"))],
        Lexicon("de"),
    )
    assert model.classify("Ja, gerne!").intent == "ja"
    assert model.classify("Das will ich aber nicht").intent == "nein"
    assert model.classify("Guten Appetit").intent is None


def test_a_script_without_samples_understands_nothing() -> None:
    assert IntentModel([], lexicon_for("en")).classify("hello") == Understood(None, 0.0)
