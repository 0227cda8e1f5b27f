"""A language learnt from its text: better than its relative, the same twice, all else unmoved."""

import errno
import gzip
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_bilingual import DANISH, ENGLISH, GEORGIAN, bilingual_model, pairs_of
from tiny_encoders import tiny_static
from tiny_models import tiny_dpr_xm
from torch import nn
from transformers import XmodConfig
from transformers.models.xmod.modeling_xmod import XmodLMHead

from xret.errors import CorpusError, LanguageError, ModelError, TrainingError, XretError
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.common import checkpoint
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.language import course
from xret.retriever.training.language.adapted import OWN, AdaptedModel, Packed
from xret.retriever.training.language.add import (
    AddedLanguage,
    Destination,
    add_language,
    chosen_relative,
)
from xret.retriever.training.language.course import CourseSettings
from xret.retriever.training.language.learning import Learning, LearningSettings
from xret.retriever.training.language.masked import MaskedHead, MaskedLines
from xret.retriever.training.language.measures import RETRIEVAL, maxsim
from xret.retriever.training.language.merges import merged_pieces
from xret.retriever.training.language.report import MASKED, compared, judged
from xret.retriever.training.language.script import Script, expected_alignments, romanised
from xret.retriever.training.language.text import LanguageText, read_text
from xret.retriever.xmod.installed import adapters_of, export_adapter
from xret.retriever.xmod.language_adapter import LanguageAdapter
from xret.types import Document, Query

SHORT = CourseSettings(steps=8, batch_size=16, masked_batch=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bilingual_model(tmp_path_factory.mktemp("models") / "model")


def add(folder: Path, lang: str, words: list[str] | None = None, **options: Any) -> AddedLanguage:
    """The whole of it, with parallel sentences unless `pairs` says otherwise."""
    rows = pairs_of(words or DANISH)
    made: list[AddedLanguage] = []
    chosen = {"lines": [text for text, _ in rows], "pairs": rows, "settings": SHORT} | options
    for _ in add_language(folder, lang, made=made, **chosen):
        pass
    return made[0]


@pytest.fixture(scope="module")
def danish(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AddedLanguage, Path]:
    folder = tmp_path_factory.mktemp("added")
    settings = CourseSettings(steps=60, batch_size=48, masked_batch=16)
    target = Destination(folder / "changed", folder / "da.safetensors")
    return add(model, "Danish", destination=target, settings=settings), folder


def mean_of(added: AddedLanguage, column: str) -> float:
    rows = [row for row in added.report.measures if row.name in RETRIEVAL]
    return float(np.mean([getattr(row, column).mean for row in rows]))


def test_the_new_adapter_finds_more_than_its_relatives(danish: tuple[AddedLanguage, Path]) -> None:
    added, folder = danish
    report = added.report
    assert (report.lang, report.relative) == ("da", "sv")
    assert mean_of(added, "own") > mean_of(added, "relative") + 0.2
    assert report.better
    assert 0 < report.best_step <= report.steps == 60
    assert (added.installed, added.refused) == (folder / "changed", False)
    assert [found.lang for found in adapters_of(folder / "changed")] == ["en", "sv", "fr", "da"]
    assert [row.name for row in report.measures] == [*RETRIEVAL, MASKED]
    assert all(row.own.low <= row.own.mean <= row.own.high for row in report.measures)


def test_the_installed_model_has_the_measured_retrieval(
    danish: tuple[AddedLanguage, Path],
) -> None:
    added, folder = danish
    fresh = pairs_of(DANISH, 60, seed=9)
    found = {}
    for lang in ("da", "sv"):
        encoder = load_encoder(str(folder / "changed"))
        queries = encoder.encode_queries([Query(t, t, lang) for t, _ in fresh])
        documents = encoder.encode_documents([Document(e, e, "en") for _, e in fresh])
        scores = maxsim(_packed(queries), _packed(documents))
        found[lang] = float((scores.argmax(dim=1) == torch.arange(len(fresh))).float().mean())
    assert found["da"] > found["sv"] + 0.1
    assert found["da"] == pytest.approx(added.report.measures[0].own.mean, abs=0.2)


def test_other_languages_keep_every_bit(danish: tuple[AddedLanguage, Path], model: Path) -> None:
    _, folder = danish
    text = "the dog reads a book"
    for lang in ("en", "sv", "fr"):
        before, after = (
            load_encoder(str(path)).encode_documents([Document("1", text, lang)])
            for path in (model, folder / "changed")
        )
        assert np.array_equal(before.values, after.values), lang


def test_the_file_is_the_installed_adapter_with_its_report(
    danish: tuple[AddedLanguage, Path],
) -> None:
    added, folder = danish
    saved = LanguageAdapter.load(folder / "da.safetensors")
    installed = export_adapter(folder / "changed", "da")
    for name, tensor in installed.tensors.items():
        assert torch.equal(saved.tensors[name], tensor), name
    assert saved.card["measures"][0]["own"]["mean"] == added.report.measures[0].own.mean
    assert not [path for path in folder.iterdir() if path.name.endswith(".work")]


def test_the_same_seed_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        settings = CourseSettings(steps=8, batch_size=16, masked_batch=8, seed=seed)
        add(model, "da", destination=Destination(adapter_file=path), settings=settings, force=True)
    found = [LanguageAdapter.load(path) for path in paths]
    names = found[0].tensors
    assert all(torch.equal(found[0].tensors[n], found[1].tensors[n]) for n in names)
    assert not all(torch.equal(found[0].tensors[n], found[2].tensors[n]) for n in names)


def test_a_killed_run_goes_on_to_the_same_adapter(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "LearningSettings", _saving_often)
    rows = pairs_of(DANISH)
    options: dict[str, Any] = {
        "lines": [text for text, _ in rows],
        "pairs": rows,
        "settings": SHORT,
        "force": True,
    }
    broken, whole = (Destination(adapter_file=tmp_path / name) for name in ("broken", "whole"))
    add(model, "da", destination=whole, force=True)
    run = add_language(model, "da", made=[], destination=broken, **options)
    for progress in run:
        if (progress.stage, progress.done) == ("training", 5):
            run.close()
    assert not (tmp_path / "broken").exists()
    steps = [
        progress.done
        for progress in add_language(model, "da", made=[], destination=broken, **options)
        if progress.stage == "training"
    ]
    assert steps[0] == 5  # the state after four was kept
    one, other = (LanguageAdapter.load(tmp_path / name) for name in ("broken", "whole"))
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def _saving_often(**named: Any) -> LearningSettings:
    return LearningSettings(**named, save_every=2)


def test_what_made_things_worse_is_refused_unless_forced(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "judged", lambda _: (False, "worse"))
    target = Destination(tmp_path / "changed", tmp_path / "da.safetensors")
    added = add(model, "da", destination=target)
    assert (added.refused, added.installed) == (True, None)
    assert not (tmp_path / "changed").exists()
    assert not (tmp_path / "da.safetensors").exists()
    trained = []
    monkeypatch.setattr(Learning, "_step", lambda _, step: trained.append(step))
    assert add(model, "da", destination=target, force=True).installed == tmp_path / "changed"
    assert not trained, "what was learnt already is learnt again"


def test_worse_is_the_mean_of_retrieval_or_else_the_loss() -> None:
    def values(retrieval: float | None, loss: float) -> dict[str, Any]:
        found = {MASKED: np.full(9, loss, np.float32)}
        if retrieval is not None:
            found |= {name: np.full(9, retrieval, np.float32) for name in RETRIEVAL}
        return found

    for relative, own, better in (
        (values(0.5, 3), values(0.6, 4), True),
        (values(0.5, 3), values(0.5, 3), True),
        (values(0.5, 3), values(0.4, 2), False),
        (values(None, 3), values(None, 2), True),
        (values(None, 3), values(None, 3), False),
    ):
        rows = compared({"none": relative, "relative": relative, "own": own})
        found, verdict = judged(rows)
        assert found is better
        assert "against" in verdict
    assert rows[0].gain.mean == 0


def test_without_pairs_the_loss_of_masked_words_falls(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    topics = np.array_split(np.array(DANISH), 4)  # the others tell which a hidden word is of
    lines = [" ".join(rng.choice(topics[n % 4], 7, replace=False)) for n in range(400)]
    settings = CourseSettings(steps=60, masked_batch=32)
    target = Destination(adapter_file=tmp_path / "da")
    added = add(model, "da", lines=lines, pairs=None, destination=target, settings=settings)
    (row,) = added.report.measures
    assert row.name == MASKED
    assert row.own.mean < row.relative.mean - 0.1
    assert added.report.better


def test_a_script_that_is_not_known_gets_pieces_and_learns(model: Path, tmp_path: Path) -> None:
    settings = CourseSettings(steps=40, batch_size=48, masked_batch=16)
    target = Destination(output=tmp_path / "changed")
    added = add(
        model, "ka", GEORGIAN, relative="sv", destination=target, settings=settings, force=True
    )
    assert added.report.unknown_share == 1
    assert added.report.new_pieces >= 2 * len(set("".join(GEORGIAN)))
    assert mean_of(added, "relative") < 0.2
    assert mean_of(added, "own") > 0.7
    before, after = (
        load_encoder(str(path)).encode_documents([Document("1", " ".join(ENGLISH), "en")])
        for path in (model, tmp_path / "changed")
    )
    assert np.array_equal(before.values, after.values)
    encoder = load_encoder(str(tmp_path / "changed"))
    texts = [text for text, _ in pairs_of(GEORGIAN, 30, seed=5)]
    assert len(encoder.encode_documents([Document(t, t, "ka") for t in texts]).values) == 180


def test_new_rows_start_at_the_translations(model: Path) -> None:
    rows = pairs_of(GEORGIAN)
    text = LanguageText.prepared(
        "ka", [t for t, _ in rows], pairs=rows, seed=0, check_language=False
    )
    adapted = AdaptedModel.load(model, lang="ka", relative="sv", english=True)
    script = Script.of(adapted, text)
    assert all(set(p.removeprefix("##")) <= {"\u2581", *"".join(GEORGIAN)} for p in script.pieces)
    vocabulary = adapted.tokens.get_vocab()
    words = [w for w in GEORGIAN if f"\u2581{w}" in script.pieces]
    assert len(words) > len(GEORGIAN) / 2
    right = 0
    table = nn.functional.normalize(adapted.table, dim=1)
    for word in words:
        row = script.rows[script.pieces.index(f"\u2581{word}")]
        nearest = int((table @ row).argmax())
        right += nearest == vocabulary[f"\u2581{ENGLISH[GEORGIAN.index(word)]}"]
    assert right > 0.9 * len(words)


def test_a_known_script_gets_no_pieces(danish: tuple[AddedLanguage, Path]) -> None:
    report = danish[0].report
    assert (report.new_pieces, report.unknown_share, report.pieces_per_word) == (0, 0, 1)


def test_expected_alignments_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    ours = [rng.integers(0, 4, n) for n in (3, 2, 4, 1)]
    english = [rng.integers(10, 14, n) for n in (2, 3, 2, 1)]
    together = [(set(a.tolist()), {-1, *b.tolist()}) for a, b in zip(ours, english, strict=True)]
    counts = {(p, e): 1.0 for left, right in together for p in left for e in right}
    for _ in range(5):
        totals = Counter[int]()
        for (_, e), n in counts.items():
            totals[e] += n  # type: ignore[assignment]
        fresh = dict.fromkeys(counts, 0.0)
        for a, b in zip(ours, english, strict=True):
            for p in a.tolist():
                theirs = [*b.tolist(), -1]
                chances = [counts[p, e] / totals[e] for e in theirs]
                for e, chance in zip(theirs, chances, strict=True):
                    fresh[p, e] += chance / sum(chances)
        counts = fresh
    found = {
        (p, e): n
        for p, e, n in zip(*(x.tolist() for x in expected_alignments(ours, english)), strict=True)
    }
    assert found.keys() == counts.keys()
    assert all(found[key] == pytest.approx(counts[key], rel=1e-4) for key in counts)


def test_pieces_are_those_of_plain_merging_whatever_the_order() -> None:
    rng = np.random.default_rng(3)
    words = {"".join(rng.choice([*"abcd"], 1 + n % 6)): 1 + n % 5 for n in range(60)}
    spelt = {w: [f"_{w[0]}", *(f"##{c}" for c in w[1:])] for w in words}
    wanted: list[str] = []
    while len(wanted) < 20:
        counts = Counter[tuple[str, str]]()
        for word, symbols in spelt.items():
            for pair in pairwise(symbols):
                counts[pair] += words[word]
        (left, right), n = min(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        if n < 3:
            break
        piece = left + right.removeprefix("##")
        wanted += [piece] if piece not in wanted else []
        for symbols in spelt.values():
            place = 0
            while place < len(symbols) - 1:
                if (symbols[place], symbols[place + 1]) == (left, right):
                    symbols[place : place + 2] = [piece]
                place += 1
    assert len(wanted) > 10
    for order in (1, -1):
        shuffled = dict([*words.items()][::order])
        found = merged_pieces(shuffled, start="_", inside="##", most=20, seen=3)
        assert found == wanted


def test_signs_are_romanised_by_their_names() -> None:
    assert romanised("\u2581გამარჯობა") == "gamarjhoba"
    assert romanised("##ሰላም") == "salaame"
    assert romanised("a7") == "a7"


def test_whole_words_are_hidden(model: Path) -> None:
    adapted = AdaptedModel.load(model, lang="da", relative="sv", english=False)
    lines = ["hus vand xyz mor far abc brød fisk fugl træ", "den og ikke"]
    masked = MaskedLines(adapted.tokens, lines, mask=2, padding=0)
    masks = 0
    for seed in range(200):
        batch = masked.batch([0, 1], np.random.default_rng(seed))
        places = set(batch.at.tolist())
        width = batch.ids.shape[1]
        assert all(batch.mask.flatten()[list(places)] == 1)
        xyz = [place in places for place in (2, 3, 4)]  # one piece a letter
        assert all(xyz) or not any(xyz)
        assert 1 <= sum(place >= width for place in places) <= 1
        masks += int((batch.ids == 2).sum())
        again = masked.batch([0, 1], np.random.default_rng(seed))
        assert torch.equal(batch.ids, again.ids)
        assert batch.hidden.tolist() == [
            masked.ids[place // width][place % width] for place in batch.at.tolist()
        ]
    assert 0.7 < masks / (200 * 3.6) < 0.95


def test_a_checkpoints_own_head_scores_as_transformers_has_it(tmp_path: Path) -> None:
    config = XmodConfig(hidden_size=16, vocab_size=40)
    head = XmodLMHead(config)
    nn.init.normal_(head.bias)
    states, table = torch.randn(5, 16), torch.randn(40, 16)
    head.decoder.weight.data.copy_(table)
    head.decoder.bias.data.copy_(head.bias.data)
    weights = {
        f"lm_head.{n}": t.clone() for n, t in head.state_dict().items() if "decoder" not in n
    }
    save_file(weights, tmp_path / "model.safetensors")
    ids = torch.tensor([3, 7, 20])
    ours = MaskedHead(tmp_path, 16, eps=config.layer_norm_eps)
    assert ours.is_given
    assert torch.allclose(ours(states, table[ids], ids), head(states)[:, ids], atol=1e-5)


def test_maxsim_is_that_of_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = ([2, 1, 3], [4, 1, 2, 40])
    queries, documents = (
        Packed.of([torch.randn(n, 8, generator=generator) for n in some]) for some in sizes
    )
    found = maxsim(queries, documents)
    for q in range(3):
        for d in range(4):
            wanted = (queries[q] @ documents[d].T).amax(dim=1).sum()
            assert found[q, d] == pytest.approx(float(wanted), abs=1e-4)


def test_only_the_new_adapter_has_gradients(model: Path) -> None:
    adapted = AdaptedModel.load(model, lang="da", relative="sv", english=True)
    before = {name: tensor.detach().clone() for name, tensor in adapted.frozen()}
    own = adapted.embed(["hund hus", "mor"], OWN, task="document")
    own.vectors.sum().backward()
    assert all(parameter.grad is not None for parameter in adapted.parameters().values())
    assert not any(tensor.requires_grad for _, tensor in adapted.frozen())
    assert all(torch.equal(before[name], tensor) for name, tensor in adapted.frozen())
    learnt = {
        n.replace("adapter.", "adapter_modules.sv."): t for n, t in adapted.parameters().items()
    }
    stored = load_file(model / "model.safetensors")
    assert all(torch.equal(stored[name], tensor) for name, tensor in learnt.items())


def test_a_bi_encoder_learns_too(tmp_path: Path) -> None:
    folder = tiny_dpr_xm(tmp_path / "dpr")
    target = Destination(output=tmp_path / "changed")
    add(folder, "da", relative="de", destination=target, force=True)
    assert "da" in [found.lang for found in adapters_of(tmp_path / "changed")]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_state(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(3))
    work = WorkFolder.open(tmp_path / "work", "x", resume=True)

    def loss(step: int) -> torch.Tensor:
        return (weight**2).sum() * (math.nan if step == 5 else 1.0)

    learning = Learning(
        {"w": weight},
        settings=LearningSettings(steps=10, save_every=2),
        masked=loss,
        aligned=None,
        score=lambda: 0.0,
        work=work,
    )
    with pytest.raises(TrainingError, match="the loss of step 6 is nan"):
        list(learning.run())
    step, tensors = work.load_state()
    assert step == 4
    assert bool(torch.isfinite(tensors["now.w"]).all())


def test_the_best_state_stays_not_the_last(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.tensor([4.0]))
    learning = Learning(
        {"w": weight},
        masked=lambda _: weight.sum(),
        aligned=None,
        settings=LearningSettings(steps=20, rate=0.5, warmup=0.0, evaluations=20),
        score=lambda: -abs(float(weight.detach()) - 2.0),
        work=WorkFolder.open(tmp_path, "x", resume=True),
    )
    list(learning.run())
    assert float(weight.detach()) == pytest.approx(2.0, abs=0.3)
    assert 0 < learning.best_step < 20


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Destination(adapter_file=tmp_path / "da")
    with monkeypatch.context() as full:
        full.setattr(checkpoint, "save_tensors", _no_space)
        with pytest.raises(TrainingError, match="no space left"):
            add(model, "da", destination=target)
    assert not (tmp_path / "da").exists()
    add(model, "da", destination=target, force=True)
    assert (tmp_path / "da").is_file()


def _no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def prepared(lang: str, lines: list[str], pairs: Any = None, **options: Any) -> LanguageText:
    return LanguageText.prepared(lang, lines, pairs=pairs, seed=0, **options)


def danish_lines(n: int = 400) -> list[str]:
    """Sentences that an identifier takes for Danish."""
    return [
        f"{who} {what} {where}, og jeg ved ikke hvorfor, selvom det er {how}"
        for who in ("den gamle mand", "min søster", "hunden", "vores nabo", "drengen", "kvinden")
        for what in ("læser en bog", "køber brød", "spiser æbler", "går en tur", "sover længe")
        for where in ("i haven", "på skolen", "hjemme hos os", "ved vandet", "i byen")
        for how in ("dejligt", "mærkeligt", "aften", "koldt udenfor")
    ][:n]


def english_lines(n: int = 400) -> list[str]:
    return [
        f"{who} {what} {where}, and I do not know why although it is {how}"
        for who in ("the old man", "my sister", "the dog", "our neighbour", "the boy", "the woman")
        for what in ("reads a book", "buys some bread", "eats apples", "takes a walk", "sleeps")
        for where in ("in the garden", "at school", "at our house", "by the water", "in town")
        for how in ("lovely", "strange", "evening", "cold outside")
    ][:n]


def test_text_is_parted_without_overlap() -> None:
    pairs = list(zip(danish_lines(), english_lines(), strict=True))
    text = prepared("da", danish_lines(), pairs)
    parts = [{t for t, _ in rows} for rows in (text.pairs, text.choosing_pairs, text.held_pairs)]
    assert [len(part) for part in parts] == [337, 21, 42]
    assert not set.intersection(*parts)
    for held in (*parts[1:], text.held_lines, text.choosing_lines):
        assert not set(held) & set(text.lines)
    assert set(text.lines) == parts[0]
    assert text.notes == ()


def test_too_little_text_is_refused_with_both_numbers() -> None:
    with pytest.raises(TrainingError, match=r"199 different lines .* at least 200 lines and 2,000"):
        prepared("da", danish_lines(199))
    with pytest.raises(TrainingError, match=r"250 different lines with 250 words are too little"):
        prepared("da", [f"ord{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(250)])
    few = list(zip(danish_lines(50), english_lines(50), strict=True))
    with pytest.raises(TrainingError, match="50 different pairs of sentences are too few"):
        prepared("da", danish_lines(), few)


def test_text_in_another_language_is_refused_unless_taken_on_trust() -> None:
    with pytest.raises(CorpusError, match=r"the text looks like English \(en\), not Danish \(da\)"):
        prepared("da", english_lines())
    with pytest.raises(CorpusError, match=r"looks like Danish \(da\), not Finnish \(fi\)"):
        prepared("fi", danish_lines())
    with pytest.raises(CorpusError, match="script Latn, which is not known to write Georgian"):
        prepared("ka", danish_lines())
    assert prepared("fi", danish_lines(), check_language=False).words > 2_000


def test_a_language_that_the_identifier_does_not_know_is_noted() -> None:
    assert "does not know Akan" in prepared("ak", danish_lines()).notes[0]
    with pytest.raises(CorpusError, match=r"looks like English \(en\), not Akan"):
        prepared("ak", english_lines())


def test_swapped_columns_are_told() -> None:
    swapped = list(zip(english_lines(), danish_lines(), strict=True))
    with pytest.raises(CorpusError, match="the first column of the parallel sentences is English"):
        prepared("da", danish_lines(), swapped)
    same = list(zip(danish_lines(), reversed(danish_lines()), strict=True))
    with pytest.raises(CorpusError, match=r"the second column .* looks like Danish \(da\)"):
        prepared("da", danish_lines(), same)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"ord\n\x00\x01\n", ":2: a binary file"),
        (b"ord\n\xff\xfe\n", ":2: not UTF-8"),
    ],
)
def test_files_that_are_no_text_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        read_text(path)


def test_gzip_is_read_and_half_a_file_told(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    whole = gzip.compress("\ufeffden første\n\n linje \n".encode())
    path.write_bytes(whole)
    assert read_text(path) == ["den første", "linje"]
    path.write_bytes(whole[:-5])
    with pytest.raises(CorpusError, match="1: the file is cut or damaged"):
        read_text(path)
    with pytest.raises(CorpusError, match="no such file"):
        read_text(tmp_path / "none")


def test_places_and_languages_that_will_not_do_are_told_before_any_work(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    cases: list[tuple[type[XretError], str, Path, str, dict[str, Any]]] = [
        (LanguageError, "already; to learn it anew", model, "sv", {}),
        (LanguageError, "no adapter 'de'; it has en, fr, sv", model, "da", {"relative": "de"}),
        (LanguageError, "'und' is no language", model, "und", {}),
        (
            ModelError,
            "exists already",
            model,
            "da",
            {"destination": Destination(tmp_path / "full")},
        ),
        (
            ModelError,
            "in a folder that exists",
            model,
            "da",
            {"destination": Destination(adapter_file=tmp_path / "no" / "da")},
        ),
        (ModelError, "static", tiny_static(tmp_path / "static"), "da", {}),
    ]
    for error, said, folder, lang, options in cases:
        with pytest.raises(error, match=said):
            add(folder, lang, **options)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".work")]


def _packed(embeddings: Any) -> Packed:
    return Packed(torch.from_numpy(embeddings.values), torch.from_numpy(embeddings.offsets))


def test_a_language_that_is_there_names_the_command_that_removes_it(model: Path) -> None:
    with pytest.raises(LanguageError, match=rf"xret lang remove {model} sv"):
        chosen_relative(model, "sv", None, aligned=False)
