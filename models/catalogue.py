"""The catalogue of speech models, read from catalogue.toml beside this file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Final

from models.errors import CatalogueError, UnknownModel

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class Kind(StrEnum):
    """What a model does."""

    STT = "stt"
    TTS = "tts"
    VAD = "vad"
    TURN = "turn"
    LLM = "llm"


@dataclass(frozen=True)
class ModelFile:
    """One file; without `sha256` it is pinned at its first fetch. `size` in bytes, if known."""

    name: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class HubSource:
    """Files in a model repository at one revision."""

    repository: str
    revision: str
    folder: str = ""


@dataclass(frozen=True)
class Wheel:
    """One archive of the Python package index."""

    name: str
    version: str
    sha256: str
    size: int

    @property
    def distribution(self) -> str:
        """Name and version as the archive's file name begins (PEP 427)."""
        return f"{re.sub(r'[-_.]+', '_', self.name)}-{self.version}"


@dataclass(frozen=True)
class PackageSource:
    """Data files inside wheels; `members` gives for each file the archive members that make it, in order."""

    wheels: tuple[Wheel, ...]
    members: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class InstalledSource:
    """Data files in `folder` of an installed distribution: used where they lie, never copied."""

    distribution: str
    folder: str


Source = HubSource | PackageSource | InstalledSource


@dataclass(frozen=True)
class Model:
    """One entry. `languages` are ISO 639-1 codes, or `mul` for many."""

    id: str
    kind: Kind
    languages: tuple[str, ...]
    licence: str
    description: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    #: What speaks or listens instead while the model is missing: `espeak-ng:vi`.
    fallback: str | None = None

    @property
    def installed(self) -> InstalledSource | None:
        """The package that holds the files, for a model that is never fetched."""
        return next((source for source in self.sources if isinstance(source, InstalledSource)), None)

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None when one is unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@dataclass(frozen=True)
class Catalogue:
    """All models, in the order of the file."""

    models: tuple[Model, ...]
    _by_id: dict[str, Model] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {model.id: model for model in self.models})

    def __getitem__(self, model_id: str) -> Model:
        """Raises `UnknownModel`."""
        try:
            return self._by_id[model_id]
        except KeyError:
            raise UnknownModel(model_id, tuple(self._by_id)) from None

    def of_kind(self, model_id: str, kind: Kind) -> Model:
        """A model that must be of one kind. Raises `UnknownModel` naming those that are."""
        model = self._by_id.get(model_id)
        if model is None or model.kind is not kind:
            raise UnknownModel(model_id, tuple(known.id for known in self.models if known.kind is kind))
        return model


def load_catalogue(file: Path | None = None) -> Catalogue:
    """Read the catalogue that comes with Campana, or `file`. Raises `CatalogueError` naming file, entry and field."""
    where = str(file or "models/catalogue.toml")
    try:
        text = (file or resources.files("models") / "catalogue.toml").read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{where}: {error}") from error
    entries = raw.get("models", [])
    catalogue = Catalogue(tuple(_model(entry, f"{where}: models[{at}]") for at, entry in enumerate(entries)))
    ids = [model.id for model in catalogue.models]
    if not ids or len(set(ids)) != len(ids):
        raise CatalogueError(f"{where}: needs at least one entry, and every id once; ids are {ids}")
    return catalogue


def _model(raw: Mapping[str, Any], where: str) -> Model:
    model_id = _text(raw, "id", where, _ID)
    where = f"{where} ({model_id})"
    _only(raw, {"id", "kind", "languages", "licence", "description", "files", "sources", "fallback"}, where)
    if raw.get("kind") not in list(Kind):
        raise CatalogueError(f"{where}.kind: {raw.get('kind')!r} is none of {', '.join(Kind)}")
    model = Model(
        id=model_id,
        kind=Kind(raw["kind"]),
        languages=tuple(_items(raw, "languages", where)),
        licence=_text(raw, "licence", where),
        description=_text(raw, "description", where),
        files=tuple(_file(file, f"{where}.files[{at}]") for at, file in enumerate(_items(raw, "files", where))),
        sources=tuple(
            _source(source, f"{where}.sources[{at}]") for at, source in enumerate(_items(raw, "sources", where))
        ),
        fallback=raw.get("fallback"),
    )
    _check_members(model, where)
    return model


def _check_members(model: Model, where: str) -> None:
    names = {file.name for file in model.files}
    for source in model.sources:
        if isinstance(source, PackageSource) and set(source.members) != names:
            raise CatalogueError(f"{where}.sources: members {sorted(source.members)} are not the files {sorted(names)}")


def _file(raw: Mapping[str, Any], where: str) -> ModelFile:
    _only(raw, {"name", "sha256", "size"}, where)
    sha256 = _text(raw, "sha256", where, _SHA256) if "sha256" in raw else None
    return ModelFile(_text(raw, "name", where, _FILE_NAME), sha256, _size(raw, where) if "size" in raw else None)


def _source(raw: Mapping[str, Any], where: str) -> Source:
    kind = raw.get("kind")
    if kind == "hub":
        _only(raw, {"kind", "repository", "revision", "folder"}, where)
        folder = _folder(raw, where) if "folder" in raw else ""
        return HubSource(_text(raw, "repository", where), _text(raw, "revision", where), folder)
    if kind == "package":
        _only(raw, {"kind", "wheels", "members"}, where)
        wheels = tuple(_wheel(wheel, f"{where}.wheels[{at}]") for at, wheel in enumerate(_items(raw, "wheels", where)))
        members = {name: tuple(parts) for name, parts in raw.get("members", {}).items()}
        return PackageSource(wheels, members)
    if kind == "installed":
        _only(raw, {"kind", "distribution", "folder"}, where)
        return InstalledSource(_text(raw, "distribution", where), _folder(raw, where))
    raise CatalogueError(f"{where}.kind: {kind!r} is none of hub, package, installed")


def _wheel(raw: Mapping[str, Any], where: str) -> Wheel:
    _only(raw, {"name", "version", "sha256", "size"}, where)
    sha256 = _text(raw, "sha256", where, _SHA256)
    return Wheel(_text(raw, "name", where), _text(raw, "version", where), sha256, _size(raw, where))


def _folder(raw: Mapping[str, Any], where: str) -> str:
    folder = _text(raw, "folder", where)
    if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
        raise CatalogueError(f"{where}.folder: {folder!r} leaves the package or repository")
    return folder


def _text(raw: Mapping[str, Any], key: str, where: str, form: re.Pattern[str] | None = None) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value or (form and not form.match(value)):
        wanted = f"text like {form.pattern}" if form else "text"
        raise CatalogueError(f"{where}.{key}: {value!r} is not {wanted}")
    return value


def _items(raw: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = raw.get(key)
    if not isinstance(value, list) or not value:
        raise CatalogueError(f"{where}.{key}: a list with at least one item is expected, not {value!r}")
    return value


def _size(raw: Mapping[str, Any], where: str) -> int:
    value = raw.get("size")
    if not isinstance(value, int) or value <= 0:
        raise CatalogueError(f"{where}.size: {value!r} is not a number of bytes")
    return value


def _only(raw: Mapping[str, Any], allowed: set[str], where: str) -> None:
    unknown = sorted(set(raw) - allowed)
    if unknown:
        raise CatalogueError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(sorted(allowed))}")
