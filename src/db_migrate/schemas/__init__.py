"""Room schemas: see ARCHITECTURE.md."""
