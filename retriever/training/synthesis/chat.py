"""Questions by a chat model of OpenAI's shape, at the address that the user named."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import xxhash

from xret.errors import RerankError, TrainingError
from xret.retriever.rerankers.endpoint import Endpoint
from xret.retriever.training.synthesis.prompt import SYSTEM, prompt_messages, read_reply
from xret.retriever.training.synthesis.questions import SyntheticQuestion
from xret.retriever.training.synthesis.source_passages import SourcePassage

__all__ = ["SYNTHESIS_KEY", "ChatGenerator"]

SYNTHESIS_KEY = "XRET_SYNTHESIS_KEY"
"""The environment's name for the key that is sent, as Bearer; without it none is."""

TRIES = 4
FIRST_WAIT_S = 1.0
MAX_TOKENS = 300
_LATER = (408, 409, 425, 429)
"""Statuses below 500 after which asking again may help."""


class ChatGenerator:
    """address: `https://host/v1/chat/completions#model`. Asked at temperature 0, a passage each.

    timeout_s: of a request. A request that fails is repeated three times, each after a longer
    wait, where that can help.
    """

    def __init__(
        self, address: str, *, timeout_s: float, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._endpoint = Endpoint.parse(address, key_variable=SYNTHESIS_KEY)
        self._timeout_s = timeout_s
        self._wait = wait
        self.name = self._endpoint.model or self._endpoint.shown
        said = f"{address}\0{SYSTEM}"
        self.fingerprint = f"chat-1-{xxhash.xxh3_128_hexdigest(said.encode())}"

    def ask(self, passage: SourcePassage, lang: str) -> SyntheticQuestion:
        """Raises TrainingError where the address gives no reply after all tries, refuses, or
        answers what is no chat completion."""
        body: dict[str, Any] = {
            "messages": prompt_messages(passage.as_read(), lang),
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        if self._endpoint.model:
            body["model"] = self._endpoint.model
        content, requests = self._reply(body)
        try:
            reply = json.loads(content)
            said = reply["choices"][0]["message"]["content"] or ""
            question, summary = read_reply(said)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise TrainingError(
                f"{self._endpoint.shown} answered something that is no chat completion; what was "
                "asked before is kept"
            ) from error
        usage = reply.get("usage")
        return SyntheticQuestion(
            question,
            summary,
            requests=requests,
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
        )

    def _reply(self, body: dict[str, Any]) -> tuple[bytes, int]:
        """The content of a good reply, and how many requests it took."""
        why = ""
        for attempt in range(TRIES):
            if attempt:
                self._wait(FIRST_WAIT_S * 2 ** (attempt - 1))
            try:
                status, content = self._endpoint.reply(body, timeout_s=self._timeout_s)
            except RerankError as error:
                why = str(error)
                continue
            if status == 200:
                return content, attempt + 1
            why = f"{self._endpoint.shown} answered with status {status}"
            if status < 500 and status not in _LATER:
                break
        raise TrainingError(
            f"{why}; what was asked before is kept: run the same command again to go on"
        )


def _count(usage: Any, name: str) -> int:
    """A number of tokens; 0 where a server does not say."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
