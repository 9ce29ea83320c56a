"""Is run by Alembic for each command: takes the migrations through the caller's connection and transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
