"""Sessions that say of a lost connection what a user needs to know, whoever notices it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lost import loss

T = TypeVar("T")


class Told(psycopg.Connection[tuple[object, ...]]):
    """A connection whose loss is an error of ours: handlers of what the server refuses do not take it for that."""

    conninfo: ConnInfo | None = None

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """As in psycopg, through which everything goes that waits for the server."""
        try:
            return super().wait(gen, *args, **kwargs)
        except psycopg.Error as error:
            if self.conninfo is None or not self.closed:
                raise
            raise loss(self.conninfo, error) from error
