"""What runs in other people's continuous integration."""
