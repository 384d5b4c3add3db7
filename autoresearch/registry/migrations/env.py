"""Alembic's entry: runs the migrations on the connection that `Registry` hands over."""

from alembic import context

from autoresearch.registry.schema import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
