"""Collections on the Hugging Face hub: files of one commit, through the hub's own client.

The client keeps them in its own cache (HF_HOME), goes on where it stopped and asks the hub
that HF_ENDPOINT names. Every file is checked: the hub names large files by their sha256 and
small ones by git's checksum, so a commit pins the content of all of them.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

from xret.errors import CorpusError
from xret.retriever.corpora.collection import FetchedFile
from xret.retriever.corpora.download import digest, is_offline, refuse_offline
from xret.retriever.corpora.pins import Pins
from xret.retriever.corpora.records import BadRecord, Record, kind_of, read_records
from xret.types import Progress

__all__ = ["HubConfig", "HubFiles"]

SHARD = re.compile(r"-\d{5}-of-(\d{5})")


@dataclass(frozen=True)
class HubFiles:
    """The files of a dataset repository that fit the patterns, at one commit.

    revision: a full commit; None reads the newest once and records it under `pins`.
    """

    repo: str
    revision: str | None
    patterns: tuple[str, ...]
    pins: str

    def watch(self) -> Iterator[Progress]:
        """Nothing: the hub's client reports by itself."""
        yield from ()

    def fetch(self) -> list[FetchedFile]:
        """Every file, checked. Raises CorpusError where the hub or the cache has none."""
        found = []
        for path in self.paths():
            commit, name = _place(path)
            source = f"hf://datasets/{self.repo}@{commit}/{name}"
            found.append(FetchedFile(path, source, path.stat().st_size, _checked(path)))
        return found

    def records(self) -> Iterator[Record | BadRecord]:
        """Every record of the files in the order of their names."""
        for path in self.paths():
            if kind_of(path):
                yield from read_records(path)

    def paths(self) -> list[Path]:
        """The files in the cache; the hub is asked only for what was never fetched whole."""
        pins = Pins(self.pins)
        commit = self.revision or pins.commit(self.repo)
        folder = None if commit is None else self._cached(commit)
        if folder is not None:
            whole = pins.files(f"{self.repo}@{folder.name}", self.patterns)
            if whole and all((folder / name).is_file() for name in whole):
                return [folder / name for name in whole]
        if not is_offline():
            return self._fetched(commit)
        where = folder or "the cache of huggingface_hub (HF_HOME)"
        names = [] if folder is None else _fitting(_names(folder), self.patterns)
        if folder is None or not names or not _are_whole(names):
            what = f"{', '.join(self.patterns)} of {self.repo} at {commit or 'its newest commit'}"
            raise refuse_offline(what, str(where))
        return [folder / name for name in names]

    def _fetched(self, revision: str | None) -> list[Path]:
        """From the hub, every file that it lists; what is there already is not sent again."""
        # The client asks the environment once, at import; telemetry is nobody's business.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        if not sys.stderr.isatty():
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        from huggingface_hub import HfApi, snapshot_download

        try:
            endpoint = os.environ.get("HF_ENDPOINT")
            found = HfApi(endpoint=endpoint).dataset_info(self.repo, revision=revision)
            listed = [file.rfilename for file in found.siblings or []]
            names = _fitting(listed, self.patterns)
            folder = (
                Path(
                    snapshot_download(
                        self.repo,
                        repo_type="dataset",
                        revision=found.sha,
                        allow_patterns=names,
                        endpoint=endpoint,
                    )
                )
                if names
                else Path()
            )
        except Exception as error:  # the client raises its own, its HTTP library's and OSError
            reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
            raise CorpusError(
                f"{self.repo} cannot be fetched from the hub: {reason}. Check the connection "
                "(HF_ENDPOINT names another hub), and run the command again to go on"
            ) from error
        if not names or not all((folder / name).is_file() for name in names):
            raise CorpusError(
                f"{self.repo} at {found.sha} holds no file like {', '.join(self.patterns)}; its "
                "layout is not the one this collection is published in"
            )
        if self.revision is None:
            Pins(self.pins).record_commit(self.repo, folder.name)
        Pins(self.pins).record_files(f"{self.repo}@{folder.name}", self.patterns, names)
        return [folder / name for name in names]

    def _cached(self, commit: str) -> Path | None:
        """The folder of a commit in the client's cache, however much of it is there."""
        from huggingface_hub import constants

        name = "datasets--" + self.repo.replace("/", "--")
        folder = Path(constants.HF_HUB_CACHE) / name / "snapshots" / commit
        return folder if folder.is_dir() else None


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def _fitting(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit, pattern after pattern; none at all where one pattern has none."""
    inside = sorted(name for name in names if ".." not in name.split("/"))
    by_pattern = [[name for name in inside if fnmatch(name, each)] for each in patterns]
    return list(dict.fromkeys(chain(*by_pattern))) if all(by_pattern) else []


def _are_whole(names: Sequence[str]) -> bool:
    """Whether tables cut into numbered files (`-00000-of-00002`) have all of them."""
    shards = [SHARD.search(name) for name in names]
    counts = Counter(
        SHARD.sub("", name) for name, shard in zip(names, shards, strict=True) if shard
    )
    return all(
        counts[SHARD.sub("", name)] == int(shard[1])
        for name, shard in zip(names, shards, strict=True)
        if shard
    )


def _place(path: Path) -> tuple[str, str]:
    """The commit of a file in the cache and its name in the repository."""
    parts = path.parts
    at = len(parts) - 1 - parts[::-1].index("snapshots")
    return parts[at + 1], "/".join(parts[at + 2 :])


@dataclass(frozen=True)
class HubConfig:
    """One configuration of a dataset repository, found as the repository's card names it.

    Where the card is silent, the usual layouts are looked through: a folder or a file of
    that name.
    """

    repo: str
    revision: str
    config: str
    split: str
    pins: str

    def watch(self) -> Iterator[Progress]:
        """Nothing: the hub's client reports by itself."""
        yield from ()

    def fetch(self) -> list[FetchedFile]:
        """The files of the configuration, checked."""
        return self._files().fetch()

    def records(self) -> Iterator[Record | BadRecord]:
        """The records of the split, or of the only split there is."""
        return self._files().records()

    def _files(self) -> HubFiles:
        card = HubFiles(self.repo, self.revision, ("README.md",), self.pins)
        patterns = _card_patterns(card.paths()[0], self.config, split=self.split)
        if patterns:
            return HubFiles(self.repo, self.revision, patterns, self.pins)
        for pattern in (f"{self.config}/{self.split}*", f"{self.config}/*", f"*/{self.config}.*"):
            files = HubFiles(self.repo, self.revision, (pattern,), self.pins)
            try:
                if files.paths():
                    return files
            except CorpusError:
                continue
        raise CorpusError(
            f"{self.repo} at {self.revision[:8]} has no configuration {self.config!r} in the cache "
            "or on the hub; run `xret corpus pull` with a network"
        )


def _card_patterns(card: Path, config: str, *, split: str) -> tuple[str, ...]:
    """Patterns of the configuration's files as the card's `configs` table says them."""
    from huggingface_hub import metadata_load

    try:
        table = (metadata_load(card) or {}).get("configs") or []
    except (OSError, ValueError) as error:
        raise CorpusError(f"the card {card} cannot be read: {error}") from error
    for row in table:
        if isinstance(row, dict) and row.get("config_name") == config:
            return _split_patterns(row.get("data_files"), split)
    return ()


def _split_patterns(data_files: Any, split: str) -> tuple[str, ...]:
    """One text, a list of texts, or rows of `split` and `path`."""
    if isinstance(data_files, str):
        return (data_files,)
    rows = data_files if isinstance(data_files, list) else []
    named = [row for row in rows if isinstance(row, dict)]
    chosen = [row for row in named if row.get("split") == split] or named
    paths = [row.get("path") for row in chosen] or rows
    flat = [each for path in paths for each in (path if isinstance(path, list) else [path])]
    return tuple(path for path in flat if isinstance(path, str))


def _checked(path: Path) -> str:
    """The file's checksum, equal to the name that the hub gave its content.

    Raises CorpusError for another content, which is removed so that it is fetched again.
    """
    blob = path.resolve()
    algorithm = {64: "sha256", 40: "git"}.get(len(blob.name))
    if not path.is_symlink() or algorithm is None:  # a cache without links: nothing to compare
        return "sha256:" + digest(path, "sha256")
    found = digest(blob, algorithm)
    if found != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise CorpusError(
            f"{path} is damaged: its {algorithm} checksum is {found}, the hub says {blob.name}; "
            "it was deleted. Run the command again to fetch it anew"
        )
    return f"{algorithm}:{found}"
