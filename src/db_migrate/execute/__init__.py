"""Room execute: see ARCHITECTURE.md."""
