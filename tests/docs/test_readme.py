"""What the README shows can be typed, and what can be typed is in the README."""

import re
import subprocess
import sys
from pathlib import Path

import typer

from xret.cli import app
from xret.config import index_folder

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_no_placeholder_is_left() -> None:
    pages = [README, *(p.read_text(encoding="utf-8") for p in (ROOT / "docs").glob("*.md"))]
    assert not [found for page in pages for found in re.findall(r"@[A-Z]+@|TBD|\?\?\?", page)]


def test_every_command_is_documented() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in commands:
        assert f"xret {name}" in README, name


def test_every_documented_flag_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in re.findall(r"xret ([a-z]+(?: [a-z]+)?)(.*)", "\n".join(blocks("sh"))):
        words, rest = line[0].split(), line[1].partition("#")[0]
        command = commands[words[0]]
        command = getattr(command, "commands", {}).get(words[-1], command)
        known = {flag for param in command.params for flag in param.opts}
        assert set(re.findall(r" (--[a-z-]+)", rest)) <= known, line


def test_the_python_example_runs_as_printed(demo_folder: Path, tmp_path: Path) -> None:
    index_folder("demo").parent.mkdir(parents=True)
    index_folder("demo").symlink_to(demo_folder)
    for number, example in enumerate(blocks("python")):
        script = tmp_path / f"example{number}.py"
        script.write_text(example, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
