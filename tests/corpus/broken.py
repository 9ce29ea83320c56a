"""Files that are truncated or garbled, and whether each declares the length of its sound."""

from __future__ import annotations

from dataclasses import dataclass

from tests.corpus.recipes import Recipe, cut, made, overwritten, zeroed

SECONDS = 3
TONE = f"-f lavfi -i anoisesrc=duration={SECONDS}:sample_rate=48000:seed=1:amplitude=0.3"
PICTURE = f"-f lavfi -i testsrc=duration={SECONDS}:size=32x32:rate=25"
VIDEO = f"{PICTURE} {TONE}"


@dataclass(frozen=True)
class Broken:
    """A recipe for a broken file, and whether the file still declares its original length."""

    recipe: Recipe
    declares_length: bool


# The recipe for a file of each kind, and whether the file declares its length at its beginning, where truncation keeps it.
KINDS: dict[str, tuple[Recipe, bool]] = {
    "mp4": (made("mp4", f"{VIDEO} -c:v mpeg4 -c:a aac -movflags +faststart"), True),
    "mov": (made("mov", f"{VIDEO} -c:v mpeg4 -c:a pcm_s16le -movflags +faststart"), True),
    "m4a": (made("m4a", f"{TONE} -c:a alac -movflags +faststart"), True),
    "3gp": (made("3gp", f"{PICTURE} {TONE} -c:v mpeg4 -ar 8000 -c:a libopencore_amrnb -movflags +faststart"), True),
    "mkv": (made("mkv", f"{VIDEO} -c:v mpeg4 -c:a aac"), True),
    "webm": (made("webm", f"{VIDEO} -c:v libvpx -c:a libopus"), True),
    "avi": (made("avi", f"{VIDEO} -c:v mpeg4 -c:a libmp3lame"), True),
    "flv": (made("flv", f"{VIDEO} -c:v flv -c:a aac -ar 44100"), True),
    "wmv": (made("wmv", f"{VIDEO} -c:v wmv2 -c:a wmav2"), True),
    "mxf": (made("mxf", f"{VIDEO} -c:v mpeg2video -c:a pcm_s16le"), False),
    "wav": (made("wav", TONE), True),
    "aiff": (made("aiff", TONE), True),
    "caf": (made("caf", f"{TONE} -c:a pcm_s16be"), True),
    "flac": (made("flac", TONE), True),
    "mp3": (made("mp3", f"{TONE} -c:a libmp3lame"), True),
    "ts": (made("ts", f"{VIDEO} -c:v mpeg2video -c:a mp2"), False),
    "m2ts": (made("m2ts", f"{VIDEO} -c:v mpeg2video -c:a ac3"), False),
    "mpg": (made("mpg", f"{VIDEO} -c:v mpeg2video -c:a mp2"), False),
    "ogv": (made("ogv", f"{VIDEO} -c:v libtheora -c:a libvorbis"), False),
    "oga": (made("oga", f"{TONE} -c:a flac"), False),
    "aac": (made("aac", f"{TONE} -c:a aac"), False),
    "amr": (made("amr", f"{TONE} -ar 8000 -c:a libopencore_amrnb"), False),
    "ac3": (made("ac3", f"{TONE} -c:a ac3"), False),
    "eac3": (made("eac3", f"{TONE} -c:a eac3"), False),
    "dts": (made("dts", f"{TONE} -c:a dca -strict -2"), False),
}
FRAGMENTS = made("mp4", f"{VIDEO} -c:v mpeg4 -c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000")
NOISY = "-i {0} -map 0 -c copy -bsf:a"

# FFmpeg skips garbled parts of these without a message, and a gap alone is not damage.
SILENTLY_RESUMED = ("mkv", "webm", "avi", "flv", "wmv")

CUT: dict[str, Broken] = {
    f"{kind}-cut-at-{share}-percent.{kind}": Broken(cut(recipe, share / 100), declares)
    for kind, (recipe, declares) in KINDS.items()
    for share in (8, 50, 95)
} | {
    f"mp4-in-fragments-cut-at-{share}-percent.mp4": Broken(cut(FRAGMENTS, share / 100), declares_length=False)
    for share in (8, 50, 95)
}
GARBLED: dict[str, Broken] = {
    f"{kind}-garbled.{kind}": Broken(overwritten(recipe, 0.4, 0.6), declares and kind not in SILENTLY_RESUMED)
    for kind, (recipe, declares) in KINDS.items()
} | {
    **{
        f"{kind}-with-a-hole.{kind}": Broken(
            zeroed(KINDS[kind][0], 0.4, 0.6), KINDS[kind][1] and kind not in SILENTLY_RESUMED
        )
        for kind in ("mp4", "m4a", "mkv", "avi", "ts", "mp3", "flac", "ogv", "wmv")
    },
    **{
        f"{kind}-with-a-bad-end.{kind}": Broken(
            overwritten(KINDS[kind][0], 0.8, 1), KINDS[kind][1] and kind not in SILENTLY_RESUMED
        )
        for kind in ("mp4", "mkv", "avi", "ts", "mp3", "flv")
    },
    **{
        f"{kind}-with-bad-bits.{kind}": Broken(
            made(kind, f"{NOISY} noise=amount=200", KINDS[kind][0]), declares_length=False
        )
        for kind in ("mp4", "mkv", "ts", "avi", "mpg", "flv", "mp3")
    },
    **{
        f"{kind}-with-packets-missing.{kind}": Broken(
            made(kind, f"{NOISY} noise=drop='eq(mod(n\\,10)\\,5)'", KINDS[kind][0]), declares_length=False
        )
        for kind in ("mp4", "mkv", "ts", "flv")
    },
}
