"""The tests on the versions that are supported: `make test-matrix`."""
