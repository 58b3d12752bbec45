"""Which voice and which ears a bot gets: its own, its language's, the usual ones, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from campana.errors import CampanaError
from campana.settings import ServiceSettings, Settings
from models.catalogue import Kind, Model
from models.errors import ModelError
from models.store import ModelStore

#: A voice by the program espeak-ng, by the name of its language.
ESPEAK: Final = "espeak-ng:"


class SpeechUnavailable(CampanaError):
    """No voice or ears for a bot."""


@dataclass(frozen=True)
class Choice:
    """A model id, service name or espeak voice; `warning` says what is second best about it, with the remedy."""

    name: str
    warning: str | None = None


def voice_for(settings: Settings, store: ModelStore, language: str, own: str | None = None) -> Choice:
    """The voice of a bot in a language; `own` is the one that it names.

    Raises `SpeechUnavailable` when it names one that is unknown, or no voice speaks the language.
    """
    plain = language.partition("-")[0]
    named = own or settings.models.voices.get(language) or settings.models.voices.get(plain)
    if named is not None:
        return _named_voice(settings, store, plain, named)
    usual = settings.models.speaking
    if service_of(settings.services.tts, usual) or speaks(_voice(store, usual), plain):
        return Choice(usual)
    return _best_voice(settings, store, plain)


def ears_for(settings: Settings, store: ModelStore, language: str, own: str | None = None) -> Choice:
    """The ears of a bot in a language; raises `SpeechUnavailable`."""
    plain = language.partition("-")[0]
    models = settings.models
    chosen = own or models.ears.get(language) or models.ears.get(plain) or models.listening
    if service_of(settings.services.stt, chosen) is not None:
        return Choice(chosen)
    try:
        model = store.catalogue.of_kind(chosen, Kind.STT)
    except ModelError as error:
        raise SpeechUnavailable(_unknown("ears", error, settings.services.stt)) from error
    if not speaks(model, plain):
        raise SpeechUnavailable(
            f"ears: {chosen} does not know the language {plain}; choose others under [models.ears], "
            f'{plain} = "…", or for the bot (`ears:`)'
        )
    return Choice(chosen)


def service_of(services: tuple[ServiceSettings, ...], name: str) -> ServiceSettings | None:
    """The service of a name, None when none has it."""
    return next((service for service in services if service.name == name), None)


def speaks(model: Model, language: str) -> bool:
    """Whether a model is for a language."""
    return language in model.languages or "mul" in model.languages


def _named_voice(settings: Settings, store: ModelStore, language: str, named: str) -> Choice:
    if service_of(settings.services.tts, named) is not None or named.startswith(ESPEAK):
        return Choice(named)
    model = _voice(store, named, settings.services.tts)
    if not speaks(model, language):
        return Choice(named, f"voice {named} is for {' '.join(model.languages)}, and the bot speaks {language}")
    return Choice(named, _missing(store, model) if model.fallback else None)


def _best_voice(settings: Settings, store: ModelStore, language: str) -> Choice:
    voices = [model for model in store.catalogue.models if model.kind is Kind.TTS and speaks(model, language)]
    here = next((model for model in voices if store.status(model.id).error is None), None)
    if here is not None:
        return Choice(here.id)
    service = next((each for each in settings.services.tts if language in each.languages), None)
    if service is not None:
        return Choice(service.name)
    if voices:
        return Choice(voices[0].id, _missing(store, voices[0]))
    raise SpeechUnavailable(
        f'voice: none speaks {language}; name one under [models.voices], {language} = "…": a model of kind tts, a '
        f'service of [[services.tts]], or "{ESPEAK}{language}", which sounds like a machine'
    )


def _missing(store: ModelStore, model: Model) -> str | None:
    if store.status(model.id).error is None:
        return None
    if model.fallback is None:
        return f"voice {model.id} is not on this machine; get it with: campana models fetch {model.id}"
    return (
        f"voice {model.id} is not on this machine, so {model.fallback} speaks, which sounds like a machine; get it "
        f"with: campana models fetch {model.id}, or name another under [models.voices]"
    )


def _voice(store: ModelStore, name: str, services: tuple[ServiceSettings, ...] = ()) -> Model:
    try:
        return store.catalogue.of_kind(name, Kind.TTS)
    except ModelError as error:
        raise SpeechUnavailable(_unknown("voice", error, services)) from error


def _unknown(what: str, error: ModelError, services: tuple[ServiceSettings, ...]) -> str:
    names = ", ".join(service.name for service in services)
    return f"{what}: {error}{f', and the services {names}' if names else ''}; see docs/how-to/choose-a-voice.md"
