"""Complete files with special timing: late sound, clock offsets, edit lists, gaps, and wrong timestamps."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, made

TONE = "-f lavfi -i sine=duration=2:sample_rate=48000"
PICTURE = "-f lavfi -i testsrc=duration=2:size=32x32:rate=25"
GAP = """-af "aselect='lt(t,0.5)+gte(t,1.5)'" """
CODECS = {
    "mp4": "-c:v mpeg4 -c:a aac",
    "mov": "-c:v mpeg4 -c:a pcm_s16le",
    "mkv": "-c:v mpeg4 -c:a aac",
    "webm": "-c:v libvpx -c:a libopus",
    "avi": "-c:v mpeg4 -c:a libmp3lame",
    "flv": "-c:v flv -c:a aac -ar 44100",
    "ts": "-c:v mpeg2video -c:a mp2",
    "m2ts": "-c:v mpeg2video -c:a ac3",
    "mpg": "-c:v mpeg2video -c:a mp2",
    "wmv": "-c:v wmv2 -c:a wmav2",
    "ogv": "-c:v libtheora -c:a libvorbis",
}
TALKING = {extension: made(extension, f"{PICTURE} {TONE} {codecs}") for extension, codecs in CODECS.items()}
# Expressions of FFmpeg's bitstream filter setts for the time of each packet.
WRONG_TIMES = {
    "that-all-are-one": "1000",
    "that-jump-ahead": "TS+if(gte(N,20),60/TB,0)",
    "that-run-twice-as-fast": "TS*2",
    "that-tremble": "TS+mod(N*7,5)*0.01/TB",
    "that-go-back": "if(gte(N,20),TS-0.3/TB,TS)",
    "that-are-negative": "TS-1/TB",
}

FILES: dict[str, Recipe] = {
    **{
        f"{extension}-with-late-sound.{extension}": made(extension, f"{PICTURE} -itsoffset 0.5 {TONE} {codecs}")
        for extension, codecs in CODECS.items()
    },
    **{
        f"{extension}-that-begins-at-10-s.{extension}": made(
            extension, f"{PICTURE} {TONE} {CODECS[extension]} -output_ts_offset 10"
        )
        for extension in ("mp4", "mkv", "flv", "ts", "mpg", "webm")
    },
    **{
        f"{extension}-with-a-gap.{extension}": made(extension, f"{PICTURE} {TONE} {GAP} {CODECS[extension]}")
        for extension in ("mp4", "mov", "mkv", "ts", "flv", "avi", "wmv")
    },
    **{
        f"{extension}-with-times-{wrong}.{extension}": made(
            extension, f"-i {{0}} -c copy -bsf:a \"setts=ts='{times}'\"", TALKING[extension]
        )
        for extension in ("mkv", "ts", "flv", "mp4")
        for wrong, times in WRONG_TIMES.items()
        if (extension, wrong) != ("mp4", "that-are-negative")
    },
    **{
        f"{extension}-with-sound-shorter-than-its-picture.{extension}": made(
            extension, f"{PICTURE} {TONE} -af atrim=end=1 {codecs}"
        )
        for extension, codecs in CODECS.items()
    },
    "mp4-with-an-edit-list.mp4": made("mp4", "-ss 0.3 -i {0} -c copy", TALKING["mp4"]),
    "mov-with-an-edit-list.mov": made("mov", "-ss 0.3 -i {0} -c copy", TALKING["mov"]),
    "mp4-without-its-edit-list.mp4": made("mp4", "-i {0} -c copy -use_editlist 0", TALKING["mp4"]),
    "m4a-with-an-edit-list.m4a": made("m4a", "-ss 0.3 -i {0} -map 0:a -c copy", TALKING["mp4"]),
    "ts-whose-clock-turns-over.ts": made("ts", f"{PICTURE} {TONE} {CODECS['ts']} -output_ts_offset 95442.2"),
    "mp4-in-fragments.mp4": made(
        "mp4",
        "-i {0} -c copy -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 300000",
        TALKING["mp4"],
    ),
    "mp4-in-fragments-with-an-index.mp4": made(
        "mp4", "-i {0} -c copy -movflags +dash+global_sidx -frag_duration 300000", TALKING["mp4"]
    ),
    "mkv-as-streamed.mkv": made("mkv", "-i {0} -c copy -live 1", TALKING["mkv"]),
    "mkv-without-its-length.mkv": made("mkv", "-i {0} -c copy -f matroska pipe:1", TALKING["mkv"]),
    "flv-without-its-length.flv": made("flv", "-i {0} -c copy -flvflags no_duration_filesize", TALKING["flv"]),
}
