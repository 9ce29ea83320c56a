"""The errors of urllib3, http.client and sockets as ours."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3.exceptions

from soundlift.common.outbound.errors import BadResponse, ConnectionFailed, OutboundError, ResponseTimeout
from soundlift.common.outbound.url import Url


@contextmanager
def errors_as_ours(url: Url) -> Iterator[None]:
    """Raise an OutboundError for each error of a driver; its sentence quotes nothing that the server has sent."""
    try:
        yield
    except OutboundError:
        raise
    except (TimeoutError, urllib3.exceptions.TimeoutError):
        raise ResponseTimeout(f"{url.origin} was too slow.") from None
    except ssl.SSLCertVerificationError:
        raise ConnectionFailed(f"The certificate of {url.origin} is not valid.") from None
    except ssl.SSLError:
        raise ConnectionFailed(f"No secure connection to {url.origin} could be made.") from None
    except (http.client.RemoteDisconnected, http.client.IncompleteRead, urllib3.exceptions.ProtocolError, OSError):
        raise ConnectionFailed(f"The connection to {url.origin} was lost.") from None
    except (http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError):
        raise BadResponse(f"The response of {url.origin} is not valid HTTP.") from None
