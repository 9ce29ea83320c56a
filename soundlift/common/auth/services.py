"""The services of accounts, sign-ins, tokens and API keys, each opened at its first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings

if TYPE_CHECKING:
    from soundlift.common.auth.attempts import Attempts
    from soundlift.common.auth.identification import Identification
    from soundlift.common.auth.key_store import ApiKeys
    from soundlift.common.auth.link_limits import LinkLimits
    from soundlift.common.auth.oidc.provider import IdentityProvider
    from soundlift.common.auth.password_links import PasswordLinks
    from soundlift.common.auth.passwords import Passwords
    from soundlift.common.auth.sessions import Sessions
    from soundlift.common.auth.sign_in_limits import SignInLimits
    from soundlift.common.auth.tokens import Identity, Tokens
    from soundlift.common.auth.users import Users
    from soundlift.common.db.engine import Database


class AuthServices(ABC):
    """The part of the services of a process that decides who somebody is; its subclass has the database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def database(self) -> Database:
        """Return the database."""

    @cached_property
    def tokens(self) -> Tokens:
        """Return the service that signs and reads tokens; raises SettingError without JWT_SECRET."""
        from soundlift.common.auth.tokens import Tokens

        if not self.settings.jwt_secret:
            raise SettingError(
                "Setting JWT_SECRET is missing: set it to at least 32 random bytes.", setting="JWT_SECRET"
            )
        return Tokens(
            self.settings.jwt_secret,
            sign_in_seconds=self.settings.token_seconds,
            link_seconds=self.settings.link_seconds,
        )

    @cached_property
    def identification(self) -> Identification:
        """Return the service that checks who sends a request, which opens the database only for an API key."""
        from soundlift.common.auth.identification import Identification

        return Identification(self.tokens, lambda: self.api_keys)

    def identify(self, authorization: str | None, *, scope: str | None) -> Identity:
        """Return the user that an Authorization header identifies; an API key must have the scope.

        See `Identification.identify`, also for the errors.
        """
        return self.identification.identify(authorization, scope=scope)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Return the store of API keys."""
        from soundlift.common.auth.key_store import ApiKeys

        return ApiKeys(self.database)

    @cached_property
    def users(self) -> Users:
        """Return the store of user accounts."""
        from soundlift.common.auth.users import Users

        return Users(self.database)

    @cached_property
    def attempts(self) -> Attempts:
        """Return the store of attempts whose number is limited."""
        from soundlift.common.auth.attempts import Attempts

        return Attempts(self.database, secret=next(iter(self.settings.jwt_secret), ""))

    @cached_property
    def sign_in_limits(self) -> SignInLimits:
        """Return the limits on failed sign-ins."""
        from soundlift.common.auth.sign_in_limits import SignInLimits

        settings = self.settings
        return SignInLimits(
            self.attempts, per_account=settings.sign_in_failures, per_network=settings.sign_in_failures_per_network
        )

    @cached_property
    def link_limits(self) -> LinkLimits:
        """Return the limits on requests for links for choosing a password."""
        from soundlift.common.auth.link_limits import LinkLimits

        settings = self.settings
        return LinkLimits(
            self.attempts, per_address=settings.account_emails, per_network=settings.account_emails_per_network
        )

    @cached_property
    def passwords(self) -> Passwords:
        """Return the service that hashes and verifies passwords."""
        from soundlift.common.auth.passwords import Passwords

        return Passwords(self.settings)

    @cached_property
    def sessions(self) -> Sessions:
        """Return the store of sessions."""
        from soundlift.common.auth.sessions import Sessions

        return Sessions(self.database, lifetime=self.settings.refresh_seconds)

    @cached_property
    def password_links(self) -> PasswordLinks:
        """Return the store of links for choosing a password."""
        from soundlift.common.auth.password_links import PasswordLinks

        return PasswordLinks(self.database)

    @cached_property
    def identity_provider(self) -> IdentityProvider | None:
        """Return the provider at which people sign in, or None; raises SettingError without OIDC_CLIENT_ID.

        Only a deployment that has one loads its modules, and cryptography.
        """
        settings = self.settings
        if not settings.oidc_issuer:
            return None
        if not settings.oidc_client_id:
            message = (
                "Setting OIDC_CLIENT_ID is missing: set it to the client id that the provider gave this deployment."
            )
            raise SettingError(message, setting="OIDC_CLIENT_ID")
        from soundlift.common.auth.oidc.provider import open_provider

        return open_provider(settings)
