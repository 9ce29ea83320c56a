"""Hostile forms and file names."""

from __future__ import annotations

from tests.api.hostile.request import HEADERS, TEXTS, Hostile
from tests.factories.jobs import MP4


def form_requests() -> list[Hostile]:
    def form(head: bytes, content: bytes = MP4) -> bytes:
        return b"--x\r\n" + head + b"\r\n\r\n" + content + b"\r\n--x--\r\n"

    file = b'Content-Disposition: form-data; name="f"; filename='
    heads = {
        "file name not UTF-8": file + b'"\xff\xfe.mp4"',
        "file name in surrogates": file + b'"\xed\xa0\x80.mp4"',
        "file name in escaped surrogates": file + b"\"a\"; filename*=UTF-8''%ED%A0%80",
        "file name in an unknown charset": file + b"\"a\"; filename*=klingon''%FF",
        "file name continued": file.replace(b"filename=", b"") + b'filename*0="a"; filename*99999999999="b"',
        "file name with NUL": file + b'"a\0b.mp4"',
        "file name empty": file + b'""',
        "no disposition": b"X-Other: a",
        "disposition only": b"Content-Disposition:",
        "no name": b'Content-Disposition: form-data; filename="a.mp4"',
        "head without a colon": b"nothing",
        "type not UTF-8": file + b'"a.mp4"\r\nContent-Type: \xff\xfe',
        "type very long": file + b'"a.mp4"\r\nContent-Type: ' + b"a" * 10_000,
    }
    bodies = {label: form(head) for label, head in heads.items()}
    field = b"Content-Disposition: form-data; name="
    for label, text in TEXTS.items():
        encoded = text.encode("utf-8", "surrogatepass")
        bodies[f"field {label}"] = form(field + b'"tag.title"', encoded)
        bodies[f"field name {label}"] = form(field + b'"' + encoded + b'"', b"a")
        bodies[f"file name {label}"] = form(file + b'"' + encoded + b'"')
    bodies |= {
        "nothing": b"",
        "boundary only": b"--x",
        "end only": b"--x--\r\n",
        "another boundary": b"--y\r\n\r\n\r\n--y--",
    }
    types = ["x", '"x"', "", "x" * 10_000, "\xff\xfe", '"x', "x\0", "x;charset=klingon", "x; boundary=y"]
    found = [
        Hostile("upload", f"form: {label}", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body)
        for label, body in bodies.items()
    ]
    found += [
        Hostile(
            "upload",
            f"boundary {text[:20]!r}",
            body=form(file + b'"a.mp4"'),
            headers={"Content-Type": f"multipart/form-data; boundary={text}"},
        )
        for text in types
    ]
    names = [*HEADERS.values(), "%ED%A0%80", "%FF", "%00", "%0d%0a", "/", "..", "%2f", "\xa0"]
    found += [Hostile("upload", f"X-Filename {name[:20]!r}", headers={"X-Filename": name}, body=MP4) for name in names]
    return found
