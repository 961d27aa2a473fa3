"""Notes what running env.py and importing the models looks at, so that the parent can tell when to do it again.

Files, folders and imports raise audit events (``sys.addaudithook``; the standard library's "Audit events table").
Asking for a file's state, a symbolic link or an environment variable raises none, so those functions are wrapped.
What C code reads by itself is not seen. What cannot be looked at again (a connection, a program's output) is noted
as a reason not to keep anything.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from db_migrate.project import jobs
from db_migrate.project.child import places
from db_migrate.project.child.redirect import redirect

_BY_IMPORT = "<frozen importlib._bootstrap_external>"
_PACKAGE = str(Path(__file__).parents[2])
_BY_METADATA = ("importlib/metadata/", "importlib_metadata/")
_MAPPINGS = ("<frozen _collections_abc>", "<frozen os>", __file__)
_KIND_ONLY = frozenset(
    {
        *("exists", "lexists", "isfile", "isdir", "islink", "ismount", "realpath", "_joinrealpath", "resolve"),
        *("is_file", "is_dir", "is_symlink", "is_mount", "samefile", "which", "_access_check"),
    }
)
"""Functions of the standard library that ask for a file's state and tell only whether and what it is."""


@dataclass(slots=True, eq=False)
class Seen:
    """What was looked at, in the order in which it was first. The fields are those of ``jobs.Inputs``."""

    files: dict[str, None] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)
    packages: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, None] = field(default_factory=dict)
    states: dict[str, None] = field(default_factory=dict)
    links: dict[str, None] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    variables: dict[str, None] = field(default_factory=dict)
    environment: bool = False
    host: bool = False
    reasons: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Notes:
    """What was looked at so far: by all, and by the revisions themselves.

    ``own`` is a folder of this process alone, which says nothing to anybody else.
    """

    own: str
    everything: Seen = field(default_factory=Seen)
    revisions: Seen = field(default_factory=Seen)
    open: list[Seen] = field(default_factory=list)

    def add(self, into: str, value: str) -> None:
        """Note a value in the field ``into``."""
        for seen in self.open:
            getattr(seen, into)[value] = None

    def add_path(self, into: str, path: object) -> None:
        """Note a path; what is about an open file, and no path, was noted when that was opened."""
        if not isinstance(path, str | bytes | os.PathLike):
            return
        text = os.fsdecode(path)
        full = text if text.startswith("/") else f"{Path.cwd()}/{text}"
        if full.startswith(("/proc/self/", f"/proc/{os.getpid()}/")):
            self.refuse(f"reads {full}")
        self.add(into, full)

    def mark(self, what: str) -> None:
        """Note that the whole ``environment`` or the ``host`` was looked at."""
        for seen in self.open:
            setattr(seen, what, True)

    def refuse(self, what: str) -> None:
        """Note that running this again could have another result that no input tells of."""
        file, line = places.caller()
        self.add("reasons", f"{file}:{line} {what}" if file else what)

    @contextmanager
    def by_revisions(self) -> Iterator[None]:
        """Inside, what is looked at is looked at by the revisions: while they are loaded and while they run."""
        if self.revisions in self.open or not self.open:
            yield
            return
        self.open.append(self.revisions)
        try:
            yield
        finally:
            self.open.remove(self.revisions)


notes = Notes("")
"""This process's."""


def watch() -> None:
    """Note everything from now on."""
    notes.own = str(Path(os.environ["HOME"]).parent)
    notes.open[:] = [notes.everything]
    if type(os.environ) is not _Environ:
        _install()


def pause() -> tuple[str, ...]:
    """Note nothing until ``watch`` is called again, here or in a fork. Returns the variables looked at so far."""
    notes.open.clear()
    return tuple(notes.everything.variables)


def _install() -> None:
    """Put what notes in its places, from where it cannot be taken away again."""
    for environ in (os.environ, os.environb):
        object.__setattr__(environ, "__class__", _Environ)
    for name, into in (("stat", None), ("lstat", None), ("access", "kinds"), ("readlink", "links")):
        _wrap(name, into)
    sys.addaudithook(_hook)


def report(*, revisions: bool = False) -> jobs.Inputs:
    """Everything noted so far, with what the modules that are loaded were loaded from; or only the revisions' part."""
    seen = notes.revisions if revisions else notes.everything
    modules = list(sys.modules.values())
    origins = () if revisions else _origins(modules)
    loaded = () if revisions else (name.rpartition(".")[2] for name in list(sys.modules))
    return jobs.Inputs(
        files=_shared({**seen.files, **dict.fromkeys(origins)}),
        folders=_shared(seen.folders),
        packages=_shared(seen.packages),
        kinds=_shared(seen.kinds),
        states=_shared(seen.states),
        links=_shared(seen.links),
        search=_shared(dict.fromkeys(_searched(modules))),
        names=tuple(sorted({**seen.names, **dict.fromkeys(loaded)})),
        variables=tuple(sorted(seen.variables)),
        environment=seen.environment,
        host=seen.host,
        reasons=tuple(seen.reasons),
    )


def _shared(paths: dict[str, None]) -> tuple[str, ...]:
    """The paths without those in this process's own folder, unless they lead out of it (``~/.pgpass``)."""
    looked_at = list(paths)  # following a path is a look too, and noted
    outside = (os.path.realpath(path) if path.startswith(notes.own) else path for path in looked_at)
    return tuple(sorted({path for path in outside if not path.startswith(notes.own)}))


def _origins(modules: list[ModuleType]) -> Iterator[str]:
    for module in modules:
        spec = getattr(module, "__spec__", None)
        origin = spec.origin if spec is not None and spec.has_location else getattr(module, "__file__", None)
        if isinstance(origin, str) and origin.startswith("/"):
            yield origin


def _searched(modules: list[ModuleType]) -> Iterator[str]:
    """The folders in which an import looks for modules."""
    yield from (str(Path(path).absolute()) for path in sys.path if path)
    for module in modules:
        path = getattr(module, "__path__", None) if isinstance(module, ModuleType) else None
        if path is not None:
            yield from (folder for folder in path if isinstance(folder, str) and folder.startswith("/"))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called for every audit event of the process, so it is brief."""
    react = _REACTIONS.get(event)
    if react is not None:
        react(arguments)


def _opened(arguments: tuple[Any, ...]) -> None:
    path, _mode, flags = arguments
    if flags & os.O_ACCMODE == os.O_WRONLY or flags & os.O_TRUNC:
        return
    if isinstance(path, str) and path.endswith(".pyc") and sys._getframe(2).f_code.co_filename == _BY_IMPORT:
        path = _source_of(path)
    notes.add_path("files", path)


def _source_of(compiled: str) -> str:
    try:
        return importlib.util.source_from_cache(compiled)
    except ValueError:
        return compiled  # a module without a source


def _listed(arguments: tuple[Any, ...]) -> None:
    # Where an import looks for modules is known from where it may look: its own listings say too much.
    caller = sys._getframe(2).f_code.co_filename
    if caller != _BY_IMPORT:
        into = "packages" if _looks_for_packages(caller) else "folders"
        notes.add_path(into, "." if arguments[0] is None else arguments[0])


def _looks_for_packages(filename: str) -> bool:
    """Whether code of that file lists folders only to find the packages that are installed there."""
    return any(part in filename for part in _BY_METADATA)


def _imported(arguments: tuple[Any, ...]) -> None:
    notes.add("names", str(arguments[0]).rpartition(".")[2])


def _opened_sqlite(arguments: tuple[Any, ...]) -> None:
    notes.add_path("files", arguments[0])


def _connected(arguments: tuple[Any, ...]) -> None:
    sock, address = arguments
    database = redirect.database or {}
    if sock.family == socket.AF_UNIX and address == f"{database.get('host')}/.s.PGSQL.{database.get('port', '5432')}":
        return
    notes.refuse("opens a connection")


def _asked_for_host(_arguments: tuple[Any, ...]) -> None:
    notes.mark("host")


def _refuses(what: str) -> Callable[[tuple[Any, ...]], None]:
    return lambda _arguments: notes.refuse(what)


_REACTIONS: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "import": _imported,
    "sqlite3.connect": _opened_sqlite,
    "socket.connect": _connected,
    "socket.gethostname": _asked_for_host,
    **dict.fromkeys(
        ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"),
        _refuses("opens a connection"),
    ),
    **dict.fromkeys(
        ("subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec", "os.fork", "os.forkpty"),
        _refuses("starts a process"),
    ),
}


def _wrap(name: str, into: str | None) -> None:
    """Put a function of ``os`` behind one that notes its path; ``into`` None: as states, or as kinds."""
    plain = getattr(os, name)

    @wraps(plain)
    def noting(path: Any, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if kwargs.get("dir_fd") is None and not _looks_for_packages(frame.f_code.co_filename):
            notes.add_path(_states_or_kinds(frame) if into is None else into, path)
        return plain(path, *args, **kwargs)

    for capable in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
        if plain in capable:
            capable.add(noting)
    setattr(os, name, noting)


def _states_or_kinds(frame: FrameType | None) -> str:
    for _ in range(2):
        if frame is not None and frame.f_code.co_name in _KIND_ONLY:
            return "kinds"
        frame = frame.f_back if frame is not None else None
    return "states"


class _Environ(os._Environ[Any]):
    """The environment variables, with a note of each that is asked for; the class of ``os.environ`` once watched."""

    def __getitem__(self, key: Any) -> Any:
        if not _by_ourselves():
            notes.add("variables", os.fsdecode(key) if isinstance(key, str | bytes) else str(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        if not _by_ourselves():
            notes.mark("environment")
        return super().__iter__()

    def __len__(self) -> int:
        if not _by_ourselves():
            notes.mark("environment")
        return super().__len__()

    def __repr__(self) -> str:
        notes.mark("environment")
        return super().__repr__()


def _by_ourselves() -> bool:
    """Whether it is our own code that looks at variables: only at libpq's, which always count."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in _MAPPINGS:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_PACKAGE)
