"""The program that runs the local gateway: gunicorn, with the arguments of its command.

gunicorn puts the current folder first on the import path, so that a user's files there would replace modules of
Soundlift and of Python. It leaves the path unchanged if it contains that folder already.
"""

from __future__ import annotations

import os
import sys

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    sys.path.append(os.getcwd())  # noqa: PTH109 - as gunicorn compares it
    run()
