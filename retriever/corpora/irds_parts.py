"""Parts of a collection that ir_datasets reads whole: documents, topics and judgements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, FetchedFile, Part
from xret.retriever.corpora.irds import IrDatasetsCorpus, find_dataset
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import Record
from xret.types import Progress, Query

__all__ = ["irds_parts"]


@dataclass(frozen=True)
class DatasetFiles:
    """A dataset of ir_datasets by its id, opened when it is first needed."""

    dataset_id: str

    def corpus(self) -> IrDatasetsCorpus:
        """The dataset. Raises CorpusError where this ir_datasets does not know it."""
        dataset = find_dataset(self.dataset_id)
        if dataset is None:
            raise CorpusError(
                f"ir_datasets does not know {self.dataset_id}; update it: pip install -U "
                "ir_datasets"
            )
        return IrDatasetsCorpus(self.dataset_id, dataset)

    def watch(self) -> Iterator[Progress]:
        """Fetch them where they are not there."""
        for step in self.corpus().fetch():
            if isinstance(step, Progress):
                yield step

    def fetch(self) -> list[FetchedFile]:
        """Its files in the cache of ir_datasets."""
        return [each for each in self.corpus().fetch() if isinstance(each, FetchedFile)]

    def records(self) -> Iterator[Record]:
        """Its documents."""
        yield from self.corpus().records()


def irds_parts(dataset_id: Callable[[str, str], str]) -> Callable[[Choice], Sequence[Part]]:
    """What opens the languages of a collection; dataset_id: of a language and a split."""

    def part(lang: str, split: str) -> Part:
        files = DatasetFiles(dataset_id(lang, split))

        def topics() -> list[Query]:
            found = files.corpus().topics()
            return [replace(query, lang=lang, lang_source="given") for query in found]

        def qrels() -> Qrels:
            return files.corpus().judgements()

        return Part(
            name=lang,
            doc_lang=lang,
            sources=(files,),
            documents=files.records,
            queries=lambda _: topics(),
            qrels=qrels,
        )

    return lambda choice: [part(lang, choice.split) for lang in choice.doc_langs]
