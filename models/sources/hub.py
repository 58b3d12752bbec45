"""A model hub: files of a repository at a fixed revision, over https, resumed where they stopped (RFC 9110 §14)."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote, urlsplit

import httpx

from models.catalogue import HubSource, Model, ModelFile
from models.errors import SourceUnavailable
from models.progress import Phase, ProgressListener
from models.sources.giver import Meter

_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Hub:
    """The hub's client. Once it cannot be reached, it is not asked again: a machine offline says so at once."""

    def __init__(self, address: str | None) -> None:
        self.address = address.rstrip("/") if address else None
        self._client: httpx.Client | None = None
        self._down: str | None = None if address else "no model hub is configured (CAMPANA_MODELS_HUB=none)"

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def client(self) -> httpx.Client:
        """Raises `SourceUnavailable` when the hub is known to be out of reach."""
        if self._down is not None:
            raise SourceUnavailable(self._down, retryable=True)
        if self._client is None:
            self._client = httpx.Client(
                timeout=_TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}
            )
        return self._client

    def unreachable(self, error: httpx.TransportError) -> SourceUnavailable:
        """Remember that the hub is out of reach."""
        self._down = f"the model hub {self.address} cannot be reached ({error or type(error).__name__})"
        return SourceUnavailable(self._down, retryable=True)


class HubGiver:
    """Files of one model from the hub."""

    def __init__(self, model: Model, source: HubSource, hub: Hub) -> None:
        self._model = model
        self._source = source
        self._hub = hub
        self.name = f"hub {source.repository}@{source.revision[:12]}"

    def give(self, file: ModelFile, folder: Path, progress: ProgressListener) -> Path:
        """See `Giver`. Resumes a pinned file; keeps trying for as long as every connection brings some bytes."""
        part = folder / f"{file.name}.part"
        if file.sha256 is None:
            # Nothing could tell a file joined of two versions.
            part.unlink(missing_ok=True)
        while True:
            before = _size(part)
            try:
                self._download(file, part, progress)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                raise self._hub.unreachable(error) from error
            except httpx.HTTPError as error:
                if _size(part) <= before:
                    raise self._failed(file, str(error) or type(error).__name__, retryable=True) from error
            else:
                return part

    def finish(self) -> None:
        """Nothing is kept beside the parts, which have become the files."""

    def _download(self, file: ModelFile, part: Path, progress: ProgressListener) -> None:
        have = _size(part)
        if have and have == file.size:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._hub.client().stream("GET", self._url(file), headers=headers) as response:
            if self._restarts(response, file, part, have):
                have = 0
            meter = Meter(self._model, file, Phase.DOWNLOADING, progress, source=self.name, done=have)
            total = _total(response, have)
            with part.open("ab" if have else "wb") as out:
                # Chunks as they arrive: gathering larger ones would lose the last bytes before a cut.
                for chunk in response.iter_raw():
                    meter.add(len(chunk), total)
                    out.write(chunk)

    def _restarts(self, response: httpx.Response, file: ModelFile, part: Path, have: int) -> bool:
        """Whether the answer holds the file from its beginning; raises for an answer that holds none of it."""
        _check_secure(response.url)
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            span = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if span is None or span.group(1) != str(have):
                part.unlink(missing_ok=True)
                raise self._failed(file, "it resumed at the wrong place; fetch again", retryable=True)
            return False
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise self._failed(file, "the part on disk is too long and was deleted; fetch again", retryable=True)
        if response.status_code != httpx.codes.OK:
            busy = response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS
            raise self._failed(file, f"HTTP {response.status_code} {response.reason_phrase}", retryable=busy)
        return True

    def _url(self, file: ModelFile) -> str:
        assert self._hub.address is not None
        path = [self._source.repository, "resolve", self._source.revision, self._source.folder, file.name]
        url = "/".join([self._hub.address, *(quote(part) for part in path if part)])
        _check_secure(httpx.URL(url))
        return url

    def _failed(self, file: ModelFile, why: str, *, retryable: bool) -> SourceUnavailable:
        return SourceUnavailable(f"{self.name}: {file.name}: {why}", retryable=retryable)


def _check_secure(url: httpx.URL) -> None:
    if url.scheme != "https" and urlsplit(str(url)).hostname not in _LOOPBACK:
        raise SourceUnavailable(f"the model hub must be asked over https, not {url.scheme}://{url.host}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _total(response: httpx.Response, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else None
