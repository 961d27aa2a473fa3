"""Whether what running env.py looked at is still the same: one digest of the state of all of it.

Files of the user's are taken by their content; those of the interpreter and of installed packages, hundreds, by size
and times of change, which no program can set back (``st_ctime``, ``inode(7)``).
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

from db_migrate.project.jobs import Inputs

VOLATILE = frozenset(
    {
        *("_", "COLUMNS", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "HISTFILE", "LINES", "OLDPWD", "PS1", "PWD", "SHLVL"),
        *("SSH_AGENT_PID", "SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "TERM", "TERM_PROGRAM"),
        *("TERM_PROGRAM_VERSION", "TERM_SESSION_ID", "TMUX", "TMUX_PANE", "WAYLAND_DISPLAY", "WINDOWID", "STY"),
        *("XDG_SESSION_ID", "XDG_VTNR", "GPG_TTY", "GPG_AGENT_INFO", "PYTEST_CURRENT_TEST", "INVOCATION_ID"),
        "JOURNAL_STREAM",
    }
)
"""Variables that differ from one terminal to the next: left out where the whole environment was looked at."""

_NOT_THE_CALLERS = frozenset(
    {
        *("HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    }
)
"""Variables of which the child sees its own values (``surroundings``)."""

_ALWAYS = ("PG", "PYTHON", "LC_", "LD_")
_ALWAYS_NAMED = frozenset({"LANG", "LANGUAGE", "TZ"})
"""What libpq, the interpreter and the C library read without asking Python."""


def state_of(inputs: Inputs, environ: Mapping[str, str]) -> str:
    """A digest of everything that ``inputs`` names, as it is now. ``environ`` are the caller's variables."""
    digest = hashlib.sha256()
    for part in _parts(inputs, environ):
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def changed_since(inputs: Inputs, began: float) -> str | None:
    """A path that has changed since ``began`` (seconds since the epoch), or None.

    Its state now may not be the one that was looked at, so what was found out is of no use to anybody later. A clock
    tick of the file system's counts as the same time.
    """
    since = began - 0.02
    for path in (*inputs.files, *inputs.folders, *inputs.packages, *inputs.states, *inputs.search):
        if _changed(path) >= since:
            return path
    # Whether a folder is there is no other question after something was put into it.
    for path in (*inputs.kinds, *inputs.links):
        if _kind(path) != "folder" and _changed(path) >= since:
            return path
    return None


def _parts(inputs: Inputs, environ: Mapping[str, str]) -> Iterator[str]:
    names = frozenset(inputs.names)
    yield f"{sys.version} {sys.flags} {sys.executable}"
    yield from (f"file {path} {_content(path)}" for path in inputs.files)
    yield from (f"folder {path} {_listed(path)}" for path in inputs.folders)
    yield from (f"packages {path} {_packages(path)}" for path in inputs.packages)
    yield from (f"kind {path} {_kind(path)}" for path in inputs.kinds)
    yield from (f"state {path} {_state(path)}" for path in inputs.states)
    yield from (f"link {path} {_link(path)}" for path in inputs.links)
    yield from (f"search {path} {_modules(path, names)}" for path in inputs.search)
    yield from _variables(inputs, environ)
    if inputs.host:
        yield f"host {socket.gethostname()}"


def _variables(inputs: Inputs, environ: Mapping[str, str]) -> Iterator[str]:
    names = {*inputs.variables, *(n for n in environ if n.startswith(_ALWAYS) or n in _ALWAYS_NAMED)}
    if inputs.environment:  # whoever copies it reads each by name as well
        names = {*names, *environ} - VOLATILE
    for name in sorted(names - _NOT_THE_CALLERS):
        yield f"variable {name}={environ[name]}" if name in environ else f"variable {name}"


@cache
def _installed() -> tuple[str, ...]:
    """The folders of the standard library and of installed packages."""
    paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple({f"{folder}/" for path in paths for folder in (path, os.path.realpath(path))})


def is_installed(path: str) -> bool:
    """Whether a file belongs to the interpreter or to a package that was installed.

    Packages may be those of another environment beside this one: the system's, the user's, one that a ``.pth`` names.
    """
    return path.startswith(_installed()) or any(f"/{folder}/" in path for folder in ("site-packages", "dist-packages"))


_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*)", re.MULTILINE)
_DYNAMIC = (b"__import__", b"import_module", b"importlib", b"runpy", b"spec_from_file_location")


def is_self_contained(text: bytes) -> bool:
    """Whether code imports nothing but the standard library and installed packages, as far as its text tells.

    Said of too little code rather than of too much.
    """
    names = {name.strip().split(b".")[0].decode() for found in _IMPORT.findall(text) for name in found.split(b",")}
    return not any(word in text for word in _DYNAMIC) and all(map(_is_foreign, names))


@cache
def _is_foreign(name: str) -> bool:
    """Whether a top-level module is the interpreter's, or an installed package's."""
    if name in sys.stdlib_module_names or not name:
        return bool(name)  # an empty one is that of a relative import
    found = PathFinder.find_spec(name, [folder for folder in sys.path if is_installed(f"{folder}/")])
    return found is not None


@cache
def _path(path: str) -> Path:
    """Made once: a command looks at thousands of paths several times."""
    return Path(path)


def _content(path: str) -> str:
    if is_installed(path):
        return _state(path)
    file = _path(path)
    try:
        # A device or a pipe has no content that could be looked at again.
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else _kind(path)
    except OSError as error:
        return f"error {error.errno}"


def _state(path: str) -> str:
    try:
        found = _path(path).stat()
    except OSError:
        return "nothing"
    return f"{found.st_mode} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns if is_installed(path) else 0}"


def _kind(path: str) -> str:
    try:
        mode = _path(path).stat().st_mode
    except OSError:
        return "dangling" if _path(path).is_symlink() else "nothing"
    return "folder" if stat.S_ISDIR(mode) else f"{stat.S_IFMT(mode)} {stat.S_IMODE(mode)}"


def _link(path: str) -> str:
    try:
        return str(_path(path).readlink())
    except OSError:
        return _kind(path)


def _names(path: str) -> list[str]:
    """What is in a folder, without what Python puts there by itself."""
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.name != "__pycache__")


def _listed(path: str) -> str:
    try:
        return "/".join(_names(path))
    except OSError as error:
        return f"error {error.errno}"


def _packages(path: str) -> str:
    """The installed packages in a folder, whose names tell their versions."""
    suffixes = (".dist-info", ".egg-info", ".egg-link", ".egg", ".pth")
    try:
        return "/".join(name for name in _names(path) if name.endswith(suffixes))
    except OSError:
        return "nothing"


def _modules(path: str, names: frozenset[str]) -> str:
    """What of a folder, or archive, on the module search path could be taken for one of the modules."""
    if _path(path).is_file():
        return _state(path)
    try:
        found = _names(path)
    except OSError:
        return "nothing"
    suffixes = ("", *all_suffixes())
    return "/".join(each for each in found if _module_name(each, suffixes) in names)


def _module_name(file: str, suffixes: tuple[str, ...]) -> str:
    stem, dot, rest = file.partition(".")
    return stem if f"{dot}{rest}" in suffixes else ""


def _changed(path: str) -> float:
    """When a path last changed in any way; for one that is not there, when it can last have been removed."""
    for each in (path, path.rpartition("/")[0]):
        try:
            return 0.0 if each == tempfile.gettempdir() else _path(each).stat().st_ctime
        except OSError:
            continue
    return 0.0
