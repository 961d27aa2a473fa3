"""Sessions for the service: the engine is made at the first request, not at import."""

from collections.abc import Iterator
from functools import cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from src.settings import database_url


@cache
def engine_for(url: str) -> Engine:
    """One engine, with its pool, for each URL."""
    return create_engine(url)


def get_session() -> Iterator[Session]:
    """A session for one request: committed when the request succeeds, rolled back when it raises."""
    with Session(engine_for(database_url())) as session, session.begin():
        yield session
