"""The registry says what is known and no more; folders that are no model are refused."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hub_double import COMMIT, hub
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_bi_encoder, tiny_late, tiny_xlmr, write_json
from tiny_models import tiny_dpr_xm, tiny_tokenizer

from xret.errors import LanguageError, ModelError, UnknownModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.models import hashes
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.measured import MEASURED, SHIPPED, EncoderFigures, other_choice
from xret.retriever.models.registry import ENCODERS
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.xmod.xmod import XMOD_ADAPTERS


@pytest.mark.parametrize("name", ENCODERS)
def test_a_row_of_the_registry_is_sound(name: str) -> None:
    row = ENCODERS[name]
    assert (row.repo is None) != (row.folder is None)
    assert all(language_code(code) == code for code in row.languages)
    assert len(set(row.languages)) == len(row.languages)
    if row.repo is not None:
        assert row.repo.count("/") == 1
        assert row.revision is None or re.fullmatch("[0-9a-f]{40}", row.revision)


def test_what_is_in_the_package_was_measured_and_is_as_large_as_it_says() -> None:
    assert {name for name, row in ENCODERS.items() if row.shipped} == set(SHIPPED) <= set(MEASURED)
    assert set(MEASURED) <= set(ENCODERS)
    for name in SHIPPED:
        folder = ENCODERS[name].folder
        assert folder is not None
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert MEASURED[name].megabytes == pytest.approx(size / 1e6, rel=0.02)


def test_the_other_choice_is_told_with_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, figures in (("xret-static", (69.2, 4200)), ("xret-modular", (90.0, 42))):
        monkeypatch.setitem(MEASURED, name, EncoderFigures(*figures, 0.0, 0.0))
    assert other_choice("xret-modular") == (
        "xret-static would index this 100 times faster and find less: MRR@10 69.2 against 90.0 "
        "over 15 languages; --encoder xret-static"
    )
    assert other_choice("xret-static").startswith(
        "xret-modular would index this 100 times slower and find more: MRR@10 90.0 against 69.2"
    )
    assert other_choice("multilingual-e5-small") == other_choice("/some/folder") == ""


def test_models_over_xmod_have_its_languages() -> None:
    for name in ("colbert-xm", "dpr-xm"):
        assert set(ENCODERS[name].languages) == set(XMOD_ADAPTERS)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="colbert-xm"):
        load_encoder("colbert-mx")


@pytest.mark.parametrize("name", ["multilingual-e5-small", "someone/some-model"])
def test_a_model_that_is_not_here_says_how_to_get_it(name: str, home: Path) -> None:
    with pytest.raises(ModelError) as raised:
        load_encoder(name)
    message = str(raised.value)
    assert "is not on this machine" in message
    assert f"xret model pull {name}" in message
    assert str(home / "models" / name.replace("/", "--")) in message


def test_a_non_commercial_model_says_so_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="non-commercial"), pytest.raises(ModelError):
        _pulled(monkeypatch)
        load_encoder("jina-colbert-v2")


def _pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.retriever.models.hub.find_model", lambda *_, **__: Path("/nowhere"))


def no_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")


def bare(folder: Path) -> None:
    tiny_xlmr(folder)


def pickled(folder: Path) -> None:
    tiny_bi_encoder(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def pickled_projection(folder: Path) -> None:
    tiny_late(folder)
    (folder / "1_Dense" / "model.safetensors").rename(folder / "1_Dense" / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    tiny_bi_encoder(folder)
    (folder / "model.safetensors").unlink()


def foreign_tokenizer(folder: Path) -> None:
    tiny_bi_encoder(folder)
    weights = load_file(folder / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    weights[name] = weights[name][:300].contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _edit(folder / "config.json", vocab_size=300)


def smaller_tokenizer(folder: Path) -> None:
    tiny_bi_encoder(folder)
    weights = load_file(folder / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    weights[name] = weights[name].repeat(2, 1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _edit(folder / "config.json", vocab_size=len(weights[name]))


def missing_layer(folder: Path) -> None:
    tiny_bi_encoder(folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: w for name, w in weights.items() if ".layer.1." not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def torn_weights(folder: Path) -> None:
    tiny_bi_encoder(folder)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def foreign_code(folder: Path) -> None:
    tiny_bi_encoder(folder)
    _edit(folder / "config.json", auto_map={"AutoModel": "someone/code--modeling.NewModel"})


def foreign_module(folder: Path) -> None:
    tiny_bi_encoder(folder)
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "os.path"}])


def escaping_module(folder: Path) -> None:
    tiny_bi_encoder(folder)
    kind = "sentence_transformers.models.Pooling"
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "../..", "type": kind}])


def foreign_activation(folder: Path) -> None:
    tiny_late(folder)
    _edit(folder / "1_Dense" / "config.json", activation_function="someone.Gate")


def cross_encoder(folder: Path) -> None:
    tiny_bi_encoder(folder)
    _edit(folder / "config_sentence_transformers.json", model_type="CrossEncoder")


def by_distance(folder: Path) -> None:
    tiny_bi_encoder(folder, similarity="euclidean")


def torn_settings(folder: Path) -> None:
    tiny_bi_encoder(folder)
    (folder / "config.json").write_text("{", encoding="utf-8")


def _edit(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_model, "is no model: it has neither modules.json"),
        (bare, "bare xlm-roberta transformer"),
        (pickled, r"pytorch_model.bin is a pickle.*never read.*safetensors.torch import save_file"),
        (pickled_projection, "1_Dense/pytorch_model.bin is a pickle"),
        (no_weights, "has no weights"),
        (foreign_tokenizer, "belongs to another model"),
        (smaller_tokenizer, "belongs to another model"),
        (missing_layer, "the weights in .* lack .* parameters of its XLMRobertaModel"),
        (torn_weights, "cannot be"),
        (foreign_code, "asks for Python code from the hub"),
        (foreign_module, "needs the Python class os.path"),
        (escaping_module, "names a folder outside of the model"),
        (foreign_activation, "1_Dense needs the activation someone.Gate"),
        (cross_encoder, "is a CrossEncoder"),
        (by_distance, "compares texts by euclidean distance"),
        (torn_settings, "config.json cannot be read as JSON"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_message(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / "model")
    with pytest.raises(ModelError, match=said):
        load_encoder(str(tmp_path / "model"))


def test_an_adapter_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    folder = str(tiny_dpr_xm(tmp_path))
    with pytest.raises(LanguageError, match="'gl'"):
        load_encoder(folder, options=EncoderOptions(adapters=("gl",)))


def test_a_folder_of_another_kind_than_its_name_promises_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_bi_encoder(tmp_path)
    monkeypatch.setattr("xret.retriever.models.hub.find_model", lambda *_, **__: folder)
    with pytest.raises(ModelError, match="bge-m3-multi-vector is a model of late interaction"):
        load_encoder("bge-m3-multi-vector")
    assert load_encoder("bge-m3").spec.name == "bge-m3"


def test_the_fingerprint_sees_weights_tokenizer_and_settings_but_not_the_place(
    tmp_path: Path,
) -> None:
    folder = tiny_bi_encoder(tmp_path / "a")
    original = model_fingerprint(folder, {})
    moved = folder.rename(tmp_path / "b")
    assert model_fingerprint(moved, {}) == original
    (moved / "README.md").write_text("# a card", encoding="utf-8")
    _edit(moved / "config.json", transformers_version="9.9", _name_or_path="elsewhere")
    assert model_fingerprint(moved, {}) == original
    assert model_fingerprint(moved, {"dim": 8}) != original
    tokenizer = (moved / "tokenizer.json").read_text(encoding="utf-8")
    (moved / "tokenizer.json").write_text(tokenizer.replace("-8.0", "-7.5"), encoding="utf-8")
    changed = model_fingerprint(moved, {})
    assert changed != original
    weights = load_file(moved / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.001
    save_file(weights, moved / "model.safetensors", metadata={"format": "pt"})
    assert model_fingerprint(moved, {}) not in (original, changed)


def test_a_large_file_is_hashed_once_and_again_when_it_changes(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = hashes._read
    monkeypatch.setattr(hashes, "LARGE_BYTES", 10)
    monkeypatch.setattr(hashes, "_read", lambda path: reads.append(path) or read(path))
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x" * 100)
    first = hashes.file_hash(file)
    monkeypatch.setattr(hashes, "_known", {})  # as in another process
    assert hashes.file_hash(file) == first and len(reads) == 1
    times = file.stat()
    file.write_bytes(b"y" * 100)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time
    assert hashes.file_hash(file) != first and len(reads) == 2
    (home / "models" / "hashes.json").write_text("[1, 2", encoding="utf-8")
    monkeypatch.setattr(hashes, "_known", {})
    assert hashes.file_hash(file) != first and len(reads) == 3


def test_torch_is_not_needed_to_list_models() -> None:
    assert torch.__version__  # this process has it; a fresh one must not
    import subprocess
    import sys

    program = (
        "import sys\nfrom xret.retriever.models.registry import ENCODERS\n"
        "from xret.retriever.models import hub\n"
        "assert ENCODERS\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_double_of_the_hub_serves_what_it_should(tmp_path: Path) -> None:
    import urllib.request

    tiny_tokenizer(tmp_path)
    with hub("o/m", tmp_path) as (address, asked):
        with urllib.request.urlopen(f"{address}/o/m/resolve/{COMMIT}/tokenizer.json") as answer:
            assert answer.read() == (tmp_path / "tokenizer.json").read_bytes()
        assert asked == [f"/o/m/resolve/{COMMIT}/tokenizer.json"]
