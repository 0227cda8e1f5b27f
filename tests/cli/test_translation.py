"""Translation tables as typed: trained, indexed by, asked."""

import json
from pathlib import Path

from command_line import Xret
from tiny_translation import write_parallel


def test_a_trained_table_makes_an_index_that_answers_across_languages(
    xret: Xret, tmp_path: Path
) -> None:
    write_parallel(tmp_path / "data")
    done = xret("train", "translation-table", "--data", "data", "--output", "table", "--lang", "de")
    assert done.returncode == 0, done.stderr
    assert "trained: table" in done.stderr and (tmp_path / "table" / "README.md").is_file()
    lines = [{"_id": "a", "text": "der Hund", "lang": "de"}, {"_id": "b", "text": "das Haus"}]
    text = "".join(json.dumps(line | {"lang": "de"}) + "\n" for line in lines)
    (tmp_path / "corpus.jsonl").write_text(text, encoding="utf-8")
    indexed = ("index", "--corpus", "corpus.jsonl", "--encoder", "bm25", "--output", "index")
    assert xret(*indexed, "--psq", "table").returncode == 0
    done = xret("search", "index", "where is the house", "--lang", "en", "--json")
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == ["b"]
    done = xret("search", "index", "Haus", "--lang", "de", "--json")
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == ["b"]
    done = xret(*indexed, "--psq", "nowhere")
    assert done.returncode == 2 and "no translation table 'nowhere'" in done.stderr
