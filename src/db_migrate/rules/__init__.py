"""Room rules: see ARCHITECTURE.md."""
