"""The baseline of what functions do over HTTP: a bare Flask application, served by the same gunicorn."""

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
    """Answer with two letters."""
    return "OK"


@app.post("/")
def receive() -> tuple[str, int]:
    """Write the body to a file in the block size that gunicorn is fastest with, and flush it to the disk."""
    with Path(data, "received").open("wb", buffering=0) as file:
        while block := request.stream.read(BLOCK):
            file.write(block)
        os.fsync(file.fileno())
    return "OK", 202


@app.get("/file")
def give() -> Response:
    """Send a file."""
    return send_file(data / "sent")
