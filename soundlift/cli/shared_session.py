"""A saved session, used and renewed by any number of commands at the same time.

A refresh token is replaced at each use, and an old one that is used again ends the session. So a command that has to
renew the access token first reads the file again, under a lock: another command may have renewed it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from soundlift.cli.profiles import DEFAULT_PROFILE, Profile, SavedSession
from soundlift.client import ApiError, Client, ClientError, ConnectionFailed

FORGOTTEN = (
    "The session was deleted on this machine only; at the server, it ends when it has not been used for a while."
)


class SharedSession:
    """The session of a profile at one address."""

    def __init__(self, profile: Profile, url: str) -> None:
        self._profile = profile
        self._url = url

    @property
    def saved(self) -> SavedSession | None:
        """Return the session, unless it has ended or is one of another deployment."""
        session = self._profile.load()
        signed_in = session is not None and (session.access_token or session.refresh_token)
        return session if session is not None and signed_in and session.url == self._url else None

    def client(self) -> Client:
        """Return a client that uses this session."""
        return Client(self._url, token_source=self.token)

    def token(self, refused: str | None = None) -> str:
        """Return an access token other than the one that the server has refused; raises ApiError if there is none."""
        saved = self.saved
        if saved and saved.access_token and saved.access_token != refused:
            return saved.access_token
        with self._profile.locked():
            saved = self.saved
            if saved and saved.access_token and saved.access_token != refused:
                return saved.access_token
            return self._renew(saved)

    def begin(self, email: str, password: str) -> None:
        """Sign in, and save the session in place of an older one, which ends."""
        with self._profile.locked():
            older = self._profile.load()
            session = SavedSession(url=self._url, email=email)

            def save(access_token: str, refresh_token: str | None) -> None:
                self._profile.save(replace(session, access_token=access_token, refresh_token=refresh_token))

            with Client(self._url, email=email, password=password, on_tokens=save) as client:
                client.login()
            self._end(older)

    def end(self) -> SavedSession | None:
        """End the session at its server, and forget it even if the server cannot be reached; raises ClientError."""
        with self._profile.locked():
            saved = self._profile.load()
            self._profile.remove()
        if saved and saved.refresh_token:
            try:
                with Client(saved.url, refresh_token=saved.refresh_token) as client:
                    client.sign_out()
            except ConnectionFailed as error:
                raise ConnectionFailed(f"{error.detail.rstrip('.')}. {FORGOTTEN}") from None
        return saved

    def _renew(self, saved: SavedSession | None) -> str:
        """Exchange the refresh token, and save both new tokens before they are used."""
        if saved is None or saved.refresh_token is None:
            raise self._ended()
        session = saved

        def save(access_token: str, refresh_token: str | None) -> None:
            self._profile.save(replace(session, access_token=access_token, refresh_token=refresh_token))

        try:
            with Client(self._url, refresh_token=session.refresh_token, on_tokens=save) as client:
                return client.login()
        except ApiError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            self._profile.save(SavedSession(url=session.url, email=session.email))
            raise self._ended() from None

    def _ended(self) -> ApiError:
        option = "" if self._profile.name == DEFAULT_PROFILE else f" --profile {self._profile.name}"
        return ApiError(
            HTTPStatus.UNAUTHORIZED,
            code="invalid_session",
            title="Invalid Session",
            detail=f"You are no longer signed in to {self._url}. Sign in again with `soundlift login{option}`.",
        )

    def _end(self, older: SavedSession | None) -> None:
        """End the session that a new one replaces; if its server does not answer, it expires by itself."""
        if older and older.refresh_token:
            with suppress(ClientError), Client(older.url, refresh_token=older.refresh_token, retry_seconds=0) as client:
                client.sign_out()
