"""Languages as files: into a model, out of it, back again, and no other language's bit changed."""

import errno
import itertools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agreement import assert_near
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_models import tiny_colbert_xm, tiny_dpr_xm, tiny_xmod
from tiny_word_models import SENTENCES, tiny_word_model, wordpiece_tokenizer
from tokenizers import Tokenizer

from xret.errors import LanguageError, ModelError
from xret.retriever.models.folder_change import finish_change, folder_change
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.xmod import installed, language_content
from xret.retriever.xmod.fingerprints import shared_fingerprint
from xret.retriever.xmod.installed import (
    adapters_of,
    changed_copy,
    copy_model,
    export_adapter,
    install_adapter,
    remove_adapter,
)
from xret.retriever.xmod.language_adapter import EMPHASIS, WORD_ROWS, LanguageAdapter
from xret.retriever.xmod.vocabulary_rows import dequantised, quantised, unsafe_pieces
from xret.types import Document, Query

pytestmark = pytest.mark.vectors

GEORGIAN = ("\u2581ს", "##ს", "\u2581ა", "##ა", "##ხლი")
AMHARIC = ("\u2581ሰ", "##ላ", "##ም", "\u2581ሰላ")
TIGRINYA = ("\u2581ቋ", "##ቋ")
TEXTS = SENTENCES | {"ka": "სახლი", "am": "ሰላም", "ti": "ቋቋ"}


def vectors(folder: Path, langs: Sequence[str], texts: Mapping[str, str] = TEXTS) -> dict[str, Any]:
    """Document and query vectors of a text in each language, in a batch of its own.

    So the batches are the same whichever other languages there are. All together in one
    batch they are nearly the same.
    """
    encoder = load_encoder(str(folder))
    documents = [Document(lang, texts[lang], lang) for lang in langs]
    queries = [Query(lang, texts[lang], lang) for lang in langs]
    alone = {
        lang: (encoder.encode_documents([document])[0], encoder.encode_queries([query])[0])
        for lang, document, query in zip(langs, documents, queries, strict=True)
    }
    together = encoder.encode_documents(documents), encoder.encode_queries(queries)
    for i, lang in enumerate(langs):
        for own, beside in zip(alone[lang], together, strict=True):
            assert_near(beside[i], own, lang)
    return alone


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for lang in wanted:
        for one, other in zip(found[lang], wanted[lang], strict=True):
            assert np.array_equal(one, other), lang


def adapter(
    folder: Path,
    lang: str,
    *,
    pieces: tuple[str, ...] = (),
    like: str = "en",
    seed: int = 0,
    **fields: Any,
) -> LanguageAdapter:
    """Random weights in the shapes of another language's."""
    generator = torch.Generator().manual_seed(seed)
    shapes = export_adapter(folder, like).tensors
    tensors = {name: torch.randn(t.shape, generator=generator) for name, t in shapes.items()}
    rows = {}
    if pieces:
        rows = {
            WORD_ROWS: torch.randn(len(pieces), 16, generator=generator),
            EMPHASIS: torch.randn(len(pieces), generator=generator),
        }
    made = {"base": shared_fingerprint(folder), "card": {"trained_by": "a test"}}
    return LanguageAdapter(lang=lang, tensors=tensors, pieces=pieces, rows=rows, **(made | fields))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that matters, by its place."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    tiny_word_model(root / "float")
    tiny_word_model(root / "compact", compact=True)
    tiny_colbert_xm(root / "colbert-xm")
    tiny_dpr_xm(root / "dpr-xm")
    return root


@pytest.fixture(params=["float", "compact"])
def folder(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models / request.param, tmp_path / "model")


@pytest.fixture
def compact(models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models / "compact", tmp_path / "model")


def test_a_file_gives_back_every_field_in_its_own_precision(folder: Path, tmp_path: Path) -> None:
    made = adapter(folder, "ka", pieces=GEORGIAN, card={"licence": "CC0", "steps": 3})
    halved = {name: t.half() for name, t in made.tensors.items()}
    made = LanguageAdapter("ka", made.base, halved, made.card, made.pieces, made.rows)
    made.save(tmp_path / "ka.safetensors")
    found = LanguageAdapter.load(tmp_path / "ka.safetensors")
    assert (found.lang, found.base, found.card, found.pieces) == (
        "ka",
        made.base,
        {"licence": "CC0", "steps": 3},
        GEORGIAN,
    )
    for name, tensor in {**made.tensors, **made.rows}.items():
        other = found.tensors[name] if name in found.tensors else found.rows[name]
        assert other.dtype == tensor.dtype
        assert torch.equal(other, tensor)
    assert [path.name for path in tmp_path.glob("*ka*")] == ["ka.safetensors"]


def _metadata(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() | changes
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    path.unlink()
    save_file(tensors, path, metadata=metadata)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (lambda path: path.unlink(), "there is no adapter"),
    "text": (lambda path: path.write_text("hello"), "no readable safetensors file"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "no readable safetensors"),
    "other": (
        lambda path: save_file({"a": torch.ones(2)}, path),
        "is no language adapter: its metadata names none",
    ),
    "format": (lambda path: _metadata(path, format="xret language adapter 9"), "adapter 9"),
    "language": (lambda path: _metadata(path, lang="am"), "its hash is another"),
    "base": (lambda path: _metadata(path, base="0" * 32), "its hash is another"),
    "pieces": (lambda path: _metadata(path, pieces='["x"]'), "its hash is another"),
    "card": (lambda path: _metadata(path, card="{}"), "its hash is another"),
    "a bit": (_flip, "its hash is another"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_and_the_damage_named(
    compact: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "ka.safetensors"
    adapter(compact, "ka", pieces=GEORGIAN).save(path)
    harm, said = DAMAGES[damage]
    harm(path)
    with pytest.raises(ModelError, match=said):
        LanguageAdapter.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_neither_saved_nor_loaded_nor_installed(
    compact: Path, tmp_path: Path, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, before = adapter(compact, "ka"), tree(compact)
    next(iter(made.tensors.values())).view(-1)[0] = value
    with pytest.raises(ModelError, match="not finite"):
        made.save(tmp_path / "ka.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        install_adapter(compact, made)
    with monkeypatch.context() as patch:
        patch.setattr(LanguageAdapter, "check", lambda *_: None)
        made.save(tmp_path / "ka.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        LanguageAdapter.load(tmp_path / "ka.safetensors")
    assert tree(compact) == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lang": "swahili"}, "no BCP 47 code"),
        ({"lang": "xyzzy"}, "'xyzzy' is no language"),
        ({"base": "?"}, "no fingerprint of a model"),
        ({"tensors": {}}, "it has no tensors"),
        ({"tensors": {"pooler.dense.weight": torch.ones(1)}}, "no tensor of an X-MOD adapter"),
        ({"pieces": ("\u2581ს", "\u2581ს")}, "a piece twice"),
        ({"pieces": ("",)}, "a text with letters"),
        ({"pieces": GEORGIAN[:2]}, "no row for each of 2 pieces"),
        ({"rows": {}}, "5 pieces and no rows"),
        ({"rows": {"linear.weight": torch.ones(5, 16)}}, "no table of a model"),
        ({"card": {"results": {1, 2}}}, "card is no JSON"),
    ],
)
def test_values_that_make_no_adapter_are_not_saved(
    compact: Path, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    plain = adapter(compact, "ka", pieces=GEORGIAN)
    values = {name: getattr(plain, name) for name in LanguageAdapter.__dataclass_fields__}
    with pytest.raises(ModelError, match=said):
        LanguageAdapter(**(values | fields)).save(tmp_path / "ka.safetensors")
    assert not (tmp_path / "ka.safetensors").exists()


def test_a_full_disk_leaves_the_file_that_was_there(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ka.safetensors"
    adapter(compact, "ka").save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", _refuses)
    with pytest.raises(ModelError, match="No space left on device"):
        adapter(compact, "ka", seed=1).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.glob(".*"))) == 0


def test_a_language_added_leaves_every_other_bit_for_bit_as_it_was(folder: Path) -> None:
    langs = list(SENTENCES)
    before = vectors(folder, langs)
    base = shared_fingerprint(folder)
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN))
    install_adapter(folder, adapter(folder, "am", pieces=AMHARIC, seed=1))
    install_adapter(folder, adapter(folder, "ha", seed=2))
    assert [one.lang for one in adapters_of(folder)] == [*langs, "ka", "am", "ha"]
    assert_same(vectors(folder, ["am", "en", "ka", "fr", "zh-Hant", "sw"]), before)
    assert shared_fingerprint(folder) == base
    config = json.loads((folder / "config.json").read_text())
    rows = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert len(rows) == config["vocab_size"] == config["vocabulary_rows"]["am"][1]
    assert rows.dtype == (torch.int8 if folder_is_compact(folder) else torch.float32)


def folder_is_compact(folder: Path) -> bool:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return "embeddings.word_embeddings.weight_scale" in file.keys()  # noqa: SIM118


def test_an_added_language_is_read_by_its_adapter_its_rows_and_its_emphasis(folder: Path) -> None:
    plain = shutil.copytree(folder, folder.with_name("plain"))
    made = adapter(folder, "ka", pieces=GEORGIAN)
    install_adapter(folder, made)
    whole = vectors(folder, ["ka", "en"])
    assert len(whole["ka"][0]) == 1  # one word, where before there was nothing but the unknown
    named = {**made.rows, "no emphasis": None, "adapter": None}
    for changed in named:
        rows = dict(made.rows)
        tensors = dict(made.tensors)
        if changed == "no emphasis":
            del rows[EMPHASIS]
        elif changed == "adapter":
            tensors = {name: t + 1 for name, t in tensors.items()}
        else:
            rows[changed] = rows[changed].flip(0)
        other = shutil.copytree(plain, folder.with_name(f"other-{len(changed)}-{changed[:2]}"))
        install_adapter(other, LanguageAdapter("ka", made.base, tensors, {}, GEORGIAN, rows))
        found = vectors(other, ["ka", "en"])
        if "emphasis" in changed:  # it weighs the words of queries against each other
            assert not np.allclose(asked(other), asked(folder), atol=1e-4), changed
        else:
            assert not np.allclose(found["ka"][0], whole["ka"][0], atol=1e-4), changed
        assert np.array_equal(found["en"][0], whole["en"][0])


def asked(folder: Path) -> Any:
    """The vectors of a query of a new word beside an old one."""
    encoder = load_encoder(str(folder))
    return encoder.encode_queries([Query("1", f"{TEXTS['ka']} fish", "ka")]).values


def test_exported_removed_and_imported_is_the_same_file_by_file(folder: Path) -> None:
    install_adapter(folder, adapter(folder, "am", pieces=AMHARIC))
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN, seed=1))
    before, encoded = tree(folder), vectors(folder, [*SENTENCES, "ka", "am"])
    export_adapter(folder, "ka").save(folder.with_name("ka.safetensors"))
    remove_adapter(folder, "ka")
    assert "ka" not in {one.lang for one in adapters_of(folder)}
    assert tree(folder).keys() == before.keys() - {"adapter_cards/ka.json"}
    install_adapter(folder, LanguageAdapter.load(folder.with_name("ka.safetensors")))
    assert tree(folder) == before
    assert_same(vectors(folder, ["ka", *SENTENCES, "am"]), encoded)


def test_rows_behind_a_removed_language_move_up_and_keep_their_vectors(folder: Path) -> None:
    only_last = shutil.copytree(folder, folder.with_name("only-last"))
    first, last = adapter(folder, "am", pieces=AMHARIC), adapter(folder, "ka", pieces=GEORGIAN)
    middle = adapter(folder, "ti", pieces=TIGRINYA, seed=3)
    for each in (first, middle, last):
        install_adapter(folder, each)
    encoded = vectors(folder, [*SENTENCES, "am", "ti", "ka"])
    remove_adapter(folder, "ti")
    del encoded["ti"]
    assert_same(vectors(folder, ["ka", "am", *SENTENCES]), encoded)
    remove_adapter(folder, "am")
    del encoded["am"]
    assert_same(vectors(folder, [*SENTENCES, "ka"]), encoded)
    install_adapter(only_last, last)
    assert tree(folder) == tree(only_last)
    assert export_adapter(folder, "ka").pieces == GEORGIAN


def test_every_step_leads_back_to_the_model_as_it_was(folder: Path) -> None:
    before = tree(folder)
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN))
    install_adapter(folder, adapter(folder, "am", pieces=AMHARIC))
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN[:2], seed=5), replace=True)
    remove_adapter(folder, "am")
    remove_adapter(folder, "ka")
    after = tree(folder)
    assert after.keys() == before.keys()
    for name, content in before.items():
        same = json.loads if name.endswith(".json") else bytes
        assert same(after[name]) == same(content), name


def test_a_language_replaced_keeps_its_id_and_every_other_its_vectors(folder: Path) -> None:
    install_adapter(folder, adapter(folder, "ka", pieces=GEORGIAN))
    install_adapter(folder, adapter(folder, "am", pieces=AMHARIC))
    before = vectors(folder, [*SENTENCES, "am", "ka"])
    with pytest.raises(ModelError, match="has an adapter for ka already; say --replace"):
        install_adapter(folder, adapter(folder, "ka"))
    for lang, pieces in (("ka", GEORGIAN[:3]), ("fr", ())):
        install_adapter(folder, adapter(folder, lang, pieces=pieces, seed=7), replace=True)
        found = vectors(folder, [*SENTENCES, "am", "ka"])
        changed = before.pop(lang)
        assert not np.allclose(found[lang][1], changed[1], atol=1e-4)
        assert_same(found, before)
    assert [one.lang for one in adapters_of(folder)] == [*SENTENCES, "ka", "am"]


@pytest.mark.parametrize("name", ["colbert-xm", "dpr-xm"])
def test_a_published_layout_gives_a_language_out_and_takes_it_back(
    models: Path, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(models / name, tmp_path / name)
    langs = ["en", "fr", "sw", "zh"]
    texts = {lang: TEXTS.get(lang, "珊瑚礁") for lang in langs}
    before, weights = vectors(folder, langs, texts), (folder / "model.safetensors").read_bytes()
    swahili = export_adapter(folder, "sw")
    assert "encoder.layer.1.output.adapter.dense2.bias" in swahili.tensors
    remove_adapter(folder, "sw")
    others = ["zh", "en", "fr"]
    assert_same(vectors(folder, others, texts), {lang: before[lang] for lang in others})
    install_adapter(folder, swahili)
    assert json.loads((folder / "config.json").read_text())["languages"][-1] == "sw_KE"
    assert (folder / "model.safetensors").read_bytes() == weights
    assert_same(vectors(folder, langs, texts), before)
    install_adapter(folder, LanguageAdapter("rw", swahili.base, swahili.tensors, {}))
    kinyarwanda = vectors(folder, ["rw"], {"rw": texts["sw"]})
    assert_same({"sw": kinyarwanda["rw"]}, {"sw": before["sw"]})
    with pytest.raises(ModelError, match="WordPiece only"):
        rows = {WORD_ROWS: torch.zeros(1, 32)}
        install_adapter(
            folder, LanguageAdapter("ka", swahili.base, swahili.tensors, {}, ("ს",), rows)
        )


def test_the_base_is_what_all_languages_share(folder: Path) -> None:
    base = shared_fingerprint(folder)
    other = shutil.copytree(folder, folder.with_name("elsewhere"))
    remove_adapter(other, "fr")
    (other / "README.md").write_text("a card")
    assert shared_fingerprint(other) == base
    found = {base}
    for change in _base_changes():
        changed = shutil.copytree(folder, folder.with_name("changed"))
        change(changed)
        found.add(shared_fingerprint(changed))
        shutil.rmtree(changed)
    assert len(found) == 1 + len(_base_changes())


def _base_changes() -> list[Callable[[Path], Any]]:
    def tensor(place: str, name: str) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            path = folder / place
            tensors = {key: value.clone() for key, value in load_file(path).items()}
            path.unlink()
            tensors[name].view(-1)[0] += 1
            save_file(tensors, path, metadata={"format": "pt"})

        return change

    def setting(place: str, name: str, value: object) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            content = json.loads((folder / place).read_text())
            (folder / place).write_text(json.dumps(content | {name: value}))

        return change

    def piece(folder: Path) -> None:
        path = folder / "tokenizer.json"
        path.write_text(path.read_text().replace('"##wana"', '"##wanb"'))

    return [
        tensor("model.safetensors", "encoder.layer.1.attention.self.query.weight"),
        tensor("model.safetensors", "embeddings.word_embeddings.weight"),
        tensor("1_WordPooling/model.safetensors", "emphasis"),
        tensor("1_WordPooling/model.safetensors", "context"),
        setting("config.json", "layer_norm_eps", 1e-3),
        setting("1_WordPooling/config.json", "query_power", 3.0),
        setting("sentence_bert_config.json", "max_seq_length", 12),
        piece,
    ]


def test_an_adapter_for_another_base_is_refused_and_both_are_named(
    compact: Path, models: Path
) -> None:
    foreign, before = adapter(models / "float", "ka"), tree(compact)
    with pytest.raises(ModelError, match="was trained for another base") as refused:
        install_adapter(compact, foreign)
    assert foreign.base in str(refused.value)
    assert shared_fingerprint(compact) in str(refused.value)
    assert "xret lang add ka" in str(refused.value)
    assert tree(compact) == before


def _narrower(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: t[:-1] for name, t in tensors.items()}


def _fewer(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: t for name, t in tensors.items() if ".1." not in name}


def _more(tensors: dict[str, Any]) -> dict[str, Any]:
    return tensors | {name.replace(".1.", ".2."): t for name, t in tensors.items()}


@pytest.mark.parametrize("change", [_narrower, _fewer, _more])
def test_an_adapter_of_another_shape_is_refused(
    compact: Path, change: Callable[[Any], dict[str, Any]]
) -> None:
    plain, before = adapter(compact, "ka"), tree(compact)
    with pytest.raises(ModelError, match=r"does not fit .* has shape"):
        tensors = change(dict(plain.tensors))
        install_adapter(compact, LanguageAdapter("ka", plain.base, tensors, {}))
    with pytest.raises(ModelError, match=r"rows have shape \(1, 3\), the model needs \(1, 16\)"):
        rows = {WORD_ROWS: torch.ones(1, 3)}
        install_adapter(
            compact, LanguageAdapter("ka", plain.base, plain.tensors, {}, ("\u2581ს",), rows)
        )
    assert tree(compact) == before


def test_numbers_too_large_for_the_models_precision_are_refused(compact: Path) -> None:
    plain, before = adapter(compact, "ka", pieces=GEORGIAN), tree(compact)
    large = {name: t * 1e6 for name, t in plain.tensors.items()}
    with pytest.raises(ModelError, match=r"too large for the model's torch.float16"):
        install_adapter(compact, LanguageAdapter("ka", plain.base, large, {}))
    rows = {WORD_ROWS: torch.full((5, 16), 1e9)}
    with pytest.raises(ModelError, match=r"weight_scale are too large"):
        install_adapter(
            compact, LanguageAdapter("ka", plain.base, plain.tensors, {}, GEORGIAN, rows)
        )
    assert tree(compact) == before


def test_the_last_language_stays_and_the_default_one_leaves_none_behind(compact: Path) -> None:
    path = compact / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"default_language": "en"}))
    for lang in ("en", "sw", "zh-Hant"):
        remove_adapter(compact, lang)
        assert json.loads(path.read_text())["default_language"] is None
    with pytest.raises(ModelError, match="fr is the last language of"):
        remove_adapter(compact, "fr")
    with pytest.raises(LanguageError, match="has no adapter for 'sw'; it has fr"):
        remove_adapter(compact, "sw")
    with pytest.raises(LanguageError, match="has no adapter for 'sw'; it has fr"):
        export_adapter(compact, "sw")
    assert vectors(compact, ["fr"])["fr"][0].any()


def test_models_that_cannot_be_changed_are_refused_with_the_way_out(
    compact: Path, tmp_path: Path
) -> None:
    made = adapter(compact, "ka")
    with pytest.raises(ModelError, match="shipped with xret and is never changed; give --output"):
        remove_adapter(installed.PRETRAINED / "xret-static", "fr")
    (compact / "pin.json").write_text("{}")
    with pytest.raises(ModelError, match="a pulled revision and is never changed; give --output"):
        install_adapter(compact, made)
    (compact / "pin.json").unlink()
    weights = compact / "model.safetensors"
    kept = weights.read_bytes()
    weights.rename(compact / "model-00001-of-00001.safetensors")
    (compact / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    for refused in (adapters_of, shared_fingerprint, lambda folder: install_adapter(folder, made)):
        with pytest.raises(ModelError, match=r"in several files.*save_pretrained"):
            refused(compact)
    (compact / "model.safetensors.index.json").unlink()
    weights.write_bytes(kept[:-1])
    with pytest.raises(ModelError, match="no readable safetensors file"):
        adapters_of(compact)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="no X-MOD adapters: its model is of type 'bert'"):
        adapters_of(tmp_path / "bert")


def test_listing_reads_no_weights(compact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_adapter(compact, adapter(compact, "ka", pieces=GEORGIAN))

    def refuse(*_: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(installed.XmodFolder, "is_adapter", refuse)
    monkeypatch.setattr("xret.retriever.models.weight_file.WeightFile.read", refuse)
    monkeypatch.setattr("xret.retriever.models.weight_file.WeightFile.blocks", refuse)
    *own, added = adapters_of(compact)
    assert [(one.pieces, one.added, one.card) for one in own] == [(0, False, {})] * 4
    assert (added.lang, added.pieces, added.added) == ("ka", 5, True)
    assert added.card == {"trained_by": "a test"}
    tensors = load_file(compact / "model.safetensors")
    mine = [t for name, t in tensors.items() if ".adapter_modules.ka." in name]
    assert added.parameters == sum(t.numel() for t in mine)
    assert added.n_bytes == 2 * added.parameters


def test_texts_that_were_read_before_are_cut_as_before(compact: Path) -> None:
    before = Tokenizer.from_file(str(compact / "tokenizer.json"))
    install_adapter(compact, adapter(compact, "ka", pieces=GEORGIAN))
    after = Tokenizer.from_file(str(compact / "tokenizer.json"))
    drawn = random.Random(0)
    texts = ["".join(drawn.choices("abtheings \u10e1\u10d0éx1", k=9)) for _ in range(2_000)]
    readable = [text for text in texts if "[UNK]" not in before.encode(text).tokens]
    assert 100 < len(readable) < 1_900
    for text in readable:
        assert after.encode(text).ids == before.encode(text).ids
    assert after.encode("სახლი").tokens == ["\u2581ს", "##ა", "##ხლი"]


def test_pieces_that_would_change_what_is_read_already_are_refused(compact: Path) -> None:
    before = tree(compact)
    for pieces, said in (
        (("\u2581cat",), "among them '\u2581cat', would change how texts are read"),
        (("##ს", "##fishe"), "1 of the adapter's pieces, among them '##fishe'"),
        (("\u2581the",), "already in the vocabulary"),
    ):
        with pytest.raises(ModelError, match=said):
            install_adapter(compact, adapter(compact, "ka", pieces=pieces))
    assert tree(compact) == before


@pytest.mark.parametrize("seed", range(30))
def test_pieces_called_safe_change_no_readable_word(seed: int) -> None:
    """Against every word of up to five letters, cut by the tokenizer with and without."""
    drawn = random.Random(seed)
    possible = ["".join(p) for n in (1, 2, 3) for p in itertools.product("abc", repeat=n)]
    possible = [f"{mark}{text}" for text in possible for mark in ("\u2581", "##")]
    vocabulary = ["[UNK]", *drawn.sample(possible, 9)]
    new = drawn.sample([piece for piece in possible if piece not in vocabulary], 12)
    unsafe = set(unsafe_pieces(vocabulary, new))
    safe = [piece for piece in new if piece not in unsafe]
    before, after = wordpiece_tokenizer(vocabulary), wordpiece_tokenizer([*vocabulary, *safe])
    words = ["".join(p) for n in range(1, 6) for p in itertools.product("abc", repeat=n)]
    for word in words:
        ids = before.encode(word).ids
        assert 0 in ids or after.encode(word).ids == ids


def test_safe_and_unsafe_pieces_both_occur() -> None:
    vocabulary = ["\u2581", "\u2581a", "##b", "##bc", "##d"]
    new = ["\u2581ab", "\u2581ax", "\u2581abe", "\u2581x", "##x", "##bd", "##bb", "##be", "##bcx"]
    assert unsafe_pieces(vocabulary, new) == ["\u2581ab", "##bd", "##bb"]


def test_rows_in_eight_bits_keep_what_they_were_whatever_their_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(-128, 128, (400, 16), generator=generator)
    codes[:100] = codes[:100] // 3
    codes[5] = 0
    scales = (torch.rand(400, generator=generator) * 0.1 + 1e-4).half()
    rows = dequantised(codes.to(torch.int8), scales)
    assert torch.equal(dequantised(*quantised(rows)), rows)
    plain = torch.randn(50, 16, generator=generator)
    error = (dequantised(*quantised(plain)) - plain).abs().amax(dim=1)
    assert bool((error <= plain.abs().amax(dim=1) / 127 * 0.51).all())


def _refuses(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


CHANGES: dict[str, Callable[[Path, LanguageAdapter], None]] = {
    "install": install_adapter,
    "replace": lambda folder, made: install_adapter(
        folder,
        LanguageAdapter("am", made.base, made.tensors, {}, made.pieces, made.rows),
        replace=True,
    ),
    "remove": lambda folder, _: remove_adapter(folder, "am"),
}


@pytest.fixture
def around(compact: Path) -> Iterator[tuple[Path, LanguageAdapter]]:
    """A model with an added language, whose rows the changes move, and one to be added."""
    install_adapter(compact, adapter(compact, "am", pieces=AMHARIC))
    install_adapter(compact, adapter(compact, "ti", pieces=TIGRINYA, seed=2))
    yield compact, adapter(compact, "ka", pieces=GEORGIAN, seed=1)


@pytest.mark.parametrize("name", CHANGES)
def test_killed_at_any_step_the_model_is_the_old_or_the_new_one(
    around: tuple[Path, LanguageAdapter], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = around
    states: list[Path] = []

    def photographed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            states.append(folder.with_name(f"state-{len(states)}"))
            shutil.copytree(folder, states[-1])
            return real(*args, **named)

        return call

    old = tree(folder)
    with monkeypatch.context() as patch:
        for call in ("replace", "unlink"):
            patch.setattr(os, call, photographed(getattr(os, call)))
        CHANGES[name](folder, made)
    new = tree(folder)
    found = []
    for state in states:
        finish_change(state)
        assert tree(state) in (old, new)
        found.append(tree(state) == new)
        assert len(adapters_of(state)) == len(adapters_of(folder if found[-1] else state))
    assert found == sorted(found)
    assert {False, True} == set(found)
    for state in (states[0], states[-1]):
        assert vectors(state, ["ti", "en"])["ti"][0].any()
        remove_adapter(state, "ti")  # nothing is in the way


@pytest.mark.parametrize("change", ["install", "remove"])
def test_without_rows_every_step_loads_without_help(
    models: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(models / "compact", tmp_path / "model")
    made = adapter(folder, "ka")
    monkeypatch.setattr("xret.retriever.models.location.finish_change", lambda _: None)
    plain = language_content.LanguageContent()
    monkeypatch.setattr(language_content.LanguageContent, "of", lambda *_, **__: plain)
    encoded = vectors(folder, ["en", "fr", "sw"])
    real = os.replace
    steps = itertools.count()

    def checked(*args: Any, **named: Any) -> None:
        assert_same(vectors(folder, ["en", "fr", "sw"]), encoded)
        next(steps)
        real(*args, **named)

    monkeypatch.setattr(os, "replace", checked)
    install_adapter(folder, made) if change == "install" else remove_adapter(folder, "zh-Hant")
    assert next(steps) >= 3


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("times", [1, 10**6], ids=["once", "for ever"])
def test_a_full_disk_at_any_step_leaves_the_old_or_the_new_model(
    around: tuple[Path, LanguageAdapter],
    name: str,
    call: str,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, made = around
    whole = shutil.copytree(folder, folder.with_name("whole"))
    old = tree(folder)
    CHANGES[name](whole, made)
    new = tree(whole)
    for step in itertools.count():
        tried = shutil.copytree(folder, folder.with_name("tried"))
        failing, real = itertools.count(), getattr(os, call)

        def refuse(*args: Any, step: int = step, **named: Any) -> Any:
            if step <= next(failing) < step + times:  # noqa: B023
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **named)  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            try:
                CHANGES[name](tried, made)
                done = True
            except ModelError as error:
                assert "No space left on device" in str(error)
                done = "goes on with it" in str(error)
        assert len(adapters_of(tried)) == len(json.loads(tree(tried)["config.json"])["languages"])
        assert tree(tried) == (new if done else old)
        assert not [path for path in tried.glob(".*") if path.name != ".change.lock"]
        shutil.rmtree(tried)
        if next(failing) <= step:
            break


def test_two_processes_do_not_change_one_model_at_once(compact: Path) -> None:
    with (
        folder_change(compact),
        pytest.raises(ModelError, match="is being changed by another process"),
    ):
        remove_adapter(compact, "fr")
    remove_adapter(compact, "fr")


@pytest.mark.parametrize(
    "steps", ['[["../victim", "0"]]', '[["../victim", null]]', "[1]", "no", '[["a", "../0"]]']
)
def test_a_strangers_unfinished_change_reaches_nothing_outside(compact: Path, steps: str) -> None:
    victim = compact.with_name("victim")
    victim.write_text("mine")
    change = compact / ".change"
    change.mkdir()
    (change / "0").write_text("theirs")
    (change / "order.json").write_text(steps)
    with pytest.raises(ModelError, match=r"is no change of this model.*remove"):
        adapters_of(compact)
    assert victim.read_text() == "mine"


def test_a_copy_is_whole_or_absent_and_never_written_over(compact: Path, tmp_path: Path) -> None:
    (compact / "pin.json").write_text("{}")
    (compact / "onnx").mkdir()
    (compact / "onnx" / "model.onnx").write_text("graph")
    copy = copy_model(compact, tmp_path / "deep" / "copy")
    assert tree(copy).keys() == tree(compact).keys() - {"pin.json", "onnx/model.onnx"}
    remove_adapter(copy, "fr")
    assert "fr" in [one.lang for one in adapters_of(compact)]
    with pytest.raises(ModelError, match="exists already"):
        copy_model(compact, copy)
    with (
        pytest.raises(LanguageError),
        changed_copy(compact, tmp_path / "failed") as part,
    ):
        remove_adapter(part, "yo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "model"]


def test_a_bare_encoder_lists_its_languages_too(tmp_path: Path) -> None:
    folder = tiny_xmod(tmp_path / "xmod")
    assert [one.lang for one in adapters_of(folder)] == ["en", "fr", "de", "zh", "ar", "sw"]
