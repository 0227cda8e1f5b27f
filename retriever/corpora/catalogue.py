"""Files that ir_datasets knows: addresses, md5 sums and places in its own cache.

Its catalogue is read and its cache (IR_DATASETS_HOME) is shared, so that a file fetched here
is there for ir_datasets and the other way round; the fetching is resumable and checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from xret.errors import CorpusError, MissingLibraryError
from xret.retriever.corpora.collection import FetchedFile
from xret.retriever.corpora.download import UrlFile
from xret.types import Progress

__all__ = ["CatalogueFile", "ir_datasets_home", "ir_datasets_library", "known_keys"]


def ir_datasets_library() -> Any:
    """The library, or MissingLibraryError with the line that installs it."""
    os.environ.setdefault("IR_DATASETS_DL_DISABLE_PBAR", "true")
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingLibraryError(
            "this collection is read with ir_datasets; install it with: pip install 'xret[eval]'"
        ) from error
    return ir_datasets


def ir_datasets_home() -> Path:
    """The cache of ir_datasets: $IR_DATASETS_HOME, else ~/.ir_datasets."""
    given = os.environ.get("IR_DATASETS_HOME")
    return Path(given).expanduser() if given else Path.home() / ".ir_datasets"


@lru_cache
def _catalogue(collection: str) -> dict[str, Any]:
    library = ir_datasets_library()
    context = library.util.DownloadConfig.context(collection, ir_datasets_home() / collection)
    return dict(context.contents())


def known_keys(collection: str, start: str) -> list[str]:
    """The keys of a collection's catalogue that begin so, in its order."""
    return [key for key in _catalogue(collection) if key.startswith(start)]


@dataclass(frozen=True)
class CatalogueFile:
    """A file by its key in the catalogue, such as `zh/test/qrels` of `hc4`."""

    collection: str
    key: str

    def path(self) -> Path:
        """Its place in the cache, fetched where it is not there."""
        source = self._source()
        return source.local() if source else self._made()

    @property
    def cached(self) -> Path:
        """Its place in the cache, whether or not it is there."""
        return ir_datasets_home() / self.collection / str(self._row()["cache_path"])

    def watch(self) -> Iterator[Progress]:
        """Fetch it where it is not there."""
        if source := self._source():
            yield from source.watch()

    def fetch(self) -> list[FetchedFile]:
        """The file, checked. Raises CorpusError, with the publisher's instructions where it is
        not to be downloaded but made by the user."""
        source = self._source()
        if source:
            return source.fetch()
        cached = self._made()
        return [FetchedFile(cached, str(cached), cached.stat().st_size, "")]

    def _source(self) -> UrlFile | None:
        row = self._row()
        return UrlFile(row["url"], self.cached, row.get("expected_md5")) if "url" in row else None

    def _made(self) -> Path:
        cached = self.cached
        if not cached.is_file():
            raise CorpusError(str(self._row()["instructions"]).format(path=cached))
        return cached

    def _row(self) -> dict[str, Any]:
        try:
            return dict(_catalogue(self.collection)[self.key])
        except KeyError:
            raise CorpusError(
                f"ir_datasets does not know {self.key} of {self.collection}; update it: "
                "pip install -U ir_datasets"
            ) from None
