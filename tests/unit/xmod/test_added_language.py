"""An index goes on after its encoder learned a language; not where one that it uses has changed."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_late
from tiny_word_models import SENTENCES, tiny_word_model

from xret.errors import EncoderMismatchError
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.encoder_record import recorded_adapters
from xret.retriever.build import IndexBuild
from xret.retriever.encoder import EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.xmod import language_content
from xret.retriever.xmod.fingerprints import language_fingerprints, shared_fingerprint
from xret.retriever.xmod.installed import export_adapter, install_adapter, remove_adapter
from xret.retriever.xmod.language_adapter import EMPHASIS, WORD_ROWS, LanguageAdapter
from xret.types import Document, EncoderSpec, Hit, Query

pytestmark = pytest.mark.vectors

GEORGIAN = ("\u2581ს", "##ს", "\u2581ა", "##ა", "##ხლი")
AMHARIC = ("\u2581ሰ", "##ላ", "##ም", "\u2581ሰላ")
FIRST = [
    Document(f"{lang}-{i}", " ".join(SENTENCES[lang].split()[i:]), lang)
    for lang in ("en", "fr")
    for i in range(4)
]
QUERIES = [Query(lang, SENTENCES[lang], lang) for lang in ("en", "fr", "sw")]


def adapter(
    folder: Path, lang: str, *, pieces: tuple[str, ...] = (), seed: int = 0
) -> LanguageAdapter:
    """Random weights in the shapes of another language's."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randn(one.shape, generator=generator)
        for name, one in export_adapter(folder, "sw").tensors.items()
    }
    rows: dict[str, Any] = {}
    if pieces:
        rows[WORD_ROWS] = torch.randn(len(pieces), 16, generator=generator)
        rows[EMPHASIS] = torch.randn(len(pieces), generator=generator)
    base = shared_fingerprint(folder)
    return LanguageAdapter(lang=lang, base=base, tensors=tensors, card={}, pieces=pieces, rows=rows)


def build(index: Path, folder: Path, documents: Sequence[Document]) -> None:
    for _ in IndexBuild(documents, index, load_encoder(str(folder))).run():
        pass


def rankings(
    index: Path, *, encoder: Path | None = None, queries: Sequence[Query] = QUERIES
) -> list[list[Hit]]:
    with Searcher.open(index, encoder=str(encoder) if encoder else None) as searcher:
        return searcher.rank(queries, 20, calibrate="off")


def settings(index: Path) -> dict[str, str]:
    with closing(IndexReader.open(index)) as reader:
        return reader.settings


def spec(folder: Path) -> EncoderSpec:
    return load_encoder(str(folder)).spec


def make_old(index: Path) -> None:
    """As an earlier version has left it: no base recorded, no routes in the settings."""
    with closing(Catalog.open(index)) as catalog, catalog.transaction():
        catalog._database.write(
            "DELETE FROM settings WHERE name IN ('encoder_base', 'encoder_routes')"
        )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    tiny_word_model(root / "float")
    tiny_word_model(root / "compact", compact=True)
    return root


@pytest.fixture(params=["float", "compact"])
def folder(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models / request.param, tmp_path / "model")


@pytest.fixture
def plain(models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models / "float", tmp_path / "model")


@pytest.fixture
def index(plain: Path, tmp_path: Path) -> Path:
    """Of English and French documents, by the model in `plain`."""
    build(tmp_path / "index", plain, FIRST)
    return tmp_path / "index"


def test_a_language_more_changes_no_hit_and_no_score(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    build(index, folder, FIRST)
    before, fingerprint = rankings(index), spec(folder).fingerprint
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN))
    assert spec(folder).fingerprint != fingerprint
    assert rankings(index) == before
    assert [len(hits) for hits in before] == [len(FIRST)] * 3


def test_documents_in_the_new_language_are_added_and_found(index: Path, plain: Path) -> None:
    before = rankings(index)
    install_adapter(plain, adapter(plain, "ka", pieces=GEORGIAN))
    added = Document("ka-0", "სახლი", "ka")
    with Searcher.open(index) as searcher:
        assert searcher.add([added]) == 1
        best = searcher.answer("სახლი", lang="ka", k=1)
        assert ([hit.id for hit in best.hits], best.warnings) == (["ka-0"], [])
    old = [[hit for hit in hits if hit.doc_id != "ka-0"] for hits in rankings(index)]
    assert old == before
    assert find_faults(index) == []


def test_a_build_goes_on_with_the_model_that_has_a_language_more(index: Path, plain: Path) -> None:
    install_adapter(plain, adapter(plain, "ka", pieces=GEORGIAN))
    build(index, plain, [*FIRST, Document("ka-0", "სახლი", "ka")])
    with closing(IndexReader.open(index)) as reader:
        assert reader.info().documents == len(FIRST) + 1
    georgian = Query("ka", "სახლი", "ka")
    assert rankings(index, queries=[georgian])[0][0].doc_id == "ka-0"


def test_a_commit_records_its_encoder_and_keeps_the_routes_of_earlier_ones(
    index: Path, plain: Path, tmp_path: Path
) -> None:
    old = spec(plain)
    assert settings(index)["encoder_fingerprint"] == old.fingerprint
    extended = shutil.copytree(plain, tmp_path / "extended")
    install_adapter(extended, adapter(extended, "ka", pieces=GEORGIAN))
    with Searcher.open(index, encoder=str(extended)) as searcher:
        searcher.search("fish", lang="en")
        assert settings(index)["encoder_fingerprint"] == old.fingerprint, "reading writes nothing"
        searcher.add([Document("ka-0", "სახლი", "ka")])
    new, found = spec(extended), settings(index)
    assert (found["encoder"], found["encoder_fingerprint"]) == (str(extended), new.fingerprint)
    used = {"en": "en", "fr": "fr", "ka": "ka"}
    wanted = {lang: {through: new.adapters[through]} for lang, through in used.items()}
    assert recorded_adapters(found) == wanted
    with pytest.raises(EncoderMismatchError, match=r"documents in ka .* has none"):
        rankings(index, encoder=plain)


def test_a_commit_that_fails_leaves_the_record_as_it_was(
    index: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = settings(index)
    install_adapter(plain, adapter(plain, "ka", pieces=GEORGIAN))

    def fail(_: Catalog) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Catalog, "count_commit", fail)
    with Searcher.open(index) as searcher, pytest.raises(OSError, match="no space"):
        searcher.add([Document("ka-0", "სახლი", "ka")])
    assert settings(index) == before


def test_the_same_model_elsewhere_leaves_the_recorded_name(
    index: Path, plain: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(plain, tmp_path / "copy")
    with Searcher.open(index, encoder=str(copy)) as searcher:
        searcher.add([Document("sw-0", "samaki", "sw")])
    assert settings(index)["encoder"] == str(plain)


def test_another_adapter_for_a_language_of_the_index_is_refused(index: Path, plain: Path) -> None:
    install_adapter(plain, adapter(plain, "fr"), replace=True)
    with pytest.raises(EncoderMismatchError, match=r"documents in fr .* has another one for it"):
        rankings(index)
    with pytest.raises(EncoderMismatchError, match="documents in fr"):
        build(index, plain, FIRST)


def test_a_language_of_the_index_that_was_removed_is_refused(index: Path, plain: Path) -> None:
    remove_adapter(plain, "fr")
    with pytest.raises(EncoderMismatchError, match=r"documents in fr .* has none"):
        rankings(index)


def test_other_languages_may_be_changed_and_removed(index: Path, plain: Path) -> None:
    before = rankings(index)[:2]
    install_adapter(plain, adapter(plain, "sw"), replace=True)
    assert rankings(index)[:2] == before
    remove_adapter(plain, "sw")
    remove_adapter(plain, "zh-Hant")
    assert rankings(index)[:2] == before


def test_a_language_removed_and_installed_again_is_taken_back(index: Path, plain: Path) -> None:
    before, kept = rankings(index), export_adapter(plain, "fr")
    remove_adapter(plain, "fr")
    install_adapter(plain, kept)
    assert rankings(index) == before


@pytest.mark.parametrize("name", ["embeddings.word_embeddings.weight", "emphasis"])
def test_another_base_is_refused(name: str, index: Path, plain: Path) -> None:
    install_adapter(plain, adapter(plain, "ka", pieces=GEORGIAN))
    path = plain / ("1_WordPooling" if name == "emphasis" else "") / "model.safetensors"
    weights = load_file(path)
    weights[name][5] += 1
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(EncoderMismatchError, match="was built by encoder"):
        rankings(index)


def test_other_options_are_another_base(plain: Path) -> None:
    first = load_encoder(str(plain)).spec
    shorter = load_encoder(str(plain), options=EncoderOptions(max_tokens=8)).spec
    strict = load_encoder(str(plain), options=EncoderOptions(lang_policy="strict")).spec
    assert first.base == strict.base != shorter.base
    assert first.adapters == shorter.adapters


def test_an_index_without_a_record_takes_its_very_encoder_only(index: Path, plain: Path) -> None:
    make_old(index)
    rankings(index)
    install_adapter(plain, adapter(plain, "ka"))
    with pytest.raises(EncoderMismatchError, match="was built by encoder"):
        rankings(index)


def test_a_commit_by_its_very_encoder_gives_an_old_index_the_whole_record(
    index: Path, plain: Path
) -> None:
    make_old(index)
    with Searcher.open(index) as searcher:
        searcher.add([Document("sw-0", "samaki", "sw")])
    before = rankings(index)
    assert recorded_adapters(settings(index)).keys() == {"en", "fr", "sw"}
    install_adapter(plain, adapter(plain, "ka"))
    assert rankings(index) == before


def test_documents_that_went_through_a_relative_are_found_and_said_to_have(
    plain: Path, tmp_path: Path
) -> None:
    index, swahili = tmp_path / "index", SENTENCES["sw"]
    build(index, plain, [*FIRST, Document("zu-0", swahili, "zu")])
    (relative,) = recorded_adapters(settings(index))["zu"]
    assert relative == "sw"
    install_adapter(plain, adapter(plain, "zu"))
    with Searcher.open(index) as searcher:
        first = searcher.answer(swahili, lang="zu", k=20)
        assert "zu-0" in [hit.id for hit in first.hits]
        (warning,) = first.warnings
        assert "Zulu were indexed through the Swahili adapter" in warning
        assert "through the Zulu one" in warning
        assert searcher.answer(swahili, lang="zu", k=20).warnings == [], "said once"
        searcher.add([Document("zu-1", swahili, "zu")])
        assert searcher.answer(swahili, lang="zu", k=1).hits[0].id == "zu-1"
    assert recorded_adapters(settings(index))["zu"].keys() == {"sw", "zu"}
    remove_adapter(plain, "sw")
    with pytest.raises(EncoderMismatchError, match=r"documents in zu .* adapter of sw"):
        rankings(index)


def test_a_strict_policy_says_nothing_of_languages_without_an_adapter(
    plain: Path, tmp_path: Path
) -> None:
    build(tmp_path / "index", plain, [Document("zu-0", SENTENCES["sw"], "zu")])
    strict = EncoderOptions(lang_policy="strict")
    with Searcher.open(tmp_path / "index", options=strict) as searcher:
        answer = searcher.answer("samaki", lang="sw")
    assert ([hit.id for hit in answer.hits], answer.warnings) == (["zu-0"], [])


def test_what_a_language_has_keeps_its_hash_wherever_its_rows_lie(folder: Path) -> None:
    before = language_fingerprints(folder)
    assert len(set(before.values())) == len(SENTENCES)
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN, seed=1))
    install_adapter(folder, adapter(folder, "am", pieces=AMHARIC, seed=2))
    both = language_fingerprints(folder)
    assert {lang: both[lang] for lang in before} == before
    remove_adapter(folder, "ka")
    assert language_fingerprints(folder) == before | {"am": both["am"]}


@pytest.mark.parametrize("part", ["tensors", "pieces", "words", "emphasis"])
def test_every_part_of_a_language_counts(part: str, folder: Path) -> None:
    first = adapter(folder, "ka", pieces=GEORGIAN)
    install_adapter(folder, first)
    before = language_fingerprints(folder)["ka"]
    tensors, rows, pieces = dict(first.tensors), dict(first.rows), first.pieces
    if part == "tensors":
        name = sorted(tensors)[0]
        tensors[name] = tensors[name] + 1
    elif part == "pieces":
        pieces = (*pieces[:-1], "##სხლ")
    else:
        name = WORD_ROWS if part == "words" else EMPHASIS
        rows[name] = rows[name] * torch.linspace(1, 2, rows[name].numel()).reshape(rows[name].shape)
    changed = LanguageAdapter("ka", first.base, tensors, {}, pieces, rows)
    install_adapter(folder, changed, replace=True)
    assert language_fingerprints(folder)["ka"] != before


def test_hashes_are_remembered_by_content(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = spec(plain)
    assert found.base and found.adapters == language_fingerprints(plain)

    def fail(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patched:
        patched.setattr(language_content, "_read", fail)
        assert spec(plain) == found
    (language_content._file()).write_text('{"format": 1, "models": []}')
    assert spec(plain) == found
    install_adapter(plain, adapter(plain, "ka"))
    assert spec(plain).adapters.keys() == {*SENTENCES, "ka"}


def test_a_model_without_languages_of_its_own_records_nothing_new(tmp_path: Path) -> None:
    model = tiny_late(tmp_path / "model")
    build(tmp_path / "index", model, FIRST)
    found = spec(model)
    assert (found.base, found.adapters) == ("", {})
    assert settings(tmp_path / "index").keys().isdisjoint({"encoder_base", "encoder_routes"})


def test_a_spec_can_be_a_key(plain: Path) -> None:
    assert {spec(plain): 1}[spec(plain)] == 1
