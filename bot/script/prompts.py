"""Lines that the bot needs although the script does not give them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DefaultLines:
    """What is said where the script is silent about it."""

    opted_out: str
    called_back: str
    wrong_person: str
    still_there: str
    #: To somebody who wants to talk with a person.
    no_person: str
    #: When a language model has no answer.
    say_again: str


_ENGLISH = DefaultLines(
    opted_out="I am sorry for the trouble. We will not call you again. Goodbye.",
    called_back="All right, we will call you another time. Goodbye.",
    wrong_person="I am sorry, I have the wrong person. Goodbye.",
    still_there="Hello, are you still there?",
    no_person="I am an automatic assistant, and I cannot put you through to a person.",
    say_again="Sorry, could you say that again?",
)
_VIETNAMESE = DefaultLines(
    opted_out="Xin lỗi đã làm phiền. Chúng tôi sẽ không gọi lại nữa. Xin chào.",
    called_back="Vâng, chúng tôi sẽ gọi lại vào lúc khác. Xin chào.",
    wrong_person="Xin lỗi, tôi gọi nhầm người. Xin chào.",
    still_there="A lô, quý khách còn nghe máy không ạ?",
    no_person="Tôi là trợ lý tự động và không thể nối máy cho quý khách với nhân viên.",
    say_again="Xin lỗi, quý khách nói lại được không ạ?",
)
LANGUAGES = {"en": _ENGLISH, "vi": _VIETNAMESE}


def default_lines(language: str) -> DefaultLines:
    """The lines for a script's language; English where there are none."""
    return LANGUAGES.get(language.partition("-")[0], _ENGLISH)
