"""Lines of files: one reader, whatever they are packed in and whatever is wrong with them."""

import ast
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from xret.errors import CorpusError
from xret.retriever.corpora.lines import MAX_LINE_BYTES, BadLine, checked_lines, read_cells
from xret.retriever.corpora.lines import read_lines as lines_of

ROOT = Path(__file__).resolve().parents[3]
CONTENT = "\ufeffone\r\n\ntwo\tधन\u2028\x0b still two\nthree".encode()
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", PACKED)
def test_plain_and_compressed_lines_are_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKED[ending](CONTENT))
    expected = [(1, "one"), (2, ""), (3, "two\tधन\u2028\x0b still two"), (4, "three")]
    assert list(lines_of(path)) == expected


@pytest.mark.parametrize("ending", PACKED)
def test_what_is_wrong_comes_with_file_and_line(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKED[ending](b"good\n\xff\n" + b"x" * (MAX_LINE_BYTES + 5) + b"\nlast\n"))
    bad = dict(checked_lines(path))
    assert bad[1] == "good" and bad[4] == "last" and len(bad) == 4
    assert isinstance(bad[2], BadLine) and "not UTF-8 at byte 0; " in bad[2].reason
    assert isinstance(bad[3], BadLine) and "longer than 16,777,216 bytes" in bad[3].reason
    with pytest.raises(CorpusError, match=f"^{path}:2: not UTF-8"):
        list(lines_of(path))


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_cut_archive_is_told_with_the_line_it_was_read_to(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKED[ending](CONTENT)[:-6])
    with pytest.raises(CorpusError, match=rf"^{path}:\d+: the file is cut or damaged: .*again$"):
        list(lines_of(path))


def test_cells_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("fr\twater\teau\nfr\twater\n")
    cells = read_cells(path, "lang", "english", "translation")
    assert next(cells) == (1, ["fr", "water", "eau"])
    with pytest.raises(CorpusError, match=r"a.tsv:2: lang<TAB>english<TAB>translation was exp"):
        next(cells)


def test_no_other_module_opens_archives_or_reads_lines() -> None:
    """Compressed files leave decompress.py through lines.py alone."""
    uses: dict[str, set[str]] = {name: set() for name in ("gzip", "zstandard", "readline")}
    opened = set()
    for part in ("xret", "retriever", "index", "server", "eval"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr == "readline":
                    uses["readline"].add(path.name)
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        uses.get(alias.name, set()).add(path.name)
                if isinstance(node, ast.ImportFrom) and node.module in uses:
                    uses[node.module].add(path.name)
                if isinstance(node, ast.Constant) and node.value == "zstandard":
                    uses["zstandard"].add(path.name)
                if isinstance(node, ast.Name) and node.id == "open_decompressed":
                    opened.add(path.name)
    assert uses == {
        "gzip": {"decompress.py"},
        "zstandard": {"decompress.py"},
        "readline": {"lines.py"},
    }
    assert opened == {"lines.py"}
