"""Whatever puts a model in place does it in one way: whole, synced, then named, then durable."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_disk import recorded_names

from xret.retriever.models.published import (
    publish,
    published_file,
    published_folder,
    sync_tree,
    write_file,
)

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("models", "xmod", "modules", "encoders", "opening", "trim", "export", "training")


def tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_file_is_the_new_one_or_the_former_and_nothing_is_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "card.json"
    with recorded_names(tmp_path) as names:
        write_file(place, "één")
        write_file(place, b"two")
    assert names == {place} and tree(tmp_path) == {"card.json": b"two"}
    with pytest.raises(ZeroDivisionError), published_file(place) as part:
        part.write_bytes(b"half")
        _ = 1 / 0
    assert tree(tmp_path) == {"card.json": b"two"}


def test_a_folder_takes_the_place_of_one_that_is_there(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "model"
    with recorded_names(tmp_path) as names:
        for n in range(2):
            with published_folder(place) as part:
                (part / "inside").mkdir()
                (part / "inside" / f"{n}").write_bytes(b"x")
    assert names == {place}
    assert tree(tmp_path) == {"deep/model/inside/1": b"x"}
    assert [path.name for path in place.parent.iterdir()] == ["model"]
    assert place.stat().st_mode & 0o055 == 0o055


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_disk_that_refuses_at_any_step_leaves_what_was_there(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, real, steps = tmp_path / "model", getattr(os, call), 0
    with published_folder(place) as part:
        (part / "weights").write_bytes(b"old")
    for step in range(9):
        calls = iter(range(99))

        def refuse(*args: object, calls: object = calls, step: int = step) -> object:
            if next(calls) == step:  # type: ignore[call-overload]
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            try:
                with published_folder(place) as part:
                    (part / "weights").write_bytes(b"new")
                break
            except OSError:
                steps += 1
        assert tree(place) in ({"weights": b"old"}, {"weights": b"new"})
        write_file(place / "weights", b"old")
    assert steps >= 2 and tree(tmp_path) == {"model/weights": b"new"}


def test_every_file_below_is_synced_and_counted(tmp_path: Path) -> None:
    (tmp_path / "new" / "a" / "b").mkdir(parents=True)
    for n, name in enumerate(("one", "a/two", "a/b/three"), 1):
        (tmp_path / "new" / name).write_bytes(b"x" * n)
    assert sync_tree(tmp_path / "new") == 6
    with recorded_names(tmp_path):
        publish(tmp_path / "new", tmp_path / "place")
    with pytest.raises(AssertionError, match="before"), recorded_names(tmp_path):
        os.replace(tmp_path / "place", tmp_path / "other")  # noqa: PTH105


def _language(folder: Path) -> Path:
    from tiny_models import tiny_dpr_xm

    from xret.retriever.xmod.installed import export_adapter

    adapter = export_adapter(tiny_dpr_xm(folder / "model"), "sw")
    adapter.save(folder / "sw.safetensors")
    return folder / "sw.safetensors"


def _language_removed(folder: Path) -> Path:
    from tiny_models import tiny_dpr_xm

    from xret.retriever.xmod.installed import remove_adapter

    remove_adapter(tiny_dpr_xm(folder / "model"), "sw")
    return folder / "model" / "config.json"


def _copied(folder: Path) -> Path:
    from tiny_models import tiny_dpr_xm

    from xret.retriever.xmod.installed import copy_model

    return copy_model(tiny_dpr_xm(folder / "model"), folder / "copy")


def _mask_and_folded(folder: Path) -> Path:
    import torch
    from tiny_models import tiny_dpr_xm

    from xret.retriever.models.module_card import ModuleCard
    from xret.retriever.modules.base import model_base
    from xret.retriever.modules.composing import apply_masks
    from xret.retriever.modules.sparse import SparseChange, SparseMask

    model = tiny_dpr_xm(folder / "model")
    base = model_base(model)
    card = ModuleCard("mask", base.fingerprint, vocabulary=base.vocabulary)
    change = SparseChange((32,), torch.tensor([0]), torch.tensor([0.5]))
    mask = SparseMask({"embeddings.LayerNorm.bias": change}, card)
    mask.save(folder / "deep" / "mask.safetensors")
    apply_masks(model, [folder / "deep" / "mask.safetensors"], folder / "folded")
    return folder / "folded"


def _transforms(folder: Path) -> Path:
    import numpy as np

    from xret.retriever.modules.transforms import CONFIG_FILE, StaticTransforms

    StaticTransforms(["sw"], np.ones((1, 4), np.float32), base="b").save(folder)
    return folder / CONFIG_FILE


def _binding(folder: Path) -> Path:
    from xret.retriever.modules.lora import BINDING_FILE, bind_adapter

    bind_adapter(folder, "base")
    return folder / BINDING_FILE


def _trimmed(folder: Path) -> Path:
    from xret.retriever.trim.trim import ModelTrim

    for _ in ModelTrim("xret-static", folder / "small", langs=["sw", "en"]).run():
        pass
    return folder / "small"


def _exported(folder: Path) -> Path:
    from xret.retriever.encoders.onnx_model import EXPORTED, ExportedEncoder

    (folder / EXPORTED).parent.mkdir()
    ExportedEncoder("model", late=True, dim=8).write(folder)
    return folder / EXPORTED


def _static_trained(folder: Path) -> Path:
    import numpy as np

    from xret.retriever.encoders.static import CONFIG_FILE, TOKENIZER_FILE, StaticConfig
    from xret.retriever.models.registry import PRETRAINED
    from xret.retriever.training.static.export import write_static

    own = PRETRAINED / "xret-static"
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    ones = np.ones(50)
    config = StaticConfig.read(own / CONFIG_FILE)
    tokenizer = own / TOKENIZER_FILE
    write_static(folder, rows, ones.astype(np.float32), ones.astype(np.int64), tokenizer, config)
    return folder / CONFIG_FILE


def _modular_trained(folder: Path) -> Path:
    from tiny_word_models import tiny_word_model

    from xret.retriever.encoders.word_model import load_own_model
    from xret.retriever.training.modular.modular import _write_compact

    model = load_own_model(tiny_word_model(folder / "start"), {})
    _write_compact(model, model, folder / "trained")
    return folder / "trained" / "config.json"


def _recipe_trained(folder: Path) -> Path:
    from tiny_encoders import tiny_bi_encoder

    from xret.retriever.training.common.checkpoint import WorkFolder
    from xret.retriever.training.recipes.student import Student
    from xret.retriever.training.recipes.trained_folder import publish_model

    student = Student.load(tiny_bi_encoder(folder / "start"), kind=None, device="cpu")
    for run in ("first", "second"):
        work = WorkFolder.open(folder / "trained.work", run, resume=True)
        publish_model(student, folder / "trained", work, card="# A model", run=run)
    return folder / "trained"


PUBLISHERS: tuple[Callable[[Path], Path], ...] = (
    _language,
    _language_removed,
    _copied,
    _mask_and_folded,
    _transforms,
    _binding,
    _trimmed,
    _exported,
    _static_trained,
    _modular_trained,
    _recipe_trained,
)


@pytest.mark.parametrize("written", PUBLISHERS, ids=lambda written: written.__name__.strip("_"))
def test_a_publisher_syncs_all_of_it_then_names_it_then_syncs_the_name(
    written: Callable[[Path], Path], tmp_path: Path
) -> None:
    with recorded_names(tmp_path) as names:
        place = written(tmp_path)
    assert place in names and place.exists()
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".part", ".former"))]


def _moves(path: Path) -> list[int]:
    """Lines that rename or sync a file themselves: os and shutil's calls, and Path's methods."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            named = called in ("os.replace", "os.rename", "os.fsync", "shutil.move")
            method = node.func.attr in ("replace", "rename") and len(node.args) == 1
            of_dataclass = bool(node.keywords) or called == "dataclasses.replace"
            if named or (method and not of_dataclass):
                lines.append(node.lineno)
    return lines


def test_rooms_that_write_models_rename_and_sync_in_one_module_only() -> None:
    own = ROOT / "retriever" / "models" / "published.py"
    assert len(_moves(own)) == 2
    for room in ROOMS:
        for path in sorted((ROOT / "retriever" / room).rglob("*.py")):
            assert path == own or not _moves(path), f"{path}:{_moves(path)}: use published.py"
