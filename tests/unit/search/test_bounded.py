"""A bounded index against one that was built of those documents alone."""

import inspect
from collections.abc import Iterator

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import UnknownDocumentError
from xret.index.search.bounded import BoundedReader
from xret.index.search.filters import Condition
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document

BOUND = Condition("lang", "==", "sw")
DOCUMENTS = [
    Document(f"{lang}{i}", f"bees and salt {i} {lang}", lang, meta={f"of_{lang}": i})
    for lang in ("en", "sw", "fr")
    for i in range(12)
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Searcher, Searcher]]:
    """The whole index within the bound, and an index of those documents alone."""
    folder = tmp_path_factory.mktemp("bounded")
    build(DOCUMENTS, folder / "demo", HashingEncoder())
    build([one for one in DOCUMENTS if one.lang == "sw"], folder / "sw", HashingEncoder())
    with (
        Searcher("demo", IndexReader.open(folder / "demo"), HashingEncoder()) as whole,
        Searcher("demo", IndexReader.open(folder / "sw"), HashingEncoder()) as alone,
    ):
        yield whole.within(BOUND), alone


def test_nothing_of_the_whole_reader_is_left_unbounded() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(IndexReader) - public(BoundedReader) == {"open"}
    assert inspect.signature(BoundedReader).parameters.keys() == {"whole", "bound"}


def test_a_bounded_search_is_that_of_an_index_of_those_documents(
    pair: tuple[Searcher, Searcher],
) -> None:
    bounded, alone = pair
    asked = {"lang": "en", "k": 20, "facets": ["lang", "of_sw", "of_en"], "group_by": "lang"}
    for filter in (None, "lang:en", "lang:sw,fr meta.of_en=1", 'doc_id:"en3"', "meta.of_sw>=7"):
        one = bounded.answer("bees and salt", filter=filter, **asked)
        other = alone.answer("bees and salt", filter=filter, **asked)
        assert (one.groups, one.facets, one.total) == (other.groups, other.facets, other.total)
        assert one.warnings == other.warnings
    plain = [searcher.answer("bees 7", lang="en", k=5) for searcher in pair]
    assert plain[0].hits == plain[1].hits


def test_documents_and_counts_are_those_of_the_bound(pair: tuple[Searcher, Searcher]) -> None:
    bounded, alone = (searcher.reader for searcher in pair)
    ids = ["en1", "sw3", "zqxmark", "sw1", "fr2"]
    assert [one.doc_id for one in bounded.documents(ids)] == ["sw3", "sw1"]
    assert bounded.document_page(5, after="e") == alone.document_page(5, after="e")
    assert bounded.metadata_fields() == alone.metadata_fields() == {"of_sw": 12}
    assert bounded.languages() == bounded.info().languages == {"sw": 12}
    assert bounded.info().documents == 12
    assert bounded.info().passages == bounded.info().vectors == bounded.size_bytes() == 0
    title = Condition("title", "==", "")
    assert bounded.languages(title) == {"sw": 12} and len(bounded.doc_ids(title)) == 12


def test_a_document_beyond_the_bound_is_not_explained(pair: tuple[Searcher, Searcher]) -> None:
    with pytest.raises(UnknownDocumentError):
        pair[0].explain("en1", "bees", lang="en", mode="lexical")
    assert pair[0].explain("sw1", "bees", lang="en", mode="lexical").id == "sw1"
