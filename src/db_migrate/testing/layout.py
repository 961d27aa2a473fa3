"""Where a project's modules and tests are: what an import means, which files are tests, which conftests they have."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from db_migrate.testing.code import Chain, Import
from db_migrate.testing.definitions import Module, read_module
from db_migrate.testing.options import PytestOptions, pytest_options

Symbol = tuple[Path, str]
"""A name of a module. The name ``*`` means all that the module offers."""

ALL = "*"
_NEVER = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


@dataclass(eq=False)
class Layout:
    """The modules of one project, read when they are first asked for.

    ``roots`` are the folders that absolute imports start from, besides those that pytest puts on the path itself.
    """

    root: Path
    roots: tuple[Path, ...]
    options: PytestOptions
    _modules: dict[Path, Module] = field(default_factory=dict, repr=False)
    _found: dict[tuple[Path, Chain], tuple[Symbol, ...]] = field(default_factory=dict, repr=False)
    _places: dict[tuple[str, Path, bool], Path | None] = field(default_factory=dict, repr=False)

    def module(self, file: Path) -> Module:
        """What the file holds; a folder without ``__init__.py`` holds nothing but its modules."""
        if file not in self._modules:
            self._modules[file] = Module(file) if file.is_dir() else read_module(file)
        return self._modules[file]

    def name_of(self, file: Path) -> str:
        """The file as it is called in reports and records: from the project's root, with slashes."""
        return file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else file.as_posix()

    def find(self, module: Import, importer: Path) -> Path | None:
        """The file (or the namespace package's folder) of what is imported; None for what is not the project's."""
        key = (module.module, module.base or importer.parent, module.base is None)
        if key not in self._places:
            # pytest's default import mode puts the folder above a test's package on the path
            bases = [module.base] if module.base is not None else [*self.roots, *self._above(importer)]
            places = (_locate(base, module.module) for base in bases)
            self._places[key] = next((place for place in places if place is not None), None)
        return self._places[key]

    def _above(self, importer: Path) -> Iterator[Path]:
        return (parent for parent in importer.parents if parent.is_relative_to(self.root))

    def submodule(self, package: Path, name: str) -> Path | None:
        """The module ``name`` of a package, or None."""
        if package.name == "__init__.py":
            return _locate(package.parent, name)
        return _locate(package, name) if package.is_dir() else None

    def resolve(self, file: Path, chain: Chain) -> tuple[Symbol, ...]:
        """What the chain means in the file's module: where it is defined, through re-exports and star imports."""
        key = (file, chain)
        if key not in self._found:
            self._found[key] = tuple(dict.fromkeys(self._named(file, chain, set())))
        return self._found[key]

    def follow(self, binding: Import, rest: Chain, importer: Path) -> tuple[Symbol, ...]:
        """What ``rest`` means, taken from the name that an import inside a function binds."""
        return tuple(dict.fromkeys(self._imported(binding, rest, importer, set())))

    def _named(self, file: Path, chain: Chain, seen: set[tuple[Path, Chain]]) -> Iterator[Symbol]:
        if (file, chain) in seen:
            return  # modules that import from each other
        seen.add((file, chain))
        module, name, rest = self.module(file), chain[0], chain[1:]
        found: list[Symbol] = [(file, name)] if name in module.definitions else []
        for binding in module.imports.get(name, ()):
            found += self._imported(binding, rest, file, seen)
        if not found and (inner := self.submodule(file, name)):
            found += self._within(inner, rest, seen)
        for star in () if found else module.stars:
            if target := self.find(star, file):
                found += self._named(target, chain, seen)
        if not found and "__getattr__" in module.definitions and not name.startswith("__"):
            found.append((file, ALL))
        yield from found

    def _imported(
        self, binding: Import, rest: Chain, importer: Path, seen: set[tuple[Path, Chain]]
    ) -> Iterator[Symbol]:
        target = self.find(binding, importer)
        if target is not None:
            yield from self._within(target, rest if binding.name is None else (binding.name, *rest), seen)

    def _within(self, module: Path, chain: Chain, seen: set[tuple[Path, Chain]]) -> Iterator[Symbol]:
        if chain:
            yield from self._named(module, chain, seen)
        else:
            yield (module, ALL)

    def runs(self, load: Import, importer: Path) -> Iterator[Path]:
        """The files that an import runs: the module, the packages around it, and a submodule taken from it."""
        target = self.find(load, importer)
        if target is None:
            return
        yield target
        if load.name is not None and (inner := self.submodule(target, load.name)):
            yield inner
        package = target.parent if target.name != "__init__.py" else target.parent.parent
        while package.is_relative_to(self.root) and (package / "__init__.py").is_file():
            yield package / "__init__.py"
            package = package.parent

    @cached_property
    def test_paths(self) -> tuple[Path, ...]:
        """Where the project's tests are: pytest's ``testpaths``, else ``tests`` or ``test``, else everywhere."""
        named = [path for each in self.options.testpaths for path in sorted(self.root.glob(each))]
        usual = [self.root / name for name in ("tests", "test") if (self.root / name).is_dir()]
        return tuple(named or usual or [self.root])

    def test_files(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """The files that pytest would collect tests from."""
        found: dict[Path, None] = {}
        for path in paths:
            found |= dict.fromkeys([path] if path.is_file() else self._tests_below(path))
        return tuple(found)

    def _tests_below(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if path.name not in _NEVER and not path.name.startswith(".") and not (path / "pyvenv.cfg").exists():
                    yield from self._tests_below(path)
            elif any(fnmatch.fnmatch(path.name, pattern) for pattern in self.options.python_files):
                yield path

    def conftests(self, test: Path) -> tuple[Path, ...]:
        """The conftest files that apply to a test file, nearest first, and the plugins that they name."""
        above = [parent / "conftest.py" for parent in test.parents if parent.is_relative_to(self.root)]
        files = [file for file in above if file.is_file()]
        for file in (test, *tuple(files)):
            for plugin in self.module(file).plugins:
                found = self.find(Import(plugin), file)
                if found is not None and found not in files:
                    files.append(found)
        return tuple(files)


def read_layout(root: Path, more_roots: Iterable[Path] = ()) -> Layout:
    """The layout of the project in ``root``; ``more_roots`` are folders known to be on its path."""
    root = root.resolve()
    options = pytest_options(root)
    roots = [*(root / each for each in options.pythonpath), root, root / "src", *more_roots]
    return Layout(root, tuple(dict.fromkeys(each.resolve() for each in roots)), options)


def _locate(base: Path, dotted: str) -> Path | None:
    path = base.joinpath(*dotted.split(".")) if dotted else base
    if dotted and (file := path.with_name(f"{path.name}.py")).is_file():
        return file
    if (package := path / "__init__.py").is_file():
        return package
    return path if path.is_dir() else None
