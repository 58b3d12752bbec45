"""Any text at all can be heard, and any sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.beep import BeepDetector
from bot.understanding.callback import asks_call_back
from bot.understanding.entities import parse_call_back, spoken_call_back
from bot.understanding.intents import Intent, IntentModel
from bot.understanding.lexicon import lexicon_for
from bot.understanding.optout import is_opt_out
from bot.who_answered import classify_greeting

VOCABULARY = """
in at after before on next this today tomorrow tonight morning afternoon evening noon week Monday Friday day an hour
two ten half past quarter to thirty five pm am o'clock 10 14:30 99 0 24 days minutes later from now call me
mai sáng chiều tối giờ rưỡi kém mười hai ba thứ tuần sau nữa tiếng phút nửa ngày kia lúc .
"""
TIME_WORDS = st.sampled_from(VOCABULARY.split())
SAID = st.one_of(st.lists(TIME_WORDS, max_size=8).map(" ".join), st.text(max_size=50))
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Asia/Ho_Chi_Minh", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
LANGUAGES = st.sampled_from(["en", "vi", "de"])


@settings(deadline=None)
@given(SAID, MOMENTS, ZONES, LANGUAGES)
def test_a_call_back_is_always_ahead_and_aware(said: str, now: datetime, zone: str, language: str) -> None:
    at = parse_call_back(said, now, zone, language)
    if at is not None:
        assert at.tzinfo is not None
        assert now < at <= now + timedelta(days=367)
    assert spoken_call_back(at, now, language)


@settings(deadline=None)
@given(SAID, LANGUAGES)
def test_rules_take_any_text(said: str, language: str) -> None:
    assert is_opt_out(said) in (True, False)
    assert asks_call_back(said, language) in (True, False)
    assert classify_greeting(said, 1000).reason


@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=20), max_size=4), max_size=4),
    st.text(max_size=40),
    LANGUAGES,
)
def test_any_samples_make_a_model_and_confidence_is_a_share(
    samples: dict[str, list[str]], said: str, language: str
) -> None:
    intents = [Intent(name, tuple(texts), tuple(texts[:1])) for name, texts in samples.items()]
    understood = IntentModel(intents, lexicon_for(language)).classify(said)
    assert 0.0 <= understood.confidence <= 1.0
    assert understood.intent is None or understood.intent in samples


@settings(deadline=None)
@given(st.lists(st.binary(min_size=320, max_size=320), max_size=20))
def test_any_sound_can_be_listened_to(frames: list[bytes]) -> None:
    detector = BeepDetector()
    for frame in frames:
        beep = detector.feed(frame)
        assert beep is None or beep.duration_ms >= 200
