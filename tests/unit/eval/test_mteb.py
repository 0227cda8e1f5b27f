"""mteb runs our index as its search model, and our collections as its tasks: the real package."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encoders import HashingEncoder
from hub_double import COMMIT, hub_of_datasets

from xret.errors import ConfigError, RunError
from xret.eval.measures import measure_queries
from xret.eval.mteb_search import IndexSearch, iso_language_script, subset_languages
from xret.retriever.corpora.registry import find_collection, open_corpus
from xret.retriever.searcher import Searcher
from xret.types import Document, Embeddings, Query

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def tasks() -> Any:
    pytest.importorskip("mteb")
    from xret.eval import mteb_tasks

    return mteb_tasks


@pytest.fixture
def demo_task(tasks: Any) -> Any:
    """English questions of the demo corpus to its Swahili and its French texts."""
    subsets = {"eng-swa": ("en", "sw"), "eng-fra": ("en", "fr")}
    made = tasks.CLIRuditRetrieval.metadata.model_copy(
        update={"name": "DemoRetrieval", "eval_langs": tasks._eval_langs(subsets)}
    )
    return type(
        "DemoRetrieval",
        (tasks.CollectionRetrieval,),
        {"collection": "demo", "subsets": subsets, "metadata": made},
    )()


class Recorder(HashingEncoder):
    """Remembers the language that every text came with."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[tuple[str, str]] = []
        self.documents: list[tuple[str, str]] = []

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        self.queries += [(query.lang, query.lang_source) for query in queries]
        return super().encode_queries(queries)

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        self.documents += [(document.lang, document.lang_source) for document in documents]
        return super().encode_documents(documents)


class Metadata:
    """As much of a task's metadata as a search model is given."""

    name = "Small"

    def __init__(self, **subsets: list[str]) -> None:
        self.hf_subsets_to_langscripts = subsets


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Recorder, IndexSearch]]:
    recorder = Recorder()
    search = IndexSearch(recorder, tmp_path, None)
    yield recorder, search
    search.close()


def test_mteb_measures_what_we_measure(demo_task: Any, tmp_path: Path) -> None:
    """The whole of mteb over the real encoder, against our own measures of our own ranking."""
    import mteb

    model = IndexSearch.of_encoder("xret-static", folder=tmp_path / "indices")
    found = mteb.evaluate(model, demo_task, cache=None, co2_tracker=False, show_progress_bar=False)
    model.close()
    scores = {each["hf_subset"]: each for each in found.task_results[0].scores["test"]}
    assert set(scores) == {"eng-swa", "eng-fra"}
    for subset, lang in (("eng-swa", "sw"), ("eng-fra", "fr")):
        corpus = open_corpus("demo", doc_langs=[lang], query_langs=["en"])
        queries, qrels = corpus.queries(), corpus.qrels()
        searcher = Searcher.open(tmp_path / "indices" / f"DemoRetrieval-{subset}-test")
        assert set(searcher.reader.info().languages) == {lang}
        ranked = searcher.rank(queries, 1000)
        searcher.close()
        run = {q.query_id: hits for q, hits in zip(queries, ranked, strict=True)}
        judged = {q: g for q, g in qrels.items() if any(v > 0 for v in g.values())}
        ours = measure_queries(judged, {q: run[q] for q in judged}, ("nDCG@10", "RR@10"))
        for name, theirs in (("nDCG@10", "ndcg_at_10"), ("RR@10", "mrr_at_10")):
            mean = sum(ours[name].values()) / len(judged)
            assert scores[subset][theirs] == pytest.approx(mean, abs=1e-5)
        assert scores[subset]["ndcg_at_10"] > 0.5
        assert sorted(scores[subset]["languages"]) == sorted(demo_task.metadata.eval_langs[subset])


def test_an_index_that_is_there_answers_for_its_corpus_only(
    demo_task: Any, demo_folder: Path, tmp_path: Path
) -> None:
    model = IndexSearch.of_encoder("xret-static", folder=tmp_path)
    demo_task.load_data()
    split = demo_task.dataset["eng-fra"]["test"]
    given = {"task_metadata": demo_task.metadata, "hf_split": "test", "hf_subset": "eng-fra"}
    model.index(split["corpus"], **given)
    built = model.search(split["queries"], top_k=3, **given)
    model.close()
    kept = IndexSearch.of_index(tmp_path / "DemoRetrieval-eng-fra-test")
    kept.index(split["corpus"], **given)
    assert kept.search(split["queries"], top_k=3, **given) == built
    assert {len(scores) for scores in built.values()} == {3}
    kept.close()
    with pytest.raises(ConfigError, match="closed"):
        kept.index(split["corpus"], **given)
    larger = IndexSearch.of_index(demo_folder)  # all eight languages
    with pytest.raises(RunError, match=r"50 of the 50 documents .* and 350 others"):
        larger.index(split["corpus"], **given)
    larger.close()


def test_the_model_says_what_it_is(demo_folder: Path) -> None:
    mteb_models = pytest.importorskip("mteb.models.models_protocols")
    model = IndexSearch.of_index(demo_folder)
    meta = model.mteb_model_meta
    model.close()
    assert isinstance(model, mteb_models.SearchProtocol)
    assert (meta.name, meta.embed_dim, meta.model_type) == (
        "xret/xret-static",
        256,
        ["late-interaction"],
    )
    assert {"swa-Latn", "zho-Hans", "arb-Arab", "ara-Arab"} & set(meta.languages or ())
    assert len(meta.revision or "") >= 16


def test_clirudit_is_a_task_in_its_published_layout(
    tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From parquet files of a hub, through our collection, to mteb's own number."""
    import mteb

    table = tmp_path / "served"
    for name, columns in {
        "docs/fr": {
            "docid": ["a1", "a2"],
            "title": ["La neige", "Le pain"],
            "subtitle": ["et le froid", None],
            "abstract": ["Il neige.", "Le blé."],
        },
        "qrels/en_fr": {"qid": [7, 8], "docid": ["a1", "a2"], "rel": [1, 1]},
        "queries/en": {"qid": [7, 8], "query": ["snow, winter, cold", "bread, wheat, baking"]},
    }.items():
        path = table / f"{name}.test-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("XRET_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    model = IndexSearch.of_encoder("xret-static", folder=tmp_path / "indices")
    with hub_of_datasets({"ftvalentini/clirudit": table}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        task = tasks.CLIRuditRetrieval()
        found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
        task.load_data()  # mteb has let go of it; what was fetched is read again
    model.close()
    (score,) = found.task_results[0].scores["test"]
    assert (score["hf_subset"], score["ndcg_at_1"]) == ("eng-fra", 1.0)
    rows = task.dataset["eng-fra"]["test"]["corpus"]
    assert rows[0] == {
        "id": "a1",
        "title": "La neige: et le froid",
        "text": "Il neige.",
        "lang": "fr",
    }
    assert tasks._revision("clirudit") == COMMIT


def test_languages_of_the_rows_reach_the_encoder(recorded: tuple[Recorder, IndexSearch]) -> None:
    recorder, search = recorded
    given: Any = {
        "task_metadata": Metadata(pair=["eng-Latn", "swa-Latn"]),
        "hf_split": "test",
        "hf_subset": "pair",
    }
    search.index(
        [
            {"id": "a", "title": "", "text": "maji ya mto", "lang": "swh_Latn"},
            {"id": "b", "title": "", "text": "soko la samaki"},
        ],
        **given,
    )
    assert recorder.documents == [("sw", "given"), ("sw", "identified")]
    search.search(
        [
            {"id": "1", "text": "the water of the river", "language": "English"},
            {"id": "2", "text": "pupils are reading the books of the school"},
        ],
        top_k=5,
        **given,
    )
    assert recorder.queries == [("en", "given"), ("en", "identified")]


def test_a_subset_of_one_language_says_that_of_all_its_texts(
    recorded: tuple[Recorder, IndexSearch],
) -> None:
    recorder, search = recorded
    given: Any = {
        "task_metadata": Metadata(default=["yor-Latn"]),
        "hf_split": "test",
        "hf_subset": "default",
    }
    search.index([{"id": "a", "text": "omi"}], **given)
    search.search([{"id": "1", "text": "omi"}], top_k=1, **given)
    assert recorder.documents + recorder.queries == [("yo", "given"), ("yo", "given")]


def test_what_an_index_cannot_do_is_said(recorded: tuple[Recorder, IndexSearch]) -> None:
    _, search = recorded
    given: Any = {
        "task_metadata": Metadata(default=["eng-Latn"]),
        "hf_split": "test",
        "hf_subset": "default",
        "top_k": 1,
    }
    with pytest.raises(RunError, match="nothing is indexed"):
        search.search([{"id": "1", "text": "a"}], **given)
    with pytest.raises(RunError, match="reranks"):
        search.search([{"id": "1", "text": "a"}], top_ranked={"1": ["a"]}, **given)
    search.index([{"id": "a", "text": "omi"}], **{k: given[k] for k in list(given)[:3]})
    with pytest.raises(RunError, match="instructions"):
        search.search([{"id": "1", "text": "a", "instruction": "rank"}], **given)
    with pytest.raises(RunError, match="conversations"):
        search.search([{"id": "1", "text": [{"role": "user", "content": "a"}]}], **given)


def test_tasks_say_what_their_collection_is(tasks: Any) -> None:
    for task in tasks.TASKS:
        metadata, known = task.metadata, find_collection(task.collection)
        assert all((metadata.license, metadata.bibtex_citation, metadata.domains))
        assert metadata.revision == (known.revision or "pinned on first use")
        for subset, (query_lang, doc_lang) in task.subsets.items():
            known.choose([doc_lang], [query_lang])
            assert len(subset_languages(metadata, subset)) == 2
        assert set(metadata.eval_splits) <= set(known.splits)
    assert "non" in find_collection("clirudit").licence or tasks.TASKS[0].metadata.license.count(
        "nc"
    )


@pytest.mark.parametrize(
    ("code", "spelt"), [("zh", "zho-Hans"), ("ar", "ara-Arab"), ("sr-Latn", "srp-Latn")]
)
def test_codes_are_spelt_as_mteb_spells_them(code: str, spelt: str) -> None:
    assert iso_language_script(code) == spelt


def test_without_mteb_there_is_a_line_that_installs_it() -> None:
    """In a process of its own, where mteb cannot be imported."""
    script = (
        "import sys; sys.modules['mteb'] = None\n"
        "from xret.errors import MissingLibraryError\n"
        "from xret.eval.mteb_search import IndexSearch\n"
        "try:\n    import xret.eval.mteb_tasks\n"
        "except MissingLibraryError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip().endswith("pip install 'xret[eval]'"), done.stderr
