"""What ``init`` gives a project: settings, hook, CI, skill and baseline, proposed as values and then written."""
