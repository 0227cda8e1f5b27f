"""`xret lang list|export|import|remove` on a tiny model, good and bad."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import Xret
from conftest import build
from tiny_models import tiny_dpr_xm
from tiny_word_models import tiny_word_model
from typer.testing import CliRunner, Result

from xret.cli.lang import app
from xret.errors import (
    LanguageError,
    ModelError,
    UnknownModelError,
    XretError,
)
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dpr_xm(tmp_path_factory.mktemp("models") / "dpr-xm")


@pytest.fixture
def model(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(original, tmp_path / "model")


def lang(*words: str) -> Result:
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, XretError):
        raise done.exception
    return done


def codes(model: str) -> list[str]:
    listed = json.loads(lang("list", model, "--json").stdout)
    return [row["lang"] for row in listed["languages"]]


@pytest.mark.usefixtures("model")
def test_the_real_command_says_why_it_refuses(xret: Xret) -> None:
    lang("export", "model", "sw", "--output", "sw.safetensors")
    done = xret("lang", "import", "model", "sw.safetensors")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "say --replace" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("model")
def test_a_language_taken_out_and_put_back_is_listed_as_added() -> None:
    lang("export", "model", "sw", "--output", "sw.safetensors")
    assert "is another encoder by its content now" in lang("remove", "model", "sw").stderr
    lang("import", "model", "sw.safetensors")
    heading, *rows = [line.split("\t") for line in lang("list", "model").stdout.splitlines()]
    assert heading == ["language", "kind", "parameters", "bytes", "rows", "trained by", "origin"]
    assert rows[-1][:2] == ["sw (Swahili)", "X-MOD adapters"]
    assert [row[-1] for row in rows] == [*["the model's own"] * 5, "added"]


@pytest.mark.usefixtures("model")
def test_every_result_is_there_as_json() -> None:
    exported = json.loads(
        lang("export", "model", "sw", "--output", "a.safetensors", "--json").stdout
    )
    assert (exported["language"], exported["file"]) == ("sw", "a.safetensors")
    assert exported["bytes"] == Path("a.safetensors").stat().st_size
    removed = json.loads(lang("remove", "model", "sw", "--json").stdout)
    assert removed["languages"] == codes("model") == ["en", "fr", "de", "zh", "ar"]
    imported = json.loads(lang("import", "model", "a.safetensors", "--json").stdout)
    assert imported["languages"] == codes("model")
    (row,) = [
        row
        for row in json.loads(lang("list", "model", "--json").stdout)["languages"]
        if row["lang"] == "sw"
    ]
    assert row["parameters"] == exported["parameters"]
    assert (row["name"], row["kind"], row["origin"]) == ("Swahili", "X-MOD adapters", "added")


@pytest.mark.usefixtures("model")
def test_an_output_folder_is_changed_in_place_of_the_model() -> None:
    lang("remove", "model", "fr", "--output", "less")
    assert "fr" in codes("model")
    assert "fr" not in codes("less")
    lang("export", "model", "fr", "--output", "fr.safetensors")
    lang("import", "less", "fr.safetensors", "--output", "again")
    assert "fr" not in codes("less")
    assert set(codes("again")) == set(codes("model"))
    with pytest.raises(ModelError, match="less exists already"):
        lang("remove", "model", "de", "--output", "less")
    with pytest.raises(LanguageError, match="no adapter for 'yo'"):
        lang("remove", "model", "yo", "--output", "none")
    assert sorted(path.name for path in Path().iterdir()) == [
        "again",
        "fr.safetensors",
        "less",
        "model",
    ]


def test_a_pulled_or_shipped_model_is_changed_in_a_copy_only(model: Path) -> None:
    lang("export", "model", "fr", "--output", "fr.safetensors")
    (model / "pin.json").write_text("{}")
    for words in (("remove", "model", "fr"), ("import", "model", "fr.safetensors", "--replace")):
        with pytest.raises(ModelError, match="never changed; give --output FOLDER"):
            lang(*words)
    lang("remove", "model", "fr", "--output", "mine")
    lang("remove", "mine", "de")
    assert codes("mine") == ["en", "zh", "ar", "sw"]
    with pytest.raises(ModelError, match="shipped with xret and is never changed"):
        lang("remove", "xret-static", "fr")


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["list", "nobody"], UnknownModelError, "no encoder is called 'nobody'"),
        (["export", "model", "xyzzy", "--output", "a.safetensors"], LanguageError, "no language"),
        (
            ["export", "model", "yo", "--output", "a.safetensors"],
            LanguageError,
            "it has ar, de, en",
        ),
        (["export", "model", "sw", "--output", "a.bin"], XretError, "end in .safetensors"),
        (["export", "model", "sw", "--output", "no/a.safetensors"], ModelError, "cannot write"),
        (["remove", "model", "xyzzy"], LanguageError, "is no language"),
        (["import", "model", "none.safetensors"], ModelError, "there is no adapter"),
        (["import", "model", "model/model.safetensors"], ModelError, "is no language adapter"),
    ],
)
@pytest.mark.usefixtures("model")
def test_wrong_use_is_one_message(words: list[str], error: type[XretError], said: str) -> None:
    with pytest.raises(error, match=said):
        lang(*words)
    assert codes("model") == ["en", "fr", "de", "zh", "ar", "sw"]
    assert [path.name for path in Path().iterdir()] == ["model"]


def test_languages_of_another_kind_are_listed_too(model: Path) -> None:
    listed = json.loads(lang("list", "xret-static", "--json").stdout)["languages"]
    assert {"lang": "sw", "name": "Swahili", "kind": "languages of one table"} in listed
    (model / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="has no languages of its own"):
        lang("list", "model")
    for code in ("sw", "zh-Hant"):
        (model / "adapters" / code).mkdir(parents=True)
        (model / "adapters" / code / "adapter_config.json").write_text("{}")
    assert codes("model") == ["sw", "zh-Hant"]


def test_an_index_stays_good_unless_its_documents_went_through_the_removed_adapter(
    tmp_path: Path,
) -> None:
    model, index = tiny_word_model(tmp_path / "words"), tmp_path / "index"
    documents = [Document(str(n), f"samaki wana {n}", "sw") for n in range(4)]
    build(documents, index, load_encoder(str(model)))
    said = "stays good, unless documents in it went through the {} adapter"
    assert said.format("fr") in " ".join(lang("remove", str(model), "fr").stderr.split())
    with Searcher.open(index) as searcher:
        assert searcher.search("samaki", lang="sw", mode="dense")
    assert said.format("sw") in " ".join(lang("remove", str(model), "sw").stderr.split())
    with Searcher.open(index) as searcher, pytest.raises(XretError, match="sw"):
        searcher.search("samaki", lang="sw", mode="dense")
