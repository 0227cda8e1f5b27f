"""A framework that a module of this room is for, and that may not be installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xret.errors import MissingLibraryError

__all__ = ["needed_library"]


@contextmanager
def needed_library(name: str, *, extra: str) -> Iterator[None]:
    """Imports of a framework stand in this block. Raises MissingLibraryError without it.

    extra: of ours, that installs it.
    """
    try:
        yield
    except ImportError as error:
        raise MissingLibraryError(
            f"{name} is not installed, or too old ({error}); pip install 'xret[{extra}]'"
        ) from error
