"""What revisions said before somebody edited them, as git has it, and whether the target was made by that.

Plain Alembic keeps no journal: that a file was edited after it was applied shows only in a schema that is no
revision's. The older text is run in place of the file's; where the history then leads to exactly what is here, the
target was made by it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import Catalog
from db_migrate.project.files import RevisionFile
from db_migrate.project.mirror import mirror
from db_migrate.repair.asked_git import git_blobs, git_text
from db_migrate.repair.finding import read_text
from db_migrate.repair.view import View
from db_migrate.schemas.history import replay, template_of
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import read

_MOST_TRIED = 16
"""So many older texts are run before we give up."""


@dataclass(frozen=True, slots=True)
class Older:
    """An earlier text of a ``file``: ``place`` is where git has it, ``edited_by`` the commit that changed it.

    Nothing in ``edited_by``: the edit is not committed, or came with a merge.
    """

    revision: str
    file: Path
    content: bytes
    place: str
    edited_by: str = ""


Unlike = Callable[[Catalog], Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Was:
    """The older ``texts`` that the target was made by, and the revision ``begun`` beyond them, which is half-done."""

    texts: tuple[Older, ...] = ()
    begun: str = ""


def as_it_was(
    view: View, unlike: Unlike, differences: Sequence[Change], beyond: Callable[[Sequence[Older]], str]
) -> Was:
    """The older texts with which the history at the recorded heads is exactly what is here; none where there are none.

    ``unlike`` tells how the target differs from a catalog; ``differences`` are those to the history as it is. Where one
    text is not enough, that which leaves least is kept and another is looked for. Where none makes it the same,
    ``beyond`` says of which revision the rest is half of.
    """
    chosen: tuple[Older, ...] = ()
    waiting = _likeliest_first(older_texts(view), differences)[:_MOST_TRIED]
    left, tries = len(differences), 0
    while waiting:
        best = None
        for each in waiting:
            tries += 1
            catalog = _made_with(view, (*chosen, each)) if tries <= _MOST_TRIED else None
            remaining = left if catalog is None else len(unlike(catalog))
            if remaining == 0:
                return Was((*chosen, each))
            if remaining < left:
                left, best = remaining, each
        if best is None:
            break
        chosen = (*chosen, best)
        waiting = [each for each in waiting if each.revision != best.revision]
    begun = beyond(chosen) if chosen else ""
    return Was(chosen, begun) if begun else Was()


def gone_after(view: View) -> list[str]:
    """The revisions that git had in the folders of revisions, right after the recorded ones; the latest first."""
    read = (read_text(blob.content) for blob in _blobs(view, view.reading.files))
    wanted = set(view.heads)
    found = (each for each in read if each is not None and each.revision not in view.graph.revisions)
    return list(dict.fromkeys(each.revision for each in found if wanted and set(each.down_revision) == wanted))


def older_texts(view: View) -> list[Older]:
    """What git has of the files of applied revisions that would run otherwise than they do now, the latest first."""
    done = view.graph.ancestors(*view.heads)
    files = {each.revision: each for each in view.reading.files if each.revision in done}
    meanings = {name: {_meaning(each.file.read_bytes())} for name, each in files.items()}
    found = []
    for blob in _blobs(view, files.values()):
        older = read_text(blob.content)
        now = files.get(older.revision) if older else None
        if older is None or now is None or _place_of(older) != _place_of(now):
            continue
        meaning = _meaning(blob.content)
        if meaning not in meanings[now.revision]:
            meanings[now.revision].add(meaning)
            place = f"git {blob.commit.split()[0]}: {blob.path}"
            found.append(Older(now.revision, now.file, blob.content, place, blob.replaced_by))
    return found


def _place_of(file: RevisionFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return file.down_revision, file.depends_on


def _meaning(content: bytes) -> str:
    """The code without what makes no difference: layout, comments, the docstring at its head."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    if tree.body and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        del tree.body[0]
    return ast.dump(tree)


@dataclass(slots=True)
class _Blob:
    """A file's content at ``path`` since ``commit``, until ``replaced_by`` (each: id, author, day: subject)."""

    name: str
    path: str
    commit: str
    replaced_by: str = ""
    content: bytes = b""


def _blobs(view: View, files: Iterable[RevisionFile]) -> Iterator[_Blob]:
    """The contents that git has in the folders of revisions and that are in no file there now, the latest first."""
    folder = view.project.script_location
    contents = [each.file.read_bytes() for each in files]
    now = {digest for content in contents for digest in _names(content)}
    blobs = [each for each in _logged(folder, view.project.version_locations) if each.name not in now]
    _load(folder, blobs)
    yield from (each for each in blobs if each.content)


def _names(content: bytes) -> tuple[str, str]:
    """What git calls a content, in a repository of either kind (git-hash-object(1))."""
    data = f"blob {len(content)}\0".encode() + content
    return hashlib.sha1(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()


def _logged(folder: Path, locations: Sequence[Path]) -> list[_Blob]:
    """Every Python file that git has had in some folders (git-log(1), "raw output format"; merges with ``-c``)."""
    places = [str(each.resolve()) for each in locations]
    form = ("--raw", "-c", "--no-abbrev", "--no-renames", "--format=%h %an, %as: %s")
    log = git_text(folder, "-c", "core.quotePath=false", "log", "--all", *form, "--", *places)
    found: dict[str, _Blob] = {}
    replaced: dict[str, str] = {}
    commit = ""
    for line in log.splitlines():
        if not line.startswith(":"):
            commit = line or commit
            continue
        fields, _, path = line.partition("\t")
        names = [each for each in fields.split() if len(each) in (40, 64) and each.strip("0")]
        deleted = fields.endswith("D")
        if not path.endswith(".py") or not names:
            continue
        before, after = (names, "") if deleted else (names[:-1], names[-1])
        replaced |= {each: commit for each in before if each != after}
        if after and after not in found:
            found[after] = _Blob(after, path, commit, replaced.get(after, ""))
    return list(found.values())


def _load(folder: Path, blobs: Sequence[_Blob]) -> None:
    """Fill in the contents."""
    for each, content in zip(blobs, git_blobs(folder, [each.name for each in blobs]), strict=True):
        each.content = content


def _likeliest_first(texts: list[Older], differences: Sequence[Change]) -> list[Older]:
    """First those that name, in what was edited, something that differs; it is only the order of trying."""
    names = {part for each in differences for part in each.object.replace('"', "").split(".") if part != "public"}
    lasts = {each.object.replace('"', "").rpartition(".")[2] for each in differences}

    def unlikely(older: Older) -> tuple[bool, int]:
        edited = _edited_words(older)
        return not lasts & edited, -len(names & edited)

    return sorted(texts, key=unlikely)


def _edited_words(older: Older) -> set[str]:
    """The words of the lines that only one of the two texts has."""
    now = set(older.file.read_text(encoding="utf-8", errors="replace").splitlines())
    before = set(older.content.decode(errors="replace").splitlines())
    text = "".join(each if each.isalnum() or each == "_" else " " for each in "\n".join(now ^ before))
    return set(text.split())


@contextmanager
def as_if(view: View, texts: Sequence[Older], more: Mapping[str, bytes]) -> Iterator[View]:
    """The target seen as if files had these texts, and there were ``more``; the child process then sees it so too."""
    with TemporaryDirectory(prefix="db-migrate-older-") as name:
        folder = Path(name)
        mirror(view.project.version_locations, folder, {each.file: each.content for each in texts})
        for file, content in more.items():
            (folder / file).write_bytes(content)
        with view.scratch.child.seeing(folder, instead=True):
            yield view.with_revisions(folder)


def _made_with(view: View, texts: Sequence[Older]) -> Catalog | None:
    """The history at the recorded heads, were these its texts; None where they do not run."""
    scratch, graph = view.scratch, view.graph
    edited = {each.revision for each in texts}
    same = {each for each in graph.ancestors(*view.heads) if not graph.ancestors(each) & edited}
    parents = {parent for each in same for parent in graph.parents(each)}
    begun = replay(scratch, graph, sorted(same - parents))
    with scratch.database("an older text", template=template_of(scratch, begun)) as database:
        with as_if(view, texts, {}):
            for head in view.heads:
                if scratch.migrate("upgrade", head, database, Witness()).failure is not None:
                    return None
        return view.plain(read(database))
