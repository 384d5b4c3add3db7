"""Alembic migrations of the registry, in order."""
