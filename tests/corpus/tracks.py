"""Complete files with additional contents: several tracks, languages, tags, chapters, covers, subtitles."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, altered, joined, made, text

TONE = "-f lavfi -i sine=duration=1:sample_rate=48000"
HIGH = "-f lavfi -i sine=frequency=880:duration=1:sample_rate=48000"
PICTURE = "-f lavfi -i testsrc=duration=1:size=32x32:rate=25"
VIDEO = f"{PICTURE} {TONE} -c:v mpeg4 -c:a aac"
TWO = f"{PICTURE} {TONE} {HIGH} -map 0 -map 1 -map 2"
COVER = made("png", "-f lavfi -i color=red:size=64x64:duration=1 -frames:v 1")
JPEG = made("jpg", "-f lavfi -i color=blue:size=64x64:duration=1 -frames:v 1")
SUBTITLES = text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
CHAPTERS = text(";FFMETADATA1\ntitle=Whole\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/10\nSTART={start}\nEND={end}\ntitle={title}\n" for start, end, title in
    ((0, 4, "One"), (4, 7, "Δύο"), (7, 10, "三 = 3; #"))
))  # fmt: skip
TAGS = {
    "greek": "Ο τίτλος", "arabic": "عنوان", "japanese": "題名", "hindi": "शीर्षक", "emoji": "🎵🎶", "quoted": '"; = \\\\ #',
    "long": "long " * 400, "like-an-error": "moov atom not found", "enca": "enca",
}  # fmt: skip
WITH_COVER = "-i {0} -map 0 -map 1 -disposition:v attached_pic"

FILES: dict[str, Recipe] = {
    "mkv-in-two-languages.mkv": made("mkv", f"{TWO} -c:v mpeg4 -c:a aac -metadata:s:a:0 language=deu -metadata:s:a:1 language=eng"),
    "mp4-in-two-languages.mp4": made("mp4", f"{TWO} -c:v mpeg4 -c:a aac -metadata:s:a:0 language=deu -metadata:s:a:1 language=eng"),
    "ts-in-two-languages.ts": made("ts", f"{TWO} -c:v mpeg2video -c:a mp2 -metadata:s:a:0 language=deu -metadata:s:a:1 language=eng"),
    "mkv-whose-second-track-is-the-default.mkv": made("mkv", f"{TWO} -c:v mpeg4 -c:a aac -disposition:a:0 0 -disposition:a:1 default"),
    "mp4-whose-second-track-has-more-channels.mp4": made("mp4", f"{TWO} -c:v mpeg4 -c:a aac -ac:a:1 6"),
    "mkv-of-three-codecs.mkv": made("mkv", f"{TWO} -map 2 -c:v mpeg4 -c:a:0 libopus -c:a:1 ac3 -c:a:2 flac"),
    "mov-of-two-rates.mov": made("mov", f"{TWO} -c:v mpeg4 -c:a pcm_s16le -ar:a:0 22050 -ar:a:1 96000"),
    "mkv-with-a-commentary.mkv": made("mkv", f"{TWO} -c:v mpeg4 -c:a aac -disposition:a:1 comment"),
    "avi-with-two-tracks.avi": made("avi", f"{TWO} -c:v mpeg4 -c:a libmp3lame"),
    "wmv-with-two-tracks.wmv": made("wmv", f"{TWO} -c:v wmv2 -c:a wmav2"),
    "mxf-with-four-tracks.mxf": made("mxf", f"{TWO} -map 1 -map 2 -c:v mpeg2video -c:a pcm_s16le"),
    "mpg-with-two-tracks.mpg": made("mpg", f"{TWO} -c:v mpeg2video -c:a mp2"),
    "mkv-whose-first-track-is-of-no-known-codec.mkv": altered(
        made("mkv", f"{TWO} -c:v mpeg4 -c:a aac"), b"A_AAC", b"A_XYZ", times=1),
    "mkv-whose-wider-track-is-of-no-known-codec.mkv": altered(
        made("mkv", f"{TWO} -c:v mpeg4 -c:a:0 ac3 -ac:a:0 6 -c:a:1 aac"), b"A_AC3", b"A_XYZ"),
    "mov-whose-wider-track-is-of-no-known-codec.mov": altered(
        made("mov", f"{TWO} -c:v mpeg4 -c:a:0 alac -ac:a:0 6 -c:a:1 aac"), b"alac", b"xyzz"),
    "mp4-whose-wider-track-is-empty.mp4": made(
        "mp4", f"{TWO} -c:v mpeg4 -c:a aac -ac:a:0 6 -bsf:a:0 noise=drop=1 -movflags +frag_keyframe+empty_moov"),
    "mkv-whose-wider-track-is-empty.mkv": made("mkv", f"{TWO} -c:v mpeg4 -c:a aac -ac:a:0 6 -bsf:a:0 noise=drop=1"),
    "mkv-whose-wider-track-is-garbled.mkv": made(
        "mkv", f"{TWO} -c:v mpeg4 -c:a:0 flac -ac:a:0 6 -c:a:1 aac -bsf:a:0 noise=amount=1"),
    "mkv-of-sound-alone-in-two-tracks.mkv": made("mkv", f"{TONE} {HIGH} -map 0 -map 1 -c:a libopus"),
    "mkv-with-subtitles.mkv": made("mkv", f"{VIDEO} -i {{0}} -c:s ass", SUBTITLES),
    "mp4-with-subtitles.mp4": made("mp4", f"{VIDEO} -i {{0}} -c:s mov_text", SUBTITLES),
    "webm-with-subtitles.webm": made("webm", f"{PICTURE} {TONE} -i {{0}} -c:v libvpx -c:a libopus -c:s webvtt", SUBTITLES),
    "mkv-with-an-attachment.mkv": made("mkv", f"{VIDEO} -attach {{0}} -metadata:s:t mimetype=text/plain", SUBTITLES),
    "mkv-with-a-cover.mkv": made("mkv", f"{VIDEO} -attach {{0}} -metadata:s:t mimetype=image/png -metadata:s:t filename=cover.png", COVER),
    "mp4-with-a-cover.mp4": made("mp4", f"{PICTURE} {TONE} -i {{0}} -c:a aac -map 0 -map 1 -map 2 -c:v:0 mpeg4 -c:v:1 copy -disposition:v:1 attached_pic", COVER),
    "m4a-with-a-cover.m4a": made("m4a", f"{TONE} {WITH_COVER} -c:v copy", JPEG),
    "mp3-with-a-cover.mp3": made("mp3", f"{TONE} {WITH_COVER} -c:v copy", COVER),
    "flac-with-a-cover.flac": made("flac", f"{TONE} {WITH_COVER} -c:v copy", JPEG),
    "mov-with-a-timecode.mov": made("mov", f"{VIDEO} -timecode 01:00:00:00"),
    "mp4-turned-by-90-degrees.mp4": made("mp4", "-display_rotation 90 -i {0} -c copy", made("mp4", VIDEO)),
    "mp4-with-its-index-in-front.mp4": made("mp4", f"{VIDEO} -movflags +faststart"),
    "mp4-with-hints.mp4": made("mp4", f"{VIDEO} -movflags +rtphint"),
    "mp4-in-h264.mp4": made("mp4", f"{PICTURE} {TONE} -c:v libx264 -preset ultrafast -c:a aac"),
    "mp4-in-hevc.mp4": made("mp4", f"{PICTURE} {TONE} -vf scale=64:64 -c:v libx265 -preset ultrafast -x265-params log-level=none -c:a aac"),
    **{f"{extension}-with-chapters.{extension}": made(extension, f"{arguments} -i {{0}} -map_metadata 1", CHAPTERS)
       for extension, arguments in (("mp3", TONE), ("m4a", f"{TONE} -c:a aac"))},
    "ogg-with-chapters.ogg": made(
        "ogg", f"{TONE} -c:a libvorbis -metadata:s:a CHAPTER000=00:00:00.300 -metadata:s:a CHAPTER000NAME=One"),
    **{f"{extension}-with-chapters.{extension}": made(extension, f"{VIDEO} -i {{0}} -map_metadata 2", CHAPTERS)
       for extension in ("mp4", "mov", "mkv")},
    **{f"mp4-with-a-title-{kind}.mp4": made("mp4", f"{VIDEO} -metadata 'title={title}'") for kind, title in TAGS.items()},
    **{f"{extension}-with-tags.{extension}": made(extension, f"{TONE} -metadata 'title=題名' -metadata 'artist=Ο 🎵' -metadata date=2020-02-03 -metadata track=3/7")
       for extension in ("mp3", "flac", "oga", "opus", "wav", "aiff", "m4a", "caf", "wma", "mka")},
    **{f"{extension}-with-tags.{extension}": made(extension, f"{VIDEO} -metadata 'title=題名' -metadata 'artist=Ο 🎵'")
       for extension in ("avi", "mov", "asf")},
    "aac-behind-an-id3-tag.aac": made("aac", f"{TONE} -c:a aac -write_id3v2 1 -metadata title=Tagged"),
    "mp3-with-an-old-tag.mp3": made("mp3", f"{TONE} -id3v2_version 0 -write_id3v1 1 -metadata title=Tagged"),
    "mp3-with-a-tag-in-utf-16.mp3": made("mp3", f"{TONE} -id3v2_version 3 -metadata title=題名"),
    "mp3-with-two-tags.mp3": joined(
        made("mp3", f"{TONE} -metadata title=one -t 0.1"), made("mp3", f"{TONE} -metadata title=two")),
}  # fmt: skip
