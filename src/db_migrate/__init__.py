"""db-migrate: what you reviewed is what happens, nothing is lost, and you can always go back."""

__version__ = "0.1.0"
