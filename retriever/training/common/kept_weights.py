"""How many weights a mask changes, as it is typed: a share or a number."""

from __future__ import annotations

from xret.errors import ConfigError

__all__ = ["kept_weights"]


def kept_weights(spelling: str) -> int | float:
    """5% as 0.05, a number as it is. Raises ConfigError.

    >>> kept_weights("5%"), kept_weights("2000")
    (0.05, 2000)
    """
    try:
        if spelling.endswith("%"):
            share = float(spelling[:-1]) / 100
            if 0 < share <= 1:
                return share
        elif int(spelling) > 0:
            return int(spelling)
    except ValueError:
        pass
    raise ConfigError(
        f"--keep {spelling}: a share from above 0% to 100%, such as 5%, or a number of weights"
    )
