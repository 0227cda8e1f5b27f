"""Transformer encoders against the plain libraries, in other precisions, and as graphs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import tiny_bi_encoder, tiny_late, tiny_pylate, tiny_stanford
from tiny_models import TEXTS, tiny_colbert_xm, tiny_dpr_xm
from torch import Tensor

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.precision import Precision, QuantizedLinear, choose_precision
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, Query

pytestmark = pytest.mark.vectors

DOCUMENTS = [Document(lang, text, lang) for lang, text in TEXTS.items()]
QUERIES = [Query(lang, text, lang) for lang, text in TEXTS.items()]


def cosine(found: Embeddings, expected: Embeddings) -> float:
    """The smallest between rows of the same place."""
    return float((found.values * expected.values).sum(axis=1).min())


def test_a_bi_encoder_gives_what_sentence_transformers_gives(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "query: ", "passage": "passage: "}
    folder = tiny_bi_encoder(tmp_path, prompts=prompts)
    theirs = SentenceTransformer(str(folder), local_files_only=True)
    ours = load_encoder(str(folder))
    texts = list(TEXTS.values())
    asked = theirs.encode(["query: " + text for text in texts], normalize_embeddings=True)
    stored = theirs.encode(["passage: " + text for text in texts], normalize_embeddings=True)
    np.testing.assert_allclose(ours.encode_queries(QUERIES).values, asked, atol=1e-5)
    np.testing.assert_allclose(ours.encode_documents(DOCUMENTS).values, stored, atol=1e-5)


@pytest.mark.parametrize("make", [tiny_late, tiny_pylate])
def test_late_interaction_gives_what_sentence_transformers_gives(
    make: object, tmp_path: Path
) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder = make(tmp_path)  # type: ignore[operator]
    theirs = MultiVectorEncoder(str(folder), local_files_only=True)
    ours = load_encoder(str(folder))
    texts = list(TEXTS.values())
    for found, expected in (
        (ours.encode_queries(QUERIES), theirs.encode_query(texts)),
        (ours.encode_documents(DOCUMENTS), theirs.encode_document(texts)),
    ):
        for vectors, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(vectors, wanted.numpy(), atol=1e-5)


def test_a_stanford_checkpoint_is_read_as_stanford_reads_it(tmp_path: Path) -> None:
    """From scratch: marker id second, [MASK] to 32 tokens, first id of punctuation skipped."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, XLMRobertaModel

    folder = tiny_stanford(tmp_path)
    linear = load_file(folder / "model.safetensors")["linear.weight"]
    backbone = XLMRobertaModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    marker, mask = tokenizer.unk_token_id, tokenizer.mask_token_id  # no [unused0] in XLM-R
    skipped = {
        tokenizer.encode(p, add_special_tokens=False)[0]
        for p in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    }

    def vectors(ids: list[int], attended: int) -> Tensor:
        batch = torch.tensor([ids])
        seen = (torch.arange(len(ids)) < attended).long()[None]
        with torch.no_grad():
            hidden = backbone(input_ids=batch, attention_mask=seen)[0]
        return torch.nn.functional.normalize(hidden @ linear.T, dim=-1)[0]

    encoder = load_encoder(str(folder))
    text = "the coral reefs, are warming!"
    plain = tokenizer.encode(text)
    ids = [plain[0], marker, *plain[1:]]
    expected = vectors(ids, len(ids))[[i not in skipped for i in ids]]
    found = encoder.encode_documents([Document("1", text, "en")])[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    asked = vectors(ids + [mask] * (32 - len(ids)), len(ids))
    found = encoder.encode_queries([Query("1", text, "en")])[0]
    np.testing.assert_allclose(found, asked.numpy(), atol=1e-5)


def test_memory_that_runs_out_halves_the_batch_and_loses_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(str(tiny_bi_encoder(tmp_path)))
    expected = encoder.encode_documents(DOCUMENTS)
    model = encoder.document_model.model  # type: ignore[attr-defined]
    forward = type(model).forward
    sizes = []

    def small(self: object, batch: dict[str, Tensor], **named: object) -> object:
        sizes.append(len(batch["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, batch, **named)

    monkeypatch.setattr(type(model), "forward", small)
    found = encoder.encode_documents(DOCUMENTS)
    assert sizes[:2] == [6, 3] and max(sizes[2:]) == 1
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)


@pytest.mark.skipif(not torch.cpu._is_amx_tile_supported(), reason="no AMX on this machine")
@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("make", [tiny_bi_encoder, tiny_colbert_xm])
def test_fewer_bits_keep_the_direction(precision: str, make: object, tmp_path: Path) -> None:
    folder = str(make(tmp_path))  # type: ignore[operator]
    full = load_encoder(folder).encode_documents(DOCUMENTS)
    fast = load_encoder(folder, options=EncoderOptions(precision=precision))  # type: ignore[arg-type]
    assert cosine(fast.encode_documents(DOCUMENTS), full) > (0.999 if precision == "bf16" else 0.99)


def test_int8_numbers_of_a_text_do_not_depend_on_its_neighbours() -> None:
    layer = QuantizedLinear(torch.nn.Linear(32, 24))
    rows = torch.randn(8, 5, 32)
    rows[3] *= 1000
    assert torch.equal(layer(rows)[0], layer(rows[:1])[0])


def test_a_precision_that_the_cpu_would_emulate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported", "_is_vnni_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert choose_precision(Precision.AUTO, "cpu") is Precision.FP32
    assert choose_precision(Precision.AUTO, "cuda") is Precision.BF16
    for wanted in (Precision.BF16, Precision.INT8):
        with pytest.raises(ConfigError, match="use precision"):
            choose_precision(wanted, "cpu")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """colbert-xm with a graph of two of its six languages."""
    from xret.retriever.export.encoder import export_encoder

    folder = tiny_colbert_xm(tmp_path_factory.mktemp("exported"))
    export_encoder(folder, adapters=["sw", "fr"])
    return folder


def test_a_query_through_a_graph_is_the_query_through_torch(exported: Path) -> None:
    plain = load_encoder(str(exported), options=EncoderOptions(backend="torch"))
    graphs = load_encoder(str(exported), options=EncoderOptions(backend="onnx"))
    both = load_encoder(str(exported))
    assert plain.spec == graphs.spec == both.spec
    asked = [query for query in QUERIES if query.lang in ("sw", "fr")]
    expected = plain.encode_queries(asked)
    np.testing.assert_allclose(graphs.encode_queries(asked).values, expected.values, atol=1e-4)
    stored = [document for document in DOCUMENTS if document.lang in ("sw", "fr")]
    found = graphs.encode_documents(stored)
    np.testing.assert_allclose(found.values, plain.encode_documents(stored).values, atol=1e-4)
    # Languages without a graph go by torch, or are refused where only graphs may answer.
    np.testing.assert_allclose(
        both.encode_queries(QUERIES).values, plain.encode_queries(QUERIES).values, atol=1e-4
    )
    with pytest.raises(ModelError, match="no graph was exported for the adapter"):
        graphs.encode_queries(QUERIES)


def test_a_query_is_encoded_without_torch_where_there_is_a_graph(exported: Path) -> None:
    program = (
        "import sys\n"
        "from xret.retriever.opening.encoder import load_encoder\n"
        "from xret.types import Query\n"
        f"encoder = load_encoder({str(exported)!r})\n"
        f"made = encoder.encode_queries([Query('q', {TEXTS['sw']!r}, 'sw')])\n"
        "assert made.values.shape == (32, 16)\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'scipy'}"
        " & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_graphs_of_other_weights_are_never_used(exported: Path, tmp_path: Path) -> None:
    import shutil

    stale = tiny_colbert_xm(tmp_path / "stale", seed=5)
    shutil.copytree(exported / "onnx", stale / "onnx")
    encoder = load_encoder(str(stale))
    plain = load_encoder(str(stale), options=EncoderOptions(backend="torch"))
    assert np.array_equal(
        encoder.encode_queries(QUERIES).values, plain.encode_queries(QUERIES).values
    )
    with pytest.raises(ModelError, match="xret model export"):
        load_encoder(str(stale), options=EncoderOptions(backend="onnx"))


def test_an_index_says_through_which_adapter_a_text_went(tmp_path: Path) -> None:
    from xret.retriever.build import IndexBuild
    from xret.retriever.searcher import Searcher

    folder, index = tiny_dpr_xm(tmp_path / "model"), tmp_path / "index"
    options = EncoderOptions(dim=16)
    texts = [*DOCUMENTS, Document("galician", "os arrecifes de coral", "gl")]
    for _ in IndexBuild(texts, index, load_encoder(str(folder), options=options)).run():
        pass
    searcher = Searcher.open(index)  # the 16 dimensions come from the index
    answer = searcher.answer("os arrecifes", lang="gl", k=10)
    assert answer.query.adapter == "Galician through the French adapter"
    through = {hit.id: hit.adapter for hit in answer.hits}
    assert through["galician"] == "Galician through the French adapter"
    assert set(through.values()) == {"", "Galician through the French adapter"}
    routes = searcher.reader.info().routes
    assert routes["gl"].adapter == "fr" and routes["sw"].how == "own"
    searcher.close()


def add_lora(folder: Path, lang: str, *, seed: int) -> None:
    """An adapter of two layers in PEFT's files, for one language."""
    from safetensors.torch import save_file

    target = folder / "adapters" / lang
    target.mkdir(parents=True)
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["query"]}
    (target / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    drawn = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(2):
        name = f"base_model.model.encoder.layer.{layer}.attention.self.query"
        tensors[f"{name}.lora_A.weight"] = torch.randn(2, 32, generator=drawn)
        tensors[f"{name}.lora_B.weight"] = torch.randn(32, 2, generator=drawn)
    save_file(tensors, target / "adapter_model.safetensors")


def add_transforms(folder: Path) -> None:
    from xret.retriever.modules.transform_fitting import TransformSettings, fit_transforms

    settings = TransformSettings(min_vectors=4)
    sample = [
        Document("", " ".join(TEXTS[lang].split()[i:]), lang)
        for lang in ("fr", "sw")
        for i in range(6)
    ]
    plain = load_encoder(str(folder))
    fit_transforms(plain, sample, settings=settings).save(folder / "transforms")


@pytest.mark.parametrize("kind", ["lora", "transforms"])
def test_language_modules_beside_a_model_work_text_by_text(kind: str, tmp_path: Path) -> None:
    folder = tiny_bi_encoder(tmp_path)
    plain = load_encoder(str(folder))
    if kind == "lora":
        add_lora(folder, "fr", seed=1)
        add_lora(folder, "sw", seed=2)
    else:
        add_transforms(folder)
    encoder = load_encoder(str(folder))
    assert encoder.spec.language_adapters and encoder.spec.languages == ("fr", "sw")
    assert encoder.spec.fingerprint != plain.spec.fingerprint
    texts = [Document(str(i), TEXTS["fr"], lang) for i, lang in enumerate(["sw", "fr", "sw", "gl"])]
    mixed = encoder.encode_documents(texts)
    for i, document in enumerate(texts):
        alone = load_encoder(str(folder)).encode_documents([document])
        np.testing.assert_allclose(mixed[i], alone[0], atol=1e-5)
    assert np.abs(mixed[0] - mixed[1]).max() > 1e-3  # the same text in two languages
    assert np.abs(mixed[1] - plain.encode_documents(texts[:1])[0]).max() > 1e-3
    np.testing.assert_allclose(mixed[1], mixed[3], atol=1e-5)  # Galician by its relative
    route = encoder.route("gl")
    assert route is not None and route.adapter == "fr"


def test_language_modules_of_another_base_are_refused(tmp_path: Path) -> None:
    from xret.retriever.modules.lora import bind_adapter

    fitted = tiny_bi_encoder(tmp_path / "fitted")
    add_transforms(fitted)
    other = tiny_bi_encoder(tmp_path / "other", seed=3)
    (fitted / "transforms").rename(other / "transforms")
    with pytest.raises(ModelError, match="another encoder"):
        load_encoder(str(other))
    add_lora(fitted, "fr", seed=1)
    bind_adapter(fitted / "adapters" / "fr", "0" * 32)
    with pytest.raises(ModelError, match="another model"):
        load_encoder(str(fitted))


def test_one_kind_of_language_modules_at_a_time(tmp_path: Path) -> None:
    folder = tiny_dpr_xm(tmp_path)
    add_lora(folder, "fr", seed=1)
    with pytest.raises(ModelError, match="X-MOD adapters and adapters"):
        load_encoder(str(folder))


@pytest.mark.parametrize("make", [tiny_dpr_xm, tiny_colbert_xm])
def test_a_code_switched_query_goes_through_an_adapter_a_token(
    make: object, tmp_path: Path
) -> None:
    from xret.retriever.languages.code_switching import language_spans

    folder = str(make(tmp_path))  # type: ignore[operator]
    text = "the coral reefs are warming 珊瑚礁正在变暖"
    assert [span.lang for span in language_spans(text)] == ["en", "zh"]
    encoder = load_encoder(folder, options=EncoderOptions(code_switching=True))
    plain = load_encoder(folder)
    unsaid = Query("q", text, "en", "identified")
    whole = plain.encode_queries([unsaid])
    mixed = encoder.encode_queries([unsaid, Query("o", TEXTS["sw"], "sw", "identified")])
    assert np.abs(mixed[0] - whole[0]).max() > 1e-3
    # The user's word holds for the whole text, and texts in one language are as they were.
    said = encoder.encode_queries([Query("q", text, "en", "given")])
    np.testing.assert_allclose(said.values, whole.values, atol=1e-5)
    other = plain.encode_queries([Query("o", TEXTS["sw"], "sw")])
    np.testing.assert_allclose(mixed[1], other[0], atol=1e-5)
    # By hand: the same forward with the ids of each token's adapter.
    model = encoder.document_model  # type: ignore[attr-defined]
    features = model.features([text], "query")
    border = text.index("珊")
    through = ["zh" if end > border else "en" for _, end in features.offsets[0]]
    assert {"en", "zh"} == set(through)
    rows = model.vectors(features, np.array([0]), [through], "query")[0]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(mixed[0], rows, atol=1e-5)
