"""Logs are JSON lines on standard error: structlog's own, and what libraries say."""

import logging
import sys
from typing import Any, TextIO, cast

import structlog

from safeconduct.cli.log_lines import Lines


def configure(level: str) -> Lines:
    """One stream, one format, one threshold for everything that logs in this process."""
    lines = Lines(sys.stderr.fileno())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", lines)),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for chatty in ("alembic", "asyncio", "mail.log"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    return lines


class _Handler(logging.StreamHandler[Lines]):
    """`logging.shutdown` closes it at the end of the process."""

    def close(self) -> None:
        self.stream.close()
        super().close()
