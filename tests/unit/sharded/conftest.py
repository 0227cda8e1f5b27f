"""One index, and the same documents in parts."""

from pathlib import Path

import pytest
from encoders import HashingEncoder
from sharded_indices import make_parts


@pytest.fixture(scope="session")
def hashed_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_parts(tmp_path_factory.mktemp("hashed"), HashingEncoder())
