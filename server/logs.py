"""What the server writes down: its own messages, and if wanted a line for each request."""

from __future__ import annotations

import datetime
import json
import logging
import sys
import time

from xret.server.settings import ServerSettings

__all__ = ["QuietLog", "set_up_logs"]

TEXT = "%(asctime)s %(levelname)s %(message)s"
QUIET_S = 10.0


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (ISO 8601, UTC), level, message, and of a request its
    method, route, status, took_ms and request_id."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {"time": moment.isoformat(timespec="milliseconds"), "level": record.levelname}
        line |= getattr(record, "request", None) or {"message": record.getMessage()}
        return json.dumps(line, ensure_ascii=False)


class QuietLog(logging.Filter):
    """Lets a message of one place in the code through once in `QUIET_S` seconds.

    What happens again and again, as when no file can be opened any more, would fill the disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now - self._last.get(place, -QUIET_S) < QUIET_S:
            return False
        self._last[place] = now
        return True


def set_up_logs(settings: ServerSettings) -> None:
    """Send the messages of the server, and of what it runs on, to standard error."""
    plain = logging.StreamHandler(sys.stderr)
    formatter = JsonLines() if settings.access_log == "json" else logging.Formatter(TEXT)
    plain.setFormatter(formatter)
    own = logging.getLogger("xret.server")
    own.setLevel(settings.log_level.upper())
    for logger in (own, logging.getLogger("asyncio"), logging.getLogger("uvicorn")):
        logger.handlers, logger.propagate = [plain], False
    for noisy in ("asyncio", "uvicorn.error"):
        logging.getLogger(noisy).addFilter(QuietLog())
    access = logging.getLogger("xret.server.access")
    access.setLevel("INFO" if settings.access_log != "off" else "ERROR")
    access.propagate = True
