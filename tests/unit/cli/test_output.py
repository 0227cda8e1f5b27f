"""What a build without a terminal says on the way."""

from collections.abc import Iterator

import pytest

from xret.cli.output import show_progress
from xret.types import Progress


def test_a_line_every_30_s_tells_rate_and_time_left_of_its_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]

    def steps() -> Iterator[Progress]:
        for stage, done, at in [
            ("read", 0, 0.0),
            ("read", 10, 10.0),
            ("read", 40, 40.0),
            ("train", 500, 60.0),
            ("train", 500, 75.0),
            ("train", 600, 110.0),
        ]:
            now[0] = at
            yield Progress(stage, done, 100 if stage == "read" else 1000, "steps")

    show_progress(steps(), clock=lambda: now[0])
    assert capsys.readouterr().err.splitlines() == [
        "read: 40 of 100 steps, 1.0 steps/s, 60 s left",
        "train: 500 of 1,000 steps",
        "train: 600 of 1,000 steps, 2.0 steps/s, 200 s left",
    ]
