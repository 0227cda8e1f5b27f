"""transformers' and sentence-transformers' remarks and bars, off for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import transformers

__all__ = ["quiet_libraries"]

_TURN = threading.Lock()
_LIBRARIES = ("transformers", "sentence_transformers")
# Levels and bars are the whole process's: the first in turns them off, the last out on again.
_inside: list[Callable[[], None]] = []


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Around loading, saving and training; what matters of the remarks is raised by us."""
    with _TURN:
        _inside.append(_silenced() if not _inside else _inside[0])
    try:
        yield
    finally:
        with _TURN:
            restore = _inside.pop()
            if not _inside:
                restore()


def _silenced() -> Callable[[], None]:
    """Turn them off; the function returned turns them on as they were."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    reports: Any = transformers.utils.logging
    bars = reports.is_progress_bar_enabled()
    reports.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)

    def restore() -> None:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            reports.enable_progress_bar()

    return restore
