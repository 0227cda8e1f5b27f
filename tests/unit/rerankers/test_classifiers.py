"""Cross-encoders and yes/no models in the layouts that they are published in, tiny and random."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import TEXTS, tiny_colbert_xm
from tiny_rerankers import tiny_classifier, tiny_monot5, tiny_qwen3

from xret.errors import ModelError, RerankError, UnknownModelError
from xret.retriever.rerankers.classifier import CHUNK, SequenceClassifier
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.rerankers.yes_no import YesNoModel
from xret.types import Document, Query

QUERY = Query("q", TEXTS["en"], "en")
DOCUMENTS = [Document(lang, text, lang, "reefs" * (lang == "fr")) for lang, text in TEXTS.items()]
LONG = Document("long", " ".join(TEXTS["en"].split() * 40), "en")
Make = Callable[[Path], Path]
BOTH = [tiny_classifier, tiny_qwen3, tiny_monot5]


@pytest.mark.parametrize("kind", ["XLMRoberta", "Bert", "DebertaV2"])
def test_a_classifier_scores_each_pair_as_alone_and_unpadded(tmp_path: Path, kind: str) -> None:
    folder = tiny_classifier(tmp_path / "model", kind=kind)
    reranker = load_reranker(str(folder))
    assert isinstance(reranker, SequenceClassifier)
    scores = reranker.scores(QUERY, DOCUMENTS)
    model, tokenizer = reranker._model, reranker._tokenizer
    for score, document in zip(scores, DOCUMENTS, strict=True):
        text = f"{document.title}\n{document.text}" if document.title else document.text
        inputs = tokenizer(QUERY.text, text, return_tensors="pt")
        with torch.inference_mode():
            assert np.isclose(score, float(model(**inputs).logits[0, 0]), atol=1e-4)
    assert np.std(scores) > 1e-3


def test_a_long_passage_scores_what_its_best_window_does(tmp_path: Path) -> None:
    reranker = load_reranker(str(tiny_classifier(tmp_path / "model")))
    assert isinstance(reranker, SequenceClassifier)
    tokenizer = reranker._tokenizer
    score = float(reranker.scores(QUERY, [LONG, DOCUMENTS[0]])[0])
    question = tokenizer(QUERY.text, add_special_tokens=False)["input_ids"]
    windows = tokenizer(
        QUERY.text,
        LONG.text,
        truncation="only_second",
        max_length=reranker.max_tokens,
        stride=min(32, (reranker.max_tokens - len(question) - 4) // 4),
        return_overflowing_tokens=True,
    )["input_ids"]
    assert len(windows) > 3
    with torch.inference_mode():
        alone = [float(reranker._model(torch.tensor([ids])).logits[0, 0]) for ids in windows]
    assert np.isclose(score, max(alone), atol=1e-4)
    whole = " ".join(TEXTS["en"].split() * 40)
    covered = " ".join(tokenizer.decode(ids) for ids in windows)
    assert set(whole.split()) <= set(covered.split())


@pytest.mark.parametrize("make", BOTH)
def test_a_question_is_never_cut_silently(tmp_path: Path, make: Make) -> None:
    reranker = load_reranker(str(make(tmp_path / "model")))
    question = Query("q", " ".join(TEXTS["en"].split() * 30), "en")
    with pytest.raises(RerankError, match="shorter"):
        reranker.scores(question, DOCUMENTS)


@pytest.mark.parametrize("make", BOTH)
def test_the_deadline_is_looked_at_between_passages(tmp_path: Path, make: Make) -> None:
    reranker = load_reranker(str(make(tmp_path / "model")))
    assert len(reranker.scores(QUERY, DOCUMENTS, until=time.monotonic() - 1)) == 0
    many = DOCUMENTS * CHUNK
    in_time = reranker.scores(QUERY, many, until=time.monotonic() + 600)
    assert np.allclose(in_time, reranker.scores(QUERY, many), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "words"), [(tiny_qwen3, ("yes", "no")), (tiny_monot5, ("▁true", "▁false"))]
)
def test_a_yes_counts_against_a_no(tmp_path: Path, make: Make, words: tuple[str, str]) -> None:
    reranker = load_reranker(str(make(tmp_path / "model")))
    assert isinstance(reranker, YesNoModel)
    scores = reranker.scores(QUERY, DOCUMENTS)
    vocabulary = reranker._tokenizer.get_vocab()
    yes, no = (vocabulary[word] for word in words)
    texts = [f"{d.title}\n{d.text}" if d.title else d.text for d in DOCUMENTS]
    for score, prompt in zip(scores, reranker._prompts(QUERY.text, texts), strict=True):
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            if make is tiny_qwen3:
                logits = reranker._model(ids).logits[0, -1]
            else:
                logits = reranker._model(ids, decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
        assert np.isclose(score, float(logits[yes] - logits[no]), atol=1e-4)
    assert np.std(scores) > 1e-4


def test_the_prompt_of_qwen3_is_that_of_its_card(tmp_path: Path) -> None:
    reranker = load_reranker(str(tiny_qwen3(tmp_path / "model")))
    assert isinstance(reranker, YesNoModel)
    text = reranker._tokenizer.decode(reranker._prompts("the reefs", ["the fish"])[0])
    flat = "".join(text.split())
    assert flat.startswith("<|im_start|>systemJudgewhethertheDocument")
    assert (
        "<Query>:thereefs<Document>:thefish<|im_end|><|im_start|>assistant<think></think>" in flat
    )


def test_several_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="3 labels"):
        load_reranker(str(tiny_classifier(tmp_path / "model", labels=3)))


@pytest.mark.parametrize("make", BOTH)
def test_pickled_weights_are_refused(tmp_path: Path, make: Make) -> None:
    folder = make(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickle"):
        load_reranker(str(folder))


@pytest.mark.parametrize("make", BOTH)
def test_code_that_comes_with_a_model_is_refused(tmp_path: Path, make: Make) -> None:
    folder = make(tmp_path / "model")
    change(folder, auto_map={"AutoModelForSequenceClassification": "modeling.NewModel"})
    with pytest.raises(ModelError, match="auto_map"):
        load_reranker(str(folder))


def test_weights_without_a_head_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_classifier(tmp_path / "model")
    path = folder / "model.safetensors"
    weights = {name: w for name, w in load_file(path).items() if "classifier.out" not in name}
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match="lack 2 parameters"):
        load_reranker(str(folder))


def test_an_encoders_folder_scores_by_its_vectors(tmp_path: Path) -> None:
    assert isinstance(load_reranker(str(tiny_colbert_xm(tmp_path / "model"))), SecondEncoder)


def test_a_folder_that_cannot_rerank_is_refused(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path / "bare")
    change(folder, architectures=["XLMRobertaModel"])
    with pytest.raises(ModelError, match="bare xlm-roberta"):
        load_reranker(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no model"):
        load_reranker(str(tmp_path / "empty"))


def test_names_are_known_and_refused_with_the_reason() -> None:
    with pytest.raises(ModelError, match="xret model pull bge-reranker-v2-m3"):
        load_reranker("bge-reranker-v2-m3")
    for name in ("gte-multilingual-reranker-base", "jina-reranker-v2-base-multilingual"):
        with pytest.raises(ModelError, match="never runs"):
            load_reranker(name)
    with pytest.raises(UnknownModelError, match="no reranker is called"):
        load_reranker("bge-reranker-v3")


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")
