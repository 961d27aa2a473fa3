"""Room catalog: see ARCHITECTURE.md."""
