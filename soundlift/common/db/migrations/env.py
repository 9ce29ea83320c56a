"""Alembic's script for each command: runs the migrations on the caller's connection, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
