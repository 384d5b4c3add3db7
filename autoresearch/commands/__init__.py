"""One file a command: it builds the objects and calls one verb."""
