"""Cross-encoders trained on tiny models: what they learn, keep, take up again, and refuse."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from tiny_encoders import tiny_bi_encoder, tiny_xlmr
from tiny_models import TEXTS, randomise, tiny_tokenizer, tiny_xmod
from tiny_rankers import drain, marked_rows, tiny_bert_config, write_rows
from torch import Tensor
from transformers import BertModel

from xret.errors import ConfigError, CorpusError, ModelError, TrainingError, XretError
from xret.retriever.corpora.rows import Example
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.rerankers.classifier import SequenceClassifier
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.learning import ModuleLearning, learn_module
from xret.retriever.training.rerankers.losses import RankLoss, rank_loss
from xret.retriever.training.rerankers.run import train_reranker
from xret.retriever.training.rerankers.settings import RerankTraining
from xret.retriever.training.rerankers.taught_rows import rows_read_by_teacher
from xret.types import Document, Query

MARKER = "matumbawe"
LANGS = ("en", "fr", "de", "sw")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    here = tmp_path_factory.mktemp("rerankers")
    with quiet_libraries():
        tiny_xlmr(here / "xlmr")
        tiny_xmod(here / "xmod")
    write_rows(here / "marked.jsonl", marked_rows(MARKER, n=60))
    rows = [
        {
            "id": str(i // 2),
            "query": " ".join(TEXTS[lang].split()[:3]) + f" {i // 2}",
            "positive": f"{TEXTS[LANGS[(i + 1) % 4] if i % 2 else 'en']} {i // 2}",
            "negatives": [f"{TEXTS['en']} no {i // 2}", f"{TEXTS['sw']} not {i // 2}"],
            "query_lang": lang,
            "positive_lang": LANGS[(i + 1) % 4] if i % 2 else "en",
            "negative_langs": ["en", "en"],
            "scores": [3.0, 1.0, 0.5],
        }
        for i in range(24)
        for lang in ("en" if i % 2 == 0 else LANGS[i % 4],)
    ]
    lines(here / "langs.jsonl", rows)
    return here


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def training(folder: Path, output: Path, **more: Any) -> RerankTraining:
    settings: dict[str, Any] = {
        "model": str(folder / "xlmr"),
        "output": output,
        "data": (folder / "marked.jsonl",),
        "steps": 6,
        "batch_size": 4,
        "max_tokens": 48,
        "precision": "fp32",
        "threads": 1,
    }
    return RerankTraining(**(settings | more))


def run(settings: RerankTraining, **more: Any) -> Path:
    for _ in train_reranker(settings, **more):
        pass
    return settings.output


def accuracy(reranker: Any, *, seed: int = 9) -> float:
    """Share of unseen rows whose marked document scores higher."""
    right = 0
    rows = marked_rows(MARKER, n=40, seed=seed)
    for row in rows:
        texts = (row.positive, *row.negatives)
        scores = reranker.scores(
            Query("q", row.query, "en"), [Document(str(n), t, "en") for n, t in enumerate(texts)]
        )
        right += int(scores[0] > scores[1])
    return right / len(rows)


@pytest.mark.parametrize("loss", ["pointwise", "pairwise", "listwise"])
def test_a_loss_teaches_to_rank_and_the_folder_reranks(
    folder: Path, tmp_path: Path, loss: RankLoss
) -> None:
    output = run(
        training(folder, tmp_path / "out", loss=loss, steps=60, batch_size=8, rate=2e-3, seed=1)
    )
    reranker = load_reranker(str(output))
    assert isinstance(reranker, SequenceClassifier)
    assert accuracy(reranker) >= 0.9
    assert f"Loss: {loss}" in (output / "README.md").read_text(encoding="utf-8")


def test_an_adapter_learns_beside_weights_that_keep_their_bits(
    folder: Path, tmp_path: Path
) -> None:
    many: dict[str, Any] = {"part": "adapter", "reduction": 2, "batch_size": 8}
    output = run(training(folder, tmp_path / "out", steps=80, rate=5e-3, **many))
    before = load_file(folder / "xlmr" / "model.safetensors")
    after = load_file(output / "model.safetensors")
    for name, weight in before.items():
        if "pooler" not in name:
            assert torch.equal(after[f"roberta.{name}"], weight), name
    assert (output / "ranking.safetensors").is_file()
    assert accuracy(load_reranker(str(output))) >= 0.9


@pytest.mark.parametrize("zeros", [False, True])
def test_a_pooler_that_the_encoder_lacks_learns_with_the_head(
    folder: Path, tmp_path: Path, zeros: bool
) -> None:
    bert = BertModel(tiny_bert_config(tiny_tokenizer(tmp_path / "bert")), add_pooling_layer=zeros)
    randomise(bert, seed=1)
    if zeros:
        for weight in bert.pooler.parameters():
            weight.data.zero_()
    with quiet_libraries():
        bert.save_pretrained(tmp_path / "bert")
    many: dict[str, Any] = {"model": str(tmp_path / "bert"), "part": "adapter", "reduction": 2}
    output = run(training(folder, tmp_path / "out", steps=60, rate=5e-3, batch_size=8, **many))
    adapter = RankingAdapter.load(output / "ranking.safetensors")
    assert set(adapter.head) >= {"pooler.dense.weight", "classifier.weight"}
    assert accuracy(load_reranker(str(output))) >= 0.75


def test_a_ranking_adapter_is_learnt_over_language_adapters(folder: Path, tmp_path: Path) -> None:
    base, languages = tiny_bi_encoder(tmp_path / "bi"), tmp_path / "languages"
    for lang in ("en", "sw"):
        text = tmp_path / f"{lang}.txt"
        text.write_text("\n".join([TEXTS[lang]] * 30), encoding="utf-8")
        learning = ModuleLearning(
            "language",
            base,
            text=text,
            lang=lang,
            bottleneck=4,
            invertible=lang == "sw",
            rate=1e-2,
            fit=FitSettings(steps=3, batch_size=8),
        )
        drain(learn_module(learning, languages / f"{lang}.safetensors"))
    many: dict[str, Any] = {"part": "adapter", "reduction": 2, "language_adapters": languages}
    many |= {"model": str(base), "data": (folder / "langs.jsonl",), "rate": 5e-3}
    output = run(training(folder, tmp_path / "out", **many))
    before = load_file(base / "model.safetensors")
    after = load_file(output / "model.safetensors")
    own = {f"roberta.{name}" for name in before if "pooler" not in name}
    assert own < after.keys() and not any("language_adapters" in name for name in after)
    assert all(torch.equal(after[name], before[name.removeprefix("roberta.")]) for name in own)
    for lang in ("en", "sw"):
        file = f"{lang}.safetensors"
        kept = load_file(output / "language-adapters" / file)
        assert all(torch.equal(kept[n], t) for n, t in load_file(languages / file).items())
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "frozen: the language adapters en, sw" in card and "Pair routing: split" in card
    document = [Document("d", TEXTS["sw"], "sw")]
    found = {
        way: float(load_reranker(f"{output}#{way}").scores(Query("q", "reefs", "en"), document)[0])
        for way in ("split", "qlang", "dlang", "none")
    }
    assert len(set(found.values())) == 4
    again = run(training(folder, tmp_path / "again", **many))
    one, other = (load_file(path / "ranking.safetensors") for path in (output, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(ConfigError, match="--pair-routing none leaves out"):
        training(folder, tmp_path / "no", language_adapters=languages, pair_routing="none")
    with pytest.raises(ConfigError, match="of its own"):
        run(training(folder, tmp_path / "no", **many | {"model": str(folder / "xmod")}))


def test_a_mask_changes_as_many_weights_as_were_asked_for(folder: Path, tmp_path: Path) -> None:
    settings = training(folder, tmp_path / "out", part="mask", keep="500", steps=4, rate=1e-3)
    output = run(settings)
    start = run(training(folder, tmp_path / "start", steps=1, rate=1e-30))
    before, after = (load_file(path / "model.safetensors") for path in (start, output))
    changed = {
        name: int((weight != before[name]).sum())
        for name, weight in after.items()
        if not name.startswith("classifier")
    }
    assert 0 < sum(changed.values()) <= 500
    mask = SparseMask.load(output / "learnt" / "mask.safetensors")
    head = sum(w.numel() for n, w in after.items() if n.startswith("classifier"))
    assert len(mask) == 500 + head
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "| all-weights | 4 |" in card
    assert "| the-mask | 4 |" in card
    load_reranker(str(output))


def test_a_killed_run_goes_on_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    for part in ("full", "adapter", "mask"):
        many: dict[str, Any] = {"part": part, "checkpoint_steps": 2, "keep": "300"}
        whole = run(training(folder, tmp_path / f"whole-{part}", **many))
        broken = training(folder, tmp_path / f"broken-{part}", **many)
        for stage, step in (("first", 3), ("second", 5)):
            steps = train_reranker(broken)
            close_at(steps, step)
            assert not (broken.output / "model.safetensors").exists(), stage
        run(broken)
        for path in whole.glob("*.safetensors"):
            expected, found = load_file(path), load_file(broken.output / path.name)
            assert all(torch.equal(found[name], expected[name]) for name in expected), part
        assert not broken.output.with_name(f"broken-{part}.work").exists()


def close_at(steps: Iterator[Any], step: int) -> None:
    """Close a run behind a step, as Ctrl-C does."""
    for progress in steps:
        if progress.unit == "steps" and progress.done == step:
            break
    steps.close()  # type: ignore[attr-defined]


def test_a_finished_run_is_not_run_again_and_another_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    settings = training(folder, tmp_path / "out", steps=1)
    run(settings)
    assert [progress.stage for progress in train_reranker(settings)] == ["written"]
    with pytest.raises(TrainingError, match="there already"):
        run(dataclasses.replace(settings, seed=7))
    run(dataclasses.replace(settings, seed=7), resume=False)


@pytest.mark.parametrize("routing", ["qlang", "dlang", "split", "none"])
def test_an_xmod_reranker_keeps_its_routing_and_its_languages(
    folder: Path, tmp_path: Path, routing: str
) -> None:
    settings = training(
        folder,
        tmp_path / "out",
        model=str(folder / "xmod"),
        data=(folder / "langs.jsonl",),
        pair_routing=routing,
        part="adapter",
        reduction=4,
        steps=2,
    )
    output = run(settings)
    assert json.loads((output / "rerank.json").read_text())["routing"] == routing
    before = load_file(folder / "xmod" / "model.safetensors")
    after = load_file(output / "model.safetensors")
    assert all(
        torch.equal(after[f"roberta.{n}"], w) for n, w in before.items() if "pooler" not in n
    )
    reranker: Any = load_reranker(str(output))
    assert reranker._languages.routing == routing
    other = load_reranker(f"{output}#{'split' if routing == 'none' else 'none'}")
    assert other.fingerprint != reranker.fingerprint


def test_scores_of_rows_are_learnt_against_the_labels(folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "marked.jsonl").read_text().splitlines()]
    data = lines(tmp_path / "rows.jsonl", [{**row, "scores": [0.0, 3.0]} for row in rows])
    many: dict[str, Any] = {"steps": 60, "batch_size": 8, "rate": 2e-3, "seed": 1}
    output = run(training(folder, tmp_path / "out", data=(data,), **many))
    assert accuracy(load_reranker(str(output))) <= 0.1


def test_a_teacher_reads_the_version_in_its_language() -> None:
    def row(text_id: str, lang: str, n: int = 1) -> Example:
        return Example("q", "p", ("n",) * n, lang, lang, (lang,) * n, (), text_id)

    rows = [row("a", "de"), row("a", "en"), row("b", "en"), row("b", "sw"), row("", "en")]
    assert rows_read_by_teacher(rows, "en") == [1, 1, 2, 2, 4]
    with pytest.raises(TrainingError, match="no version in en"):
        rows_read_by_teacher([row("c", "de")], "en")
    with pytest.raises(TrainingError, match="another number of negatives"):
        rows_read_by_teacher([row("a", "de", 2), row("a", "en")], "en")


def test_translate_distil_learns_the_scores_of_english_in_every_version(
    folder: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (folder / "langs.jsonl").read_text().splitlines()]
    for one in rows:
        del one["scores"]
    data = lines(tmp_path / "rows.jsonl", rows)
    settings = training(
        folder,
        tmp_path / "out",
        data=(data,),
        teacher=str(run(training(folder, tmp_path / "teacher", steps=2))),
        teacher_lang="en",
        steps=2,
    )
    assert "reading en" in (run(settings) / "README.md").read_text(encoding="utf-8")


# The formulas are those of the library that trains cross-encoders, whose losses tokenise.
@pytest.mark.parametrize(
    ("loss", "teacher", "name", "labelled"),
    [
        ("pointwise", False, "BinaryCrossEntropyLoss", [[1.0, 0.0, 0.0]] * 2),
        ("listwise", True, "ListNetLoss", None),
        ("pointwise", True, "MSELoss", None),
        ("pairwise", True, "MarginMSELoss", None),
    ],
)
def test_a_loss_is_that_of_sentence_transformers(
    loss: RankLoss, teacher: bool, name: str, labelled: list[list[float]] | None
) -> None:
    from sentence_transformers.cross_encoder import losses

    generator = torch.Generator().manual_seed(4)
    scores, taught = (torch.randn(2, 3, generator=generator) for _ in range(2))
    own = rank_loss(loss, scores, taught if teacher else None)
    labels = taught if labelled is None else torch.tensor(labelled)
    assert torch.isclose(own, library_loss(getattr(losses, name), scores, labels), atol=1e-6)


def library_loss(kind: Any, scores: Tensor, labels: Tensor) -> Tensor:
    """A loss of sentence-transformers over scores that stand for a model's."""

    class Scored(CrossEncoder):
        num_labels = 1
        device = torch.device("cpu")

        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def preprocess(self, pairs: list[Any], **_: Any) -> dict[str, Any]:
            return {"numbers": torch.tensor([float(text) for _, text in pairs])}

        tokenizer = preprocess

        def forward(self, features: Any = None, **named: Any) -> Any:
            numbers = (features or named)["numbers"]
            return _Out(numbers)

    class _Out(dict[str, Any]):
        def __init__(self, numbers: Tensor) -> None:
            super().__init__(scores=numbers[:, None], logits=numbers[:, None])
            self.logits = numbers[:, None]

        def __getitem__(self, key: Any) -> Any:
            return self.logits if key == 0 else super().__getitem__(key)

    model: Any = Scored()
    texts = [[str(float(value)) for value in row] for row in scores]
    made = kind(model)
    if kind.__name__ == "ListNetLoss":
        return made([["q"] * len(texts), texts], list(labels))
    if kind.__name__ == "MarginMSELoss":
        columns = [["q"] * len(texts), *(list(column) for column in zip(*texts, strict=True))]
        return made(columns, labels[:, :1] - labels[:, 1:])
    flat = [text for row in texts for text in row]
    return made([["q"] * len(flat), flat], labels.flatten())


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"loss": "hinge"}, ConfigError, "pointwise, pairwise or listwise"),
        ({"part": "adapter", "reduction": 3}, ConfigError, "power of two from 1 to 32"),
        ({"part": "adapter", "reduction": 64}, ConfigError, "power of two from 1 to 32"),
        ({"part": "mask", "keep": "0%"}, ConfigError, "--keep 0%"),
        ({"pair_routing": "qlang"}, ConfigError, "no language adapters"),
        ({"teacher_lang": "en"}, ConfigError, "--teacher"),
        ({"n_negatives": 0}, ConfigError, "--negatives 1 or more"),
        ({"rate": 2.0}, ConfigError, "--rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_message(
    folder: Path, tmp_path: Path, changes: dict[str, Any], error: type[XretError], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(training(folder, tmp_path / "out", **changes))


def test_crossing_languages_needs_more_than_one(folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "marked.jsonl").read_text().splitlines()]
    spoken = {"query_lang": "en", "positive_lang": "en"}
    data = lines(tmp_path / "rows.jsonl", [{**row, **spoken} for row in rows])
    with pytest.raises(ConfigError, match="several languages"):
        run(training(folder, tmp_path / "out", data=(data,), cross_lingual=0.5))


def test_rows_that_say_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    equal = [
        {"query": f"q {i}", "positive": "a b", "negatives": ["c"], "scores": [1, 1]}
        for i in range(4)
    ]
    with pytest.raises(TrainingError, match="equal scores"):
        run(training(folder, tmp_path / "a", data=(lines(tmp_path / "equal.jsonl", equal),)))
    same = [{"query": f"q {i}", "positive": "a b"} for i in range(4)]
    with pytest.raises(TrainingError, match="does not answer"):
        run(training(folder, tmp_path / "b", data=(lines(tmp_path / "same.jsonl", same),)))
    alone = tmp_path / "alone.tsv"
    alone.write_text("only a question\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"alone\.tsv:1"):
        run(training(folder, tmp_path / "c", data=(alone,)))


def test_a_folder_that_is_no_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError):
        run(training(folder, tmp_path / "out", model=str(tmp_path / "none")))
