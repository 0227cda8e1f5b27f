"""The pages of the documentation and the blocks in them that can be typed."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}


@dataclass(frozen=True)
class Block:
    """A fenced block. A first line such as `# needs the network` says why it is not run."""

    page: str
    language: str
    text: str

    @property
    def not_run(self) -> str:
        first = self.text.partition("\n")[0]
        return first.lstrip("# ") if re.match("# (needs|takes|runs) ", first) else ""


def blocks(page: str, *languages: str) -> list[Block]:
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [Block(page, language, text) for language, text in fences if language in languages]
