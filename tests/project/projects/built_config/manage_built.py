"""A project whose own command builds Alembic's configuration."""

from pathlib import Path

from alembic.config import Config


def alembic_config() -> Config:
    """The configuration; there is no ini file anywhere."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "db" / "scripts"))
    config.set_main_option("version_locations", str(Path(__file__).parent / "db" / "revisions"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = "postgresql+psycopg://app:hunter22pw@db.invalid:5433/app"
    return config
