"""Requests drawn from the OpenAPI document: every reply is of a status, a type and a shape in it.

`XRET_FUZZ_EXAMPLES=30 pytest -s tests/server/test_fuzz.py` draws some thousands, tells the seed;
`XRET_FUZZ_SEED` draws those of another run again.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from encoders import HashingEncoder

from tests.server.conftest import build_index, serving
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.server.border.keyring import Keyring, new_key

pytest.importorskip("schemathesis")

EXAMPLES = int(os.environ.get("XRET_FUZZ_EXAMPLES", "2"))
SEED = int(os.environ.get("XRET_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method,"
    "allow_header_conformance"
)
# A search that asks for a millisecond may be told that it was not enough.
CONFIG = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "504"]\n'


KEYS: dict[str, dict[str, Any]] = {
    "admin": {"scopes": ["admin"]},
    "search": {"scopes": ["search"], "filter": "lang:en,sw", "indexes": ["demo"]},
    "embed": {"scopes": ["embed"]},
    "write": {"scopes": ["write"]},
    "all but admin": {"scopes": ["search", "embed", "write"]},
}
IN_SHORT = ("admin", "search")


@pytest.mark.parametrize(
    "scope", [pytest.param(k, marks=[] if k in IN_SHORT else pytest.mark.slow) for k in KEYS]
)
def test_no_request_has_an_answer_that_is_not_described(tmp_path: Path, scope: str) -> None:
    folder = build_index(tmp_path / "demo")
    keyring = Keyring(tmp_path / "keys.json")
    secret, key = new_key(**KEYS[scope])
    keyring.add(key)
    (tmp_path / "fuzz.toml").write_text(CONFIG, encoding="utf-8")
    many = EXAMPLES > 2
    # What a key may not do it is told before whether there is such a method.
    checks = CHECKS if scope == "admin" else CHECKS.replace("unsupported_method,", "")
    with (
        Searcher("demo", IndexReader.open(folder), HashingEncoder()) as searcher,
        serving(
            {"demo": searcher}, keys=str(keyring.path), tasks=str(tmp_path / "tasks")
        ) as running,
    ):
        words = [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(tmp_path / "fuzz.toml"), "run", f"{running.url}/openapi.json"),
            *("-H", f"X-API-Key: {secret}", "-n", str(EXAMPLES), "--seed", str(SEED)),
            *("--phases", "coverage,fuzzing" if many else "fuzzing", "--checks", checks),
            *("--continue-on-failure", "--no-color", "--warnings", "off"),
        ]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        ready = running.http.get("/readyz").status_code
    cases = re.search(r"(\d[\d,]*) generated", done.stdout)
    print(f"{scope}, seed {SEED}: {cases and cases[1]} cases")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cases and int(cases[1].replace(",", "")) >= 30
    assert ready == 200
