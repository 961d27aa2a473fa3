"""The life of a migration told in Russian: nothing that a person reads is left in English."""

from __future__ import annotations

import re
from pathlib import Path

from tests.language.left import left_in_english

from .conftest import Project

MODELS = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    note: Mapped[str | None]
    born: Mapped[int | None] = mapped_column(index=True)
"""
FIRST = """
op.create_table(
    'accounts', sa.Column('id', sa.Integer, primary_key=True), sa.Column('kind', sa.String(10)),
    sa.Column('note', sa.Text),
)
op.execute("INSERT INTO accounts (kind, note) SELECT 'a', 'b' FROM generate_series(1, 20)")
"""
WRITTEN = re.compile(
    r"not null|= +none|\S+_\S+|--\S+"
    r"|^\s*(?:[A-Z]{4,} |\+ |#|@@|import|from|def |op\.|sa\.|\)|\"|')|`[^`]*`|\"[^\"]*\"|'[^']*'"
)
"""What is quoted: SQL, Python, a diff, names, flags."""


def told(project: Project, *words: str) -> str:
    """What a verb prints for a person, in Russian. Whatever it ends with, it is no mistake of ours."""
    ended = project.run("--lang", "ru", *words)
    text = ended.out + ended.err
    assert "internal" not in text
    left = [line for line in text.splitlines() if left_in_english(WRITTEN.sub("", line))]
    assert left == [], f"{' '.join(words)}: {left}"
    assert re.search("[а-я]{3}", text)
    return text


def test_a_migration_in_russian(project: Project, tmp_path: Path) -> None:
    """Each verb on the way there and back, with findings, kept data, a refusal and a broken state."""
    project.write("models.py", MODELS)
    project.revision("001", FIRST, "op.drop_table('accounts')")
    for verb in ("status", "history", "lint", "plan", "drift", "doctor", "apply", "verify", "schema", "config"):
        told(project, verb)
    told(project, "generate", "-m", "born")
    project.revision(
        "003", "op.drop_column('accounts', 'note')", "op.add_column('accounts', sa.Column('note', sa.Text))"
    )
    told(project, "plan")
    told(project, "apply")
    told(project, "apply", "--allow", "drop-column:public.accounts.note", "--confirm", project.database.dbname)
    told(project, "kept")
    told(project, "status")
    project.sql("INSERT INTO accounts (kind) VALUES ('c')")
    told(project, "rollback", "-1")
    told(project, "history", "--runs")
    project.sql("ALTER TABLE accounts ADD COLUMN extra int", "UPDATE alembic_version SET version_num = 'gone'")
    told(project, "drift")
    told(project, "doctor")
    told(project, "apply")
    told(project, "stamp", "heads")
    told(project, "explain", "drop-column")
    told(project, "explain", "ACCESS EXCLUSIVE")
    told(project, "test", "--all")
    told(project, "report", "--out", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert '<html lang="ru">' in page
    text = re.sub(r"<(script|style|code|pre|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    sentences = [each for each in re.findall(r">([^<>]+)<", text) if left_in_english(WRITTEN.sub("", each))]
    assert sentences == []
