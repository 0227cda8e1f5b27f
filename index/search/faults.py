"""Damage: found by a check of everything, or beside the searches of a large index."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from xret.errors import DamagedIndexError
from xret.index.coding.recoding import read_codec
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import StoredFile, checksum
from xret.index.storage.segment import padded, read_segment
from xret.index.storage.stored import codec_folder, deleted_mask, place_of

__all__ = ["BackgroundCheck", "find_faults"]


def find_faults(folder: Path) -> list[str]:
    """What is wrong with an index, one line a fault naming its file; empty for a sound one.

    Checks every file's size and checksum, the catalog's seal and pages, and every stored
    document against the hash written with it. A writer may commit meanwhile, but waits
    while SQLite checks the pages. Raises IndexNotFoundError where there is no index.
    """
    try:
        catalog = Catalog.open(folder)
    except DamagedIndexError as error:
        return [str(error)]
    try:
        while True:
            version = catalog.version()
            faults = list(_file_faults(folder, catalog))
            if not faults or catalog.version() == version:  # else a commit took files away
                break
        faults += [f"{catalog.path}: {page}" for page in catalog.damaged_pages()]
        for doc_id in catalog.documents.damaged():
            faults.append(f"{catalog.path}: document {doc_id!r} has changed")
        faults += _place_faults(catalog)
    except DamagedIndexError as error:
        return [str(error)]
    finally:
        catalog.close()
    return faults


def _file_faults(folder: Path, catalog: Catalog) -> Iterator[str]:
    with catalog.snapshot():
        files, dim = catalog.files(), int(catalog.setting("dim"))
        records, codecs = catalog.segments().values(), catalog.codecs()
    widths = {0: (padded(dim), 0, 0)}
    for number in codecs:
        try:
            codec = read_codec(folder, number, files.get(codec_folder(number), []))
            widths[number] = (codec.code_bytes, codec.n_centroids, codec.mean_bytes)
        except DamagedIndexError as error:
            yield str(error)
    for record in records:
        if record.codec not in widths:
            yield f"{folder / record.folder}: its codec {record.codec} cannot be read"
            continue
        code_bytes, n_centroids, mean_bytes = widths[record.codec]
        try:
            read_segment(
                folder,
                record,
                files.get(record.folder, []),
                code_bytes=code_bytes,
                n_centroids=n_centroids,
                mean_bytes=mean_bytes,
            )
        except DamagedIndexError as error:
            yield str(error)


def _place_faults(catalog: Catalog) -> list[str]:
    """Documents that have no place in a segment, and places that have no document."""
    with catalog.snapshot():
        masks = {
            number: ~deleted_mask(record.deleted, record.documents)
            for number, record in catalog.segments().items()
        }
        for segment, position in map(place_of, catalog.documents.numbers()):
            mask = masks.get(segment)
            if mask is None or position >= len(mask) or not mask[position]:
                return [f"{catalog.path}: segment {segment} has no document {position}"]
            mask[position] = False
    return [
        f"{catalog.path}: {int(mask.sum())} documents of segment {segment} are lost"
        for segment, mask in masks.items()
        if mask.any()
    ]


class BackgroundCheck:
    """Compares the files of a large index with their checksums while searches go on.

    fault: what damage has been found, None so far.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self, index: Path, files: Mapping[str, Sequence[StoredFile]]) -> None:
        """Check these files, by their folders in the index, after those of earlier calls."""
        earlier = self._thread
        self._thread = threading.Thread(
            target=self._run, args=(index, files, earlier), name="index check", daemon=True
        )
        self._thread.start()

    def raise_fault(self) -> None:
        """Raises DamagedIndexError where damage has been found."""
        if self.fault is not None:
            raise DamagedIndexError(self.fault)

    def wait(self) -> None:
        """Until all is checked."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """End after the file in hand."""
        self._stop.set()
        self.wait()

    def _run(
        self,
        index: Path,
        files: Mapping[str, Sequence[StoredFile]],
        earlier: threading.Thread | None,
    ) -> None:
        if earlier is not None:
            earlier.join()
        for folder, named in files.items():
            for file in named:
                if self._stop.is_set() or self.fault is not None:
                    return
                path = index / folder / file.name
                try:
                    sound = checksum(path) == file.checksum
                except FileNotFoundError:
                    if not path.parent.is_dir():  # compacted away; the map stays whole
                        break
                    sound = False
                except OSError:
                    sound = False
                if not sound:
                    self.fault = (
                        f"{path} has changed since it was written (checksum); restore it from a "
                        "copy or build the index again"
                    )
