"""The `sh` and `python` blocks of the documentation run as they are printed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pages import PAGES, blocks

NOT_RUN = ("needs the network", "needs a GPU", "needs the server", "takes minutes", "runs until")
"""How the first line of a block begins that this machine cannot or should not run."""

EXAMPLES = {name: blocks(name, "sh", "python") for name in PAGES}
TYPED_IN_THE_CHECKOUT = "CONTRIBUTING.md"
RUN = {
    name: [b for b in shown if not b.not_run and ".venv/bin" not in b.text]
    for name, shown in EXAMPLES.items()
    if name != TYPED_IN_THE_CHECKOUT
}


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name, shown in RUN.items() if shown])
def test_the_examples_of_a_page_run_in_order(
    page: str, example_folder: Path, example_environment: dict[str, str]
) -> None:
    shell = shutil.which("bash")
    assert shell, "the examples are written for bash"
    for block in RUN[page]:
        program = [shell, "-eu", "-c"] if block.language == "sh" else ["python", "-c"]
        done = subprocess.run(
            [*program, block.text],
            capture_output=True,
            text=True,
            cwd=example_folder,
            env=example_environment,
            timeout=300,
        )
        assert done.returncode == 0, f"{page}:\n{block.text}\n{done.stderr}"


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = {block.not_run for shown in EXAMPLES.values() for block in shown} - {""}
    assert all(reason.startswith(NOT_RUN) for reason in reasons), reasons
