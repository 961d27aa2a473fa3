"""The verb that compares: sides made only when nothing that is kept says what their comparison would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from db_migrate.config.writing import NEW_FILE, acknowledge
from db_migrate.errors import UsageError
from db_migrate.results import Comparison, Drift
from db_migrate.schemas.acknowledge import about_nothing, acknowledging, sort_out, unmatched
from db_migrate.schemas.compare import not_compared
from db_migrate.schemas.derived import keep_derived, recall_derived
from db_migrate.schemas.history import digest_of, following_models
from db_migrate.schemas.live_catalog import state_of_live
from db_migrate.schemas.meanwhile import meanwhile
from db_migrate.workspace.parts import Parts


class Compared(msgspec.Struct, frozen=True):
    """What comparing found, as it lies in the cache."""

    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]


def _with_revisions_apart(comparison: Comparison) -> Comparison:
    side, _, revisions = comparison.from_.partition("@")
    return replace(comparison, from_=side, at=tuple(revisions.split(","))) if revisions else comparison


class Comparing(Parts):
    """Compares, and writes down which of the differences are intended."""

    def drift(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        privileges: bool = False,
        cache: bool = True,
    ) -> Drift:
        """The sides compared: the two that are named, or history→models, history→live and models→live.

        ``privileges`` adds grants and default privileges; without ``cache`` every side is made anew.
        """
        if cache != self._cached:
            self._cached = cache
            self._forget("_first_scratch", "scratch", "target")
            self._forget_sides()
        if privileges != self._privileges:
            self._privileges = privileges
            self._forget_sides()
        if (from_ is None) != (to is None):
            raise UsageError(
                "drift.side", "--from and --to go together", next=["db-migrate drift --from history --to live"]
            )
        found = self._known_or_compared((from_, to) if from_ and to else None)
        return Drift(target=self.live_state.summary, comparisons=found.comparisons, warnings=found.warnings)

    def accept(self, drift: Drift, reason: str) -> Drift:
        """Write down in the settings file that what is drift is intended, and why; the drift without that.

        Raises ``ConfigurationError`` (``settings.unwritable``).
        """
        new = acknowledging(drift.comparisons, reason, strict=self.settings.strict)
        if new:
            acknowledge(self.settings.file or self.settings.root / NEW_FILE, new)
        return replace(drift, comparisons=tuple(sort_out(each, new) for each in drift.comparisons))

    def _known_or_compared(self, pair: tuple[str, str] | None) -> Compared:
        """What comparing found when everything was as it is now; else what it finds.

        That depends on what the project's code told (see ``keep_derived``), on the live schema, and on what is named
        here. While somebody changes the live schema nothing is kept.
        """
        known = None if self.scratch.anew or self._live_name is None else self._recalled(pair)
        if known is not None:
            return known
        pairs = [pair] if pair else self._all_pairs()
        self._ask_all_of(pairs)
        same: list[bool] = []
        with meanwhile(lambda: same.append(self._is_as_it_was())):
            found = self._compared(pairs, named=pair is not None)
        if all(same):
            keep_derived(self.scratch, self._question(pair), found)
        return found

    def _ask_all_of(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make the sides, and so read all that is needed of live; the models first, beside which live is read."""
        names = {name for each in pairs for name in each} | {"live"}
        for name in sorted(names, key=lambda name: (name != "models", name)):
            self._side(name)

    def _is_as_it_was(self) -> bool:
        """Whether the live schema is the one that was read, as far as anybody can tell."""
        return self._live_name is not None and state_of_live(self.target) == self._live_name

    def _recalled(self, pair: tuple[str, str] | None) -> Compared | None:
        return recall_derived(self.scratch, self._question(pair), Compared)

    def _question(self, pair: tuple[str, str] | None) -> str:
        drift = self.settings.drift
        parts = (pair, self._privileges, self._live_name, self.live_state, self.scratch.version, digest_of(self.graph))
        return f"drift {(*parts, drift.acknowledge, self.settings.exclude_schemas)}"

    def _compared(self, pairs: Sequence[tuple[str, str]], *, named: bool) -> Compared:
        comparisons = tuple(self._compare(a, b) for a, b in pairs)
        if not named:
            comparisons = tuple(map(_with_revisions_apart, comparisons))
        without = (
            [] if named or len(pairs) > 1 else ["env.py gives Alembic no target_metadata, so no models are compared"]
        )
        warnings = [
            *without,
            *not_compared(self._side(name).catalog for name in sorted({name for pair in pairs for name in pair})),
        ]
        sides = [{side.partition("@")[0] for side in pair} for pair in pairs]
        if {"history", "models"} in sides and (following := following_models(self.graph)):
            warnings.append(
                f"create_all in {', '.join(following)}: the history follows the models, so what no revision makes yet "
                "is missing between history and live, and not between history and models"
            )
        if self.live_state.unreadable and not named:
            unread = ", ".join(self.live_state.unreadable)
            warnings.append(f"{unread} may not be read, so live is held against the history at its heads")
        if not named:
            warnings += about_nothing(unmatched(comparisons, self.settings.drift.acknowledge))
        return Compared(comparisons, tuple(warnings))

    def _all_pairs(self) -> list[tuple[str, str]]:
        """The pairs that are compared when none is named; those with models only where the project has any."""
        history = (self._live_history(), "live")
        self._history_on_the_way()
        self._side("history")  # the ground that the models are made on
        return [("history", "models"), history, ("models", "live")] if self._has_models else [history]

    def _forget_sides(self) -> None:
        self._forget_live()
        self._forget("_models", "_histories")
