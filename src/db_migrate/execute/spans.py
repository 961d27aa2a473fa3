"""A run as OpenTelemetry spans: one for the run, one for each revision, one for each time that a statement is tried.

They say what a statement is and which relation it is about, never its text: that may hold rows, as what the server
says of an error may. Nothing is imported unless the process has OpenTelemetry set up already, as a program that uses
this library may, or ``OTEL_TRACES_EXPORTER`` names exporters; then the SDK is set up by its own variables
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from db_migrate import __version__
from db_migrate.errors import DbMigrateError
from db_migrate.execute.progress import Observer, ProgressEvent, ProgressKind
from db_migrate.postgres.redact import redact
from db_migrate.results import Plan, PlannedRevision, RunResult

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

EXPORTER = "OTEL_TRACES_EXPORTER"
PARENT = "TRACEPARENT"
"""The variable in which a CI job hands on the span that it is (OpenTelemetry's "Environment Variables as Context")."""

_LEADING = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?P<first>[a-z]+)"
    r"(?:\s+(?:or\s+replace\s+|unique\s+|unlogged\s+|materialized\s+)*(?P<second>[a-z]+))?",
    re.IGNORECASE | re.DOTALL,
)
_OF_OBJECTS = frozenset({"CREATE", "ALTER", "DROP", "COMMENT"})

_REVISION, _STATEMENT = 1, 2
"""How many spans are open around one of these."""

_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_UNNAMED = "unknown_service"

Value = str | int | float | bool


@contextlib.contextmanager
def spanned(plan: Plan, verb: str, target: str, observer: Observer) -> Iterator[Spans]:
    """The spans of one run, as a child of ``TRACEPARENT`` where that is set; what it raises is in the run's span."""
    tracer, warning = _tracer()
    spans = Spans(plan, observer, tracer, warning)
    spans.begin({"db_migrate.verb": verb, "db_migrate.target": target, "db_migrate.plan": plan.hash})
    try:
        yield spans
    except DbMigrateError as error:
        spans.fail(error.code)
        raise
    except BaseException as error:
        spans.fail(type(error).__qualname__)
        raise
    finally:
        spans.end_all()


@dataclass(slots=True)
class Spans:
    """The open spans of a run, one within the other; without a tracer nothing but the observer is told."""

    plan: Plan
    observer: Observer
    tracer: Tracer | None = None
    warning: str = ""
    _open: list[Span] = field(default_factory=list)
    _revision: str = ""
    _waited_for: frozenset[int | None] = frozenset()

    def happened(self, event: ProgressEvent) -> None:
        """Hand on an event, and let it begin or end spans."""
        self.observer(event)
        if self._open:
            self._note(event)

    def ended(self, result: RunResult) -> RunResult:
        """The run has come to this; returns it, with the warning that there are no spans though they are wanted."""
        if self._open:
            about: dict[str, Value] = {
                "db_migrate.run": result.run,
                "db_migrate.state": result.state,
                "db_migrate.exit_code": result.exit_code,
                "db_migrate.to": ",".join(result.to),
            }
            self._open[0].set_attributes(about)
        if result.error is not None:
            self.fail(result.error.code)
        return replace(result, warnings=(*result.warnings, self.warning)) if self.warning else result

    def begin(self, about: Mapping[str, Value]) -> None:
        """Begin the span of the run."""
        target = self.plan.target
        database = {"db.namespace": target.database} if target else {}
        self._start(f"db-migrate {about['db_migrate.verb']}", {**database, **about})

    def fail(self, code: str) -> None:
        """What is open did not come to its end, for this reason."""
        for span in self._open:
            _failed(span, code)

    def end_all(self) -> None:
        """End what is still open, the innermost first."""
        self._end(0)

    def _note(self, event: ProgressEvent) -> None:
        match event.event:
            case ProgressKind.STEP_STARTED:
                self._begin_statement(event)
            case ProgressKind.STEP_FINISHED if len(self._open) > _STATEMENT:
                if event.message:
                    _failed(self._open[_STATEMENT], event.message)
                self._open[_STATEMENT].set_attribute("db_migrate.attempt", event.attempt)
                self._end(_STATEMENT)
            case ProgressKind.REVISION_FINISHED:
                self._end(_REVISION)
                self._revision = ""
            case ProgressKind.LOCK_WAIT:
                self._wait(event)
            case ProgressKind.RETRY:
                self._open[-1].add_event("retry", {"attempt": event.attempt, "pause_seconds": event.seconds})

    def _begin_statement(self, event: ProgressEvent) -> None:
        if event.revision != self._revision:
            self._end(_REVISION)
            self._revision = event.revision
            planned = self._planned(event.revision)
            direction = planned.direction if planned else ""
            self._start(event.revision, {"db_migrate.revision": event.revision, "db_migrate.direction": direction})
        self._end(_STATEMENT)
        operation, relation = operation_of(event.sql), self._relation(event)
        about: dict[str, Value] = {"db.operation.name": operation, "db_migrate.statement": event.statement or 0}
        if relation:
            about["db.collection.name"] = relation
        self._start(f"{operation} {relation}".strip(), about)

    def _planned(self, revision: str) -> PlannedRevision | None:
        return next((each for each in self.plan.revisions if each.revision == revision), None)

    def _relation(self, event: ProgressEvent) -> str:
        """What the statement is about, by what it did on scratch."""
        planned = self._planned(event.revision)
        if planned is None or event.statement is None or event.statement >= len(planned.statements):
            return ""
        effects = planned.statements[event.statement].effects
        return next(iter((*effects.writes, *(lock.relation for lock in effects.locks))), "")

    def _wait(self, event: ProgressEvent) -> None:
        """Who is waited for, once; not what they are doing, which is text of theirs."""
        found = frozenset(each.pid for each in event.blockers)
        if found and found != self._waited_for:
            self._waited_for = found
            for each in event.blockers:
                who = {"user": each.user, "application": each.application, "state": each.state}
                lock = {"relation": each.relation, "mode": each.mode}
                self._open[-1].add_event("lock_wait", {**who, **lock, "pid": each.pid or 0})

    def _start(self, name: str, about: Mapping[str, Value]) -> None:
        if self.tracer is None:
            return
        from opentelemetry import propagate, trace

        if self._open:
            context = trace.set_span_in_context(self._open[-1])
        elif PARENT in os.environ and not trace.get_current_span().get_span_context().is_valid:
            context = propagate.extract({PARENT.lower(): os.environ[PARENT]})
        else:
            context = None
        attributes = {"db.system.name": "postgresql", **about}
        kind = trace.SpanKind.CLIENT if len(self._open) == _STATEMENT else trace.SpanKind.INTERNAL
        self._open.append(self.tracer.start_span(name, context, kind=kind, attributes=attributes))

    def _end(self, depth: int) -> None:
        while len(self._open) > depth:
            self._open.pop().end()


def operation_of(sql: str) -> str:
    """The words that a statement begins with, as far as they say what it is: ``ALTER TABLE``, ``UPDATE``, ``DO``."""
    found = _LEADING.match(sql)
    if found is None:
        return "statement"
    first, second = found["first"].upper(), (found["second"] or "").upper()
    return f"{first} {second}".strip() if first in _OF_OBJECTS else first


def _failed(span: Span, code: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))


def _tracer() -> tuple[Tracer | None, str]:
    """Who makes the spans, if anybody does; and why nobody does though somebody wants it."""
    wanted = os.environ.get(EXPORTER, "none") != "none" and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    if not wanted and "opentelemetry.trace" not in sys.modules:
        return None, ""
    try:
        from opentelemetry import trace
    except ImportError:  # the variables are there for other programs
        return None, ""
    warning = ""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        if not wanted:
            return None, ""
        warning = _set_up()
    return (None, warning) if warning else (trace.get_tracer("db-migrate", __version__), "")


def _set_up() -> str:
    """Let the SDK make spans for the exporters that its variables name. Returns why it could not."""
    try:
        # The exporter for the console takes what is standard output when it is imported; that is for our results.
        with contextlib.redirect_stdout(sys.stderr):
            from opentelemetry import trace
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            resource = Resource.create()
            if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
                resource = resource.merge(Resource({SERVICE_NAME: "db-migrate"}))
            provider = TracerProvider(resource=resource)
            for name in os.environ[EXPORTER].split(","):
                provider.add_span_processor(BatchSpanProcessor(_exporter(name.strip())))
            trace.set_tracer_provider(provider)
    except Exception as error:  # whatever its variables say, the run is what counts
        return f"{EXPORTER} is set, but there are no spans: {redact(str(error))}"
    return ""


def _exporter(name: str) -> SpanExporter:
    """An exporter by the name that its package gave it; of several protocols the wanted one, or the one installed."""
    from importlib.metadata import entry_points

    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    wanted = _OTLP.get(protocol or "", tuple(_OTLP.values())) if name == "otlp" else name
    names = (wanted,) if isinstance(wanted, str) else wanted
    installed = {each.name: each for each in entry_points(group="opentelemetry_traces_exporter")}
    found = next((installed[each] for each in names if each in installed), None)
    if found is None:
        raise LookupError(f"no exporter {name} is installed; there are {', '.join(sorted(installed))}")
    made: SpanExporter = found.load()()
    return made
