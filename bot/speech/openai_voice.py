"""A voice of any server that speaks OpenAI's protocol, on our own machine with a GPU or elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.services.openai.tts import OpenAITTSService


class OpenAICompatibleTTSService(OpenAITTSService):
    """Pipecat's OpenAI voice without its list of names: other servers have voices of their own.

    Sound comes as signed 16-bit mono PCM at `sample_rate`, 24 kHz unless the argument says otherwise.
    """

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """See `TTSService.run_tts`; raises the client's errors."""
        settings: Any = self._settings
        wanted: dict[str, Any] = {
            "input": text,
            "model": settings.model,
            "voice": settings.voice,
            "response_format": "pcm",
        }
        for name in ("speed", "instructions"):
            value = getattr(settings, name)
            if value:
                wanted[name] = value
        async with self._client.audio.speech.with_streaming_response.create(**wanted) as answer:
            async for chunk in answer.iter_bytes(self.chunk_size):
                yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)
