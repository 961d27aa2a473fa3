"""The HTTP service. Run it with `fastapi dev src/app.py`, or `uvicorn --factory src.app:create_app`."""

from fastapi import FastAPI

from src.api import audit_logs, invoices, listings, nodes, users


def create_app() -> FastAPI:
    """The application with all of its routes; connects to nothing until the first request."""
    app = FastAPI(title="Mesh control plane")
    for module in (users, nodes, invoices, listings, audit_logs):
        app.include_router(module.router)
    return app


app = create_app()
