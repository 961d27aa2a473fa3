"""Where the service finds its database."""

import os

DEFAULT_DATABASE_URL = "postgresql+psycopg://localhost/mesh"


def database_url() -> str:
    """The SQLAlchemy URL in DATABASE_URL; read at each call, so that importing the service needs no database."""
    return os.environ.get("DATABASE_URL", DEFAULT_DATABASE_URL)
