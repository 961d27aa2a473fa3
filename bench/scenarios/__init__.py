"""One scenario each: see bench/__main__.py."""
