"""Training the modular encoder on a few dozen pairs: it starts as a BERT, learns,
resumes, repeats, and leaves a folder that encodes."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tiny_bert import tiny_bert

from xret.errors import LanguageError, ModelError, TrainingError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.word_model import load_own_model
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.common.parallel import PairReader
from xret.retriever.training.modular.examples import ExampleDrawer
from xret.retriever.training.modular.losses import TranslatedScores
from xret.retriever.training.modular.modular import train_modular
from xret.retriever.training.modular.settings import ExampleShares, ModularTraining
from xret.retriever.training.modular.start import write_start
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
    layers=1,
    reduction=4,
    min_count=1,
    steps=12,
    batch_size=8,
    warm_up=2,
    checkpoint_steps=4,
    threads=1,
    bf16=False,
)
WORDS = {word for triple in TRIPLES for text in triple for word in text.split()}


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
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base") / "bert", [*WORDS, "bird", "Vogel", "unused"])


def train(
    data: Path, base: Path, output: Path, settings: ModularTraining = SETTINGS
) -> dict[str, torch.Tensor]:
    for _ in train_modular(data, base, output, settings=settings):
        pass
    return load_file(output / "model.safetensors")


@pytest.fixture(scope="module")
def trained(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    train(data, base, output)
    return output


@pytest.fixture(scope="module")
def start(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    reader = PairReader(SETTINGS.languages)
    list(reader.read(data))
    output = tmp_path_factory.mktemp("start")
    list(write_start(base, output, text=reader.text, settings=SETTINGS))
    return output / "model"


def test_an_untrained_model_has_the_states_of_its_base(base: Path, start: Path) -> None:
    ours = load_encoder(str(start), options=EncoderOptions(single_vector=True, precision="fp32"))
    theirs = load_encoder(str(base))
    documents = [Document(str(n), german, "de") for n, (_, german, _) in enumerate(TRIPLES)]
    queries = [Query(str(n), french, "fr") for n, (_, _, french) in enumerate(TRIPLES)]
    for mine, wanted in (
        (ours.encode_documents(documents), theirs.encode_documents(documents)),
        (ours.encode_queries(queries), theirs.encode_queries(queries)),
    ):
        assert np.allclose(mine.values, wanted.values, atol=1e-5)


def test_the_vocabulary_is_what_the_training_text_uses(base: Path, start: Path) -> None:
    pieces = {
        folder: set(load_own_model(start, {}).tokenizer.get_vocab())
        if folder == start
        else set(SentenceTransformer(str(base)).tokenizer.get_vocab())
        for folder in (base, start)
    }
    assert pieces[start] < pieces[base]
    assert "▁unused" in pieces[base] - pieces[start]


def test_tokens_have_a_vector_each_and_marks_and_prompts_none(start: Path) -> None:
    encoder = load_encoder(str(start), options=EncoderOptions(pool_factor=1))
    told = encoder.encode_documents([Document("1", "the cat sleeps", "en")])
    assert len(told.values) == 3
    asked = encoder.encode_queries([Query("1", "the cat sleeps in the house", "en")])
    assert len(asked.values) == 6
    assert np.allclose(np.linalg.norm(asked.values, axis=1), 1, atol=1e-5)
    said = encoder.encode_documents([Document("1", "passage the passage", "en")])
    assert len(said.values) == 3


def test_prompts_of_ones_own_are_read_and_get_no_vector(start: Path) -> None:
    own = {"query": "unused: ", "document": "house: "}
    plain, other = (
        load_encoder(
            str(start), options=EncoderOptions(pool_factor=1, precision="fp32", prompts=prompts)
        ).encode_documents([Document("1", "the cat sleeps", "en")])
        for prompts in (None, own)
    )
    assert plain.values.shape == other.values.shape
    assert not np.allclose(plain.values, other.values, atol=1e-3)


def test_the_mean_state_of_general_text_is_taken_away(start: Path) -> None:
    encoder = load_encoder(str(start), options=EncoderOptions(pool_factor=1))
    texts = [text for triple in TRIPLES for text in triple]
    values = encoder.encode_documents([Document("", text, "de") for text in texts]).values
    assert np.linalg.norm(values.mean(axis=0)) < 0.3


def test_adapters_add_nothing_until_they_are_taught(trained: Path) -> None:
    encoder = load_encoder(str(trained))
    german = encoder.encode_documents([Document("1", "ein vogel singt", "de")]).values
    french = encoder.encode_documents([Document("1", "ein vogel singt", "fr")]).values
    assert np.array_equal(german, french)
    with safe_open(trained / "model.safetensors", framework="pt") as file:
        assert not [name for name in file.keys() if "adapter_modules" in name]  # noqa: SIM118


def test_layers_below_stay_as_they_were_and_upper_ones_learn(start: Path, trained: Path) -> None:
    before = load_own_model(start, {}).state_dict()
    after = load_own_model(trained, {}).state_dict()
    near = {name: (after[name] - before[name]).abs().max() for name in before}
    lower = [name for name in near if ".layer.0." in name and "adapter" not in name]
    assert lower and all(near[name] < 0.1 for name in lower)  # 4 bits of them are kept
    stored = load_file(trained / "model.safetensors")
    kinds = {name: tensor.dtype for name, tensor in stored.items() if name.endswith("query.weight")}
    assert [kinds[name] for name in sorted(kinds)] == [torch.uint8, torch.int8]


def test_the_length_of_training_texts_stays_out_of_the_tokenizer(trained: Path) -> None:
    tokenizer = json.loads((trained / "tokenizer.json").read_text(encoding="utf-8"))
    assert tokenizer["truncation"] is None and tokenizer["padding"] is None
    config = json.loads((trained / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert "max_length" not in config and config["model_max_length"] == 64


def test_a_base_that_is_no_bert_is_refused(data: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no BERT.*multilingual-e5-small"):
        train(data, trained, tmp_path / "model")


def test_single_vector_comes_from_the_same_pass(trained: Path) -> None:
    encoder = load_encoder(str(trained), options=EncoderOptions(single_vector=True))
    many = load_encoder(str(trained))
    document = Document("1", "die katze schläft im haus", "de")
    single = encoder.encode_documents([document])
    assert single.values.shape == (1, encoder.spec.dim)
    assert np.linalg.norm(single.values) == pytest.approx(1, abs=1e-5)
    assert encoder.spec.fingerprint != many.spec.fingerprint


def test_two_runs_from_one_seed_give_the_same_weights(
    data: Path, base: Path, trained: Path, tmp_path: Path
) -> None:
    again = train(data, base, tmp_path / "again")
    first = load_file(trained / "model.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = train(data, base, tmp_path / "other", dataclasses.replace(SETTINGS, seed=1, steps=4))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_halted_run_goes_on_to_the_same_weights(
    data: Path, base: Path, trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "halted"
    run = train_modular(data, base, output, settings=SETTINGS)
    for progress in run:
        if progress.stage == "training" and progress.done == 6:
            break
    run.close()  # type: ignore[attr-defined]
    assert not (output / "model.safetensors").exists()
    seen = list(train_modular(data, base, output, settings=SETTINGS))
    assert next(p.done for p in seen if p.stage == "training") > 6
    resumed, unbroken = (load_file(p / "model.safetensors") for p in (output, trained))
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_training_reads_texts_with_their_prompts(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, openings = TranslatedScores.forward, list[list[str]]()

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        columns = list(columns)
        read = self.model.tokenizer.batch_decode([one["input_ids"][0] for one in columns])
        openings.append([text.split()[1] for text in read])
        return original(self, columns, labels)

    monkeypatch.setattr(TranslatedScores, "forward", forward)
    train(data, base, tmp_path / "model", dataclasses.replace(SETTINGS, steps=1))
    assert openings == [["query:", "passage:", "query:", "passage:"]]


def test_training_lowers_the_loss_of_its_examples(data: Path, base: Path, tmp_path: Path) -> None:
    plain = ExampleShares(
        entries=0, into_english=0, across=0, within=0, framed=0, switched=0, word_dropout=0
    )
    settings = dataclasses.replace(SETTINGS, steps=80, rate=2e-3, shares=plain, teacher_weight=0)
    losses: list[float] = []
    original = TranslatedScores.forward

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        parts = original(self, columns, labels)
        losses.append(float(parts["contrastive"].detach()))
        return parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TranslatedScores, "forward", forward)
        train(data, base, tmp_path / "model", settings)
    assert np.mean(losses[-15:]) < 0.8 * np.mean(losses[:15])


def test_scores_across_languages_come_to_the_untrained_english_ones(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, divergence = TranslatedScores.forward, list[float]()

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        parts = original(self, columns, labels)
        divergence.append(float(parts["teacher"].detach()) / self.teacher_weight)
        return parts

    monkeypatch.setattr(TranslatedScores, "forward", forward)
    settings = dataclasses.replace(SETTINGS, steps=80, rate=4e-3, layers=2, contrastive_weight=0)
    train(data, base, tmp_path / "model", settings)
    assert np.mean(divergence[-20:]) < 0.9 * np.mean(divergence[:20])


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = TranslatedScores.forward, []

    def forward(self, columns, labels):  # type: ignore[no-untyped-def]
        calls.append(1)
        parts = original(self, columns, labels)
        return {
            **parts,
            "contrastive": parts["contrastive"] * (float("nan") if len(calls) == 7 else 1.0),
        }

    monkeypatch.setattr(TranslatedScores, "forward", forward)
    with pytest.raises(TrainingError, match=r"loss of step 7 is nan.*last good checkpoint"):
        train(data, base, tmp_path / "model")
    assert (tmp_path / "model" / "work" / "checkpoint-4").is_dir()
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_a_corrected_file_of_the_same_size_is_other_data(
    data: Path, base: Path, tmp_path: Path
) -> None:
    own = tmp_path / "data"
    shutil.copytree(data, own)
    settings = dataclasses.replace(SETTINGS, steps=2)
    train(own, base, tmp_path / "model", settings)
    path = own / "train" / "stories.tsv.gz"
    content = bytearray(path.read_bytes())
    content[4] ^= 1  # gzip's time stamp: another file, of equal size and just as readable
    path.write_bytes(bytes(content))
    with pytest.raises(TrainingError, match="other settings or data"):
        train(own, base, tmp_path / "model", settings)


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
