"""`xret doctor`: what the installation runs on, found without loading any of it."""

import json
import subprocess
import sys
from importlib import metadata

import pytest
from command_line import Xret

from xret.index.scoring.kernel_path import kernel_path
from xret.retriever import installation


def test_doctor_tells_versions_and_the_kernel_path(xret: Xret) -> None:
    done = xret("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["xret"] == metadata.version("xret")
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["kernel"]["path"] == kernel_path()
    assert found["processor"]["threads"] >= 1
    assert {"gpu", "lucene", "train"} <= set(found["extras"])


def test_doctor_says_why_no_faster_path_is_used(xret: Xret) -> None:
    done = xret("doctor", XRET_KERNEL="numpy")
    assert done.returncode == 0
    assert "kernels\tnumpy (XRET_KERNEL)" in done.stdout
    assert "not portable\t" in done.stdout


def test_a_kernel_path_that_is_none_is_a_problem_not_a_crash(xret: Xret) -> None:
    done = xret("doctor", "--json", XRET_KERNEL="mmx")
    assert done.returncode == 0
    assert "it can be amx" in json.loads(done.stdout)["problems"][0]


def test_both_kinds_of_faiss_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_version", lambda _: "1.15.1")
    assert any("share one module" in problem for problem in installation.examine()["problems"])


def test_a_package_that_is_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "datasets":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert "datasets" in installation.examine()["extras"]["train"]


def test_doctor_loads_no_heavy_library() -> None:
    program = (
        "import sys\nfrom xret.retriever.installation import examine\nexamine()\n"
        "print(sorted({'torch', 'faiss', 'transformers', 'onnxruntime'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
