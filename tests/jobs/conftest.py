"""Gives each test every kind of database."""

from tests.contract.conftest import database_url

__all__ = ["database_url"]
