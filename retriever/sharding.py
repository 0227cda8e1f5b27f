"""One shard of a corpus: the documents that one of several machines indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import xxhash

from xret.config import CATALOG_FILE
from xret.errors import ConfigError
from xret.index.sharded.opening import is_sharded
from xret.index.sharded.shards_file import MAX_SHARDS, ShardsFile
from xret.types import Document

__all__ = ["ShardNumber"]

_WRITTEN = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


@dataclass(slots=True)
class ShardNumber:
    """Shard `number` of `count`, from 1. read: documents of the corpus that went by.

    A document is in the shard that the hash of its id names, so that each shard is a fair sample
    of the corpus, and an id that is met twice is met twice in one shard.
    """

    number: int
    count: int
    read: int = 0

    @classmethod
    def parse(cls, shard: str) -> ShardNumber:
        """`2/4`. Raises ConfigError.

        >>> ShardNumber.parse("2/4").name
        '2-of-4'
        """
        written = _WRITTEN.fullmatch(shard)
        if written is None or int(written[1]) > int(written[2]):
            raise ConfigError(f"--shard {shard!r} is none; write 1/4 to 4/4 for four shards")
        if int(written[2]) > MAX_SHARDS:
            raise ConfigError(f"an index has at most {MAX_SHARDS} shards")
        return cls(int(written[1]), int(written[2]))

    @property
    def name(self) -> str:
        """The folder of the shard in that of the index."""
        return _name(self.number, self.count)

    def folder(self, index: Path) -> Path:
        """Where the shard goes; the folder of the index is made one in several parts.

        Raises ConfigError where something else is there.
        """
        if (index / CATALOG_FILE).exists():
            raise ConfigError(f"{index} is an index in one part; name another folder for shards")
        file = ShardsFile.of([_name(n, self.count) for n in range(1, self.count + 1)])
        if is_sharded(index):
            parts = ShardsFile.read(index).parts
            if parts != file.parts:
                raise ConfigError(
                    f"{index} has the shards {', '.join(parts[:4])}, and not {self.count} that are "
                    "built here; name another folder"
                )
        else:
            file.write(index)
        return index / self.name

    def documents(self, corpus: Iterable[Document]) -> Iterator[Document]:
        """Those of the shard, in their order."""
        for document in corpus:
            self.read += 1
            if xxhash.xxh3_64_intdigest(document.doc_id.encode()) % self.count == self.number - 1:
                yield document


def _name(number: int, count: int) -> str:
    return f"{number}-of-{count}"
