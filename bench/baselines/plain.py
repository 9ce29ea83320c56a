"""The baseline for the functions' HTTP handling: a bare Flask application on the same gunicorn."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request, send_file

from soundlift.common.settings import Settings

BLOCK = 2**20

app = Flask(__name__)
data = Settings.from_environment().soundlift_data


@app.get("/")
def answer() -> str:
    """Answer with a two-byte body."""
    return "OK"


@app.post("/")
def receive() -> tuple[str, int]:
    """Write the body to a file, in the block size that is fastest with gunicorn, and flush it to disk."""
    with Path(data, "received").open("wb", buffering=0) as file:
        while block := request.stream.read(BLOCK):
            file.write(block)
        os.fsync(file.fileno())
    return "OK", 202


@app.get("/file")
def send() -> Response:
    """Send a file."""
    return send_file(data / "sent")
