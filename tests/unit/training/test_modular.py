"""Training the modular encoder on a few dozen pairs: it starts as the static one, learns,
resumes, repeats, and leaves a folder that encodes."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xret.errors import LanguageError, TrainingError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.static import StaticEncoder
from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.encoders.wordpieces import RUN_PREFIX, WordPieces
from xret.retriever.models.registry import PRETRAINED
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.common.parallel import PairReader
from xret.retriever.training.modular.examples import ExampleDrawer
from xret.retriever.training.modular.losses import OnePassLoss
from xret.retriever.training.modular.modular import train_modular
from xret.retriever.training.modular.settings import ExampleShares, ModularShape, ModularTraining
from xret.retriever.training.modular.start import write_start
from xret.retriever.training.modular.wordpiece import SPECIAL, portable_tokenizer
from xret.retriever.training.static.settings import StaticTraining
from xret.retriever.training.static.static import train_static
from xret.types import Document, Query

SUBJECTS = {
    "the cat": ("die katze", "le chat"),
    "a dog": ("ein hund", "un chien"),
    "my mother": ("meine mutter", "ma mère"),
    "the king": ("der könig", "le roi"),
    "a bird": ("ein vogel", "un oiseau"),
}
ACTIONS = {
    "sleeps in the house": ("schläft im haus", "dort dans la maison"),
    "reads a book": ("liest ein buch", "lit un livre"),
    "drinks cold water": ("trinkt kaltes wasser", "boit de l'eau froide"),
    "sings a song": ("singt ein lied", "chante une chanson"),
}
TRIPLES = [
    (f"{subject} {action}", f"{s[0]} {a[0]}", f"{s[1]} {a[1]}")
    for subject, s in SUBJECTS.items()
    for action, a in ACTIONS.items()
]
SETTINGS = ModularTraining(
    languages=("de", "fr"),
    shape=ModularShape(layers=2, heads=2, feed_forward=64, max_tokens=64),
    steps=12,
    batch_size=8,
    warm_up=2,
    checkpoint_steps=4,
    threads=1,
    bf16=False,
)
SENTENCES = (
    "The Cat-7 sleeps, in the HOUSE!",
    "Straße naïve Ελληνικά ΟΔΟΣ",
    "东京都の猫はねている 12",
    "والكتاب في البيت ٣",
    "बिल्ली घर में सोती है",
    "แมวนอนในบ้าน",
    "",
    "🙂 ∑",
    "x" * 70,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [("en", "de", english, german) for english, german, _ in TRIPLES]
    rows += [("en", "fr", english, french) for english, _, french in TRIPLES]
    for name, lines in (
        ("train/stories.tsv.gz", rows),
        ("lexicon/words.tsv.gz", [("de", "bird", "Vogel"), ("fr", "bird", "oiseau")]),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines("\t".join(line) + "\n" for line in lines)
    return folder


@pytest.fixture(scope="module")
def static(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    settings = StaticTraining(
        languages=("de", "fr"),
        dim=64,
        vocabulary_size=400,
        pooled_steps=20,
        pooled_batch=16,
        maxsim_steps=10,
        maxsim_batch=8,
        checkpoint_steps=20,
        threads=1,
    )
    for _ in train_static(data, folder, settings=settings):
        pass
    return folder


def train(
    data: Path, static: Path, output: Path, settings: ModularTraining = SETTINGS
) -> dict[str, torch.Tensor]:
    for _ in train_modular(data, static, output, settings=settings):
        pass
    return load_file(output / "model.safetensors")


@pytest.fixture(scope="module")
def trained(data: Path, static: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    train(data, static, output)
    return output


def test_portable_tokenizer_reads_what_the_static_encoder_reads() -> None:
    pieces = WordPieces.load(PRETRAINED / "xret-static" / "tokenizer.json")
    tokenizer, rows = portable_tokenizer(pieces.tokenizer)
    silent = {*range(len(SPECIAL)), tokenizer.token_to_id(RUN_PREFIX)}
    for text in SENTENCES:
        ids = [i for i in tokenizer.encode(text).ids if i not in silent]
        assert [rows[i] for i in ids] == pieces.ids(text), text


def test_an_untrained_model_ranks_as_the_static_encoder_does(static: Path, tmp_path: Path) -> None:
    write_start(static, tmp_path, languages=("en", "de"), shape=SETTINGS.shape, seed=0)
    ours, theirs = load_encoder(str(tmp_path / "model")), StaticEncoder.load(static)
    documents = [Document(str(n), german, "de") for n, (_, german, _) in enumerate(TRIPLES)]
    queries = [Query(str(n), english, "en") for n, (english, _, _) in enumerate(TRIPLES)]
    asked, told = ours.encode_queries(queries), ours.encode_documents(documents)
    want_asked, want_told = theirs.encode_queries(queries), theirs.encode_documents(documents)
    mine = [[(q @ d.T).max(axis=1).sum() for d in told] for q in asked]
    wanted = [[(q @ d.T).max(axis=1).sum() for d in want_told] for q in want_asked]
    assert np.corrcoef(np.ravel(mine), np.ravel(wanted))[0, 1] > 0.9


def test_vectors_are_a_words_and_a_querys_lengths_sum_to_one(trained: Path) -> None:
    encoder = load_encoder(str(trained))
    told = encoder.encode_documents([Document("1", "the cat sleeps", "en")])
    assert len(told.values) == 3
    assert np.allclose(np.linalg.norm(told.values, axis=1), 1, atol=1e-5)
    asked = encoder.encode_queries([Query("1", "the cat sleeps in the house", "en")])
    assert np.linalg.norm(asked.values, axis=1).sum() == pytest.approx(1, abs=1e-4)


def test_a_text_without_words_has_one_vector(trained: Path) -> None:
    encoder = load_encoder(str(trained))
    alone = encoder.encode_documents([Document("1", "∑ 🙂", "en")])
    assert alone.values.shape == (1, encoder.spec.dim)
    assert np.linalg.norm(alone.values[0]) == pytest.approx(1)
    beside = encoder.encode_documents(
        [Document("1", "∑ 🙂", "en"), Document("2", "the cat sleeps in the house", "en")]
    )
    assert np.array_equal(beside.values[0], alone.values[0])
    assert np.isfinite(beside.values).all()


def test_single_vector_comes_from_the_same_pass(trained: Path) -> None:
    encoder = load_encoder(str(trained), options=EncoderOptions(single_vector=True))
    many = load_encoder(str(trained))
    document = Document("1", "die katze schläft im haus", "de")
    single = encoder.encode_documents([document])
    assert single.values.shape == (1, encoder.spec.dim)
    assert np.linalg.norm(single.values) == pytest.approx(1, abs=1e-5)
    assert encoder.spec.fingerprint != many.spec.fingerprint


def test_each_text_goes_through_its_own_adapter(trained: Path) -> None:
    encoder = load_encoder(str(trained))
    german = encoder.encode_documents([Document("1", "ein vogel singt", "de")]).values
    french = encoder.encode_documents([Document("1", "ein vogel singt", "fr")]).values
    assert np.abs(german - french).max() > 1e-6


def test_two_runs_from_one_seed_give_the_same_weights(
    data: Path, static: Path, trained: Path, tmp_path: Path
) -> None:
    again = train(data, static, tmp_path / "again")
    first = load_file(trained / "model.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = train(data, static, tmp_path / "other", dataclasses.replace(SETTINGS, seed=1, steps=4))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_halted_run_goes_on_to_the_same_weights(
    data: Path, static: Path, trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "halted"
    run = train_modular(data, static, output, settings=SETTINGS)
    for progress in run:
        if progress.stage == "training" and progress.done == 6:
            break
    run.close()  # type: ignore[attr-defined]
    assert not (output / "model.safetensors").exists()
    seen = list(train_modular(data, static, output, settings=SETTINGS))
    assert next(p.done for p in seen if p.stage == "training") > 6
    resumed, unbroken = (load_file(p / "model.safetensors") for p in (output, trained))
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_training_lowers_the_loss_of_its_examples(data: Path, static: Path, tmp_path: Path) -> None:
    plain = ExampleShares(
        entries=0, into_english=0, across=0, within=0, framed=0, switched=0, word_dropout=0
    )
    settings = dataclasses.replace(SETTINGS, steps=80, rate=2e-3, shares=plain, teacher_weight=0)
    losses: list[float] = []
    original = OnePassLoss.forward

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        parts = original(self, columns, labels)
        losses.append(float(parts["late"].detach()))
        return parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnePassLoss, "forward", forward)
        train(data, static, tmp_path / "model", settings)
    assert np.mean(losses[-15:]) < 0.8 * np.mean(losses[:15])


def test_the_anchor_keeps_english_near_the_static_encoder(
    data: Path, static: Path, tmp_path: Path
) -> None:
    texts = [Document(str(n), english, "en") for n, (english, _, _) in enumerate(TRIPLES)]
    write_start(static, tmp_path / "start", languages=("en", "de"), shape=SETTINGS.shape, seed=0)
    wanted = load_encoder(str(tmp_path / "start" / "model")).encode_documents(texts).values
    moved = []
    for weight in (0.0, 20.0):
        settings = dataclasses.replace(SETTINGS, steps=30, rate=2e-3, anchor_weight=weight)
        train(data, static, tmp_path / f"anchor-{weight}", settings)
        found = load_encoder(str(tmp_path / f"anchor-{weight}")).encode_documents(texts).values
        moved.append(1 - (found * wanted).sum(axis=1).mean())
    assert moved[1] < 0.5 * moved[0]


def test_word_weights_stay_in_float32_where_the_rest_is_bfloat16(trained: Path) -> None:
    documents = [Document("1", "the cat sleeps in the house", "en")]
    whole = load_encoder(str(trained)).encode_documents(documents).values
    half = load_encoder(str(trained), options=EncoderOptions(precision="bf16"))
    assert ((half.encode_documents(documents).values * whole).sum(axis=1) > 0.999).all()
    pooling = WordPooling(5, 4).to(torch.bfloat16)
    assert all(parameter.dtype == torch.float32 for parameter in pooling.parameters())


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(
    data: Path, static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = OnePassLoss.forward, []

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        calls.append(1)
        parts = original(self, columns, labels)
        return {**parts, "late": parts["late"] * (float("nan") if len(calls) == 7 else 1.0)}

    monkeypatch.setattr(OnePassLoss, "forward", forward)
    with pytest.raises(TrainingError, match=r"loss of step 7 is nan.*last good checkpoint"):
        train(data, static, tmp_path / "model")
    assert (tmp_path / "model" / "work" / "checkpoint-4").is_dir()
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_a_corrected_file_of_the_same_size_is_other_data(
    data: Path, static: Path, tmp_path: Path
) -> None:
    own = tmp_path / "data"
    shutil.copytree(data, own)
    settings = dataclasses.replace(SETTINGS, steps=2)
    train(own, static, tmp_path / "model", settings)
    path = own / "train" / "stories.tsv.gz"
    content = bytearray(path.read_bytes())
    content[4] ^= 1  # gzip's time stamp: another file, of equal size and just as readable
    path.write_bytes(bytes(content))
    with pytest.raises(TrainingError, match="other settings or data"):
        train(own, static, tmp_path / "model", settings)


def test_card_tells_what_happened(trained: Path) -> None:
    card = (trained / "README.md").read_text(encoding="utf-8")
    for fact in ("en, de, fr", "12 steps of 8 pairs", "| stories | 40 |", "Seed 0", "Hardware:"):
        assert fact in card, fact


def test_drawn_examples_have_their_languages_and_cross_them(data: Path) -> None:
    reader = PairReader(("de", "fr"))
    list(reader.read(data))
    drawer = ExampleDrawer(reader.text, seed=0, batch_size=16, shares=ExampleShares(entries=0))
    words = {"en": set(), "de": set(), "fr": set()}
    for triple in TRIPLES:
        for lang, text in zip(("en", "de", "fr"), triple, strict=True):
            words[lang] |= set(text.split())
    pairs = set()
    for batch in drawer.batches(range(150)):
        for example in batch:
            pairs.add((example.query_lang, example.document_lang))
            assert set(example.document.split()) <= words[example.document_lang]
            if example.query_lang != "en":
                assert set(example.query.split()) <= words[example.query_lang]
    assert {("en", "de"), ("fr", "en"), ("de", "fr"), ("de", "de")} <= pairs
    assert drawer.batch(3) == drawer.batch(3)
    assert all(a != b for a, b in pairwise(map(drawer.batch, range(4))))


def test_languages_are_left_out_by_any_spelling_and_unknown_ones_refused() -> None:
    assert SETTINGS.without(["French"]).languages == ("de",)
    with pytest.raises(LanguageError, match="sw cannot be left out: training has de, fr"):
        SETTINGS.without(["sw"])
