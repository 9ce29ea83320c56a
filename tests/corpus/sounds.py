"""Complete files with various sample rates, including unusual ones, channel layouts and lengths."""

from __future__ import annotations

from tests.corpus.recipes import Recipe, made

RATES = [
    7350,
    8000,
    11000,
    11025,
    12000,
    16000,
    22050,
    24000,
    32000,
    37800,
    44056,
    48000,
    64000,
    88200,
    96000,
    176400,
    192000,
]
CODED_RATES = [
    *(("aac", f"-ar {rate} -c:a aac") for rate in (7350, 8000, 12000, 24000, 64000, 96000)),
    *(("mp3", f"-ar {rate} -c:a libmp3lame") for rate in (8000, 11025, 24000, 32000)),
    *(("opus", f"-ar {rate} -c:a libopus") for rate in (8000, 16000)),
    *(("ogg", f"-ar {rate} -c:a libvorbis") for rate in (8000, 192000)),
]  # fmt: skip
LAYOUTS = [
    "stereo",
    "2.1",
    "3.0",
    "3.0(back)",
    "4.0",
    "quad",
    "quad(side)",
    "3.1",
    "5.0",
    "5.0(side)",
    "4.1",
    "5.1",
    "5.1(side)",
    "6.0",
    "6.1",
    "7.0",
    "7.1",
    "7.1(wide)",
]
CODED_LAYOUTS = [
    *(("m4a", f"{layout}", "aac") for layout in ("stereo", "3.0", "4.0", "5.0", "5.1", "7.1")),
    *(("ac3", f"{layout}", "ac3") for layout in ("2.1", "quad", "5.1(side)")),
    ("mkv", "5.1", "libopus"), ("mkv", "7.1", "libopus"), ("mkv", "5.1(side)", "dca -strict -2"), ("mkv", "7.1", "truehd -strict -2"), ("ogg", "5.1", "libvorbis"), ("ogg", "7.1", "libvorbis"), ("flac", "7.1", "flac"),
    ("m4a", "7.1", "alac"), ("mov", "5.1", "pcm_s24le"), ("wma", "stereo", "wmav2"), ("caf", "5.1", "pcm_s16le"), ("aiff", "quad", "pcm_s16be"),
]  # fmt: skip


def _rate(rate: int) -> str:
    return f"-f lavfi -i sine=duration=1:sample_rate={rate}"


def _layout(layout: str) -> str:
    return f"-f lavfi -i sine=duration=1:sample_rate=48000,aformat=channel_layouts='{layout}'"


FILES: dict[str, Recipe] = {
    **{f"wav-at-{rate}-hz.wav": made("wav", _rate(rate)) for rate in RATES},
    **{
        f"{extension}-at-{arguments.split()[1]}-hz.{extension}": made(extension, f"{_rate(48000)} {arguments}")
        for extension, arguments in CODED_RATES
    },
    **{f"wav-in-{layout}.wav": made("wav", _layout(layout)) for layout in LAYOUTS},
    **{
        f"{extension}-of-{codec.split()[0]}-in-{layout}.{extension}": made(extension, f"{_layout(layout)} -c:a {codec}")
        for extension, layout, codec in CODED_LAYOUTS
    },
    "wav-of-5-channels-of-no-layout.wav": made("wav", "-f lavfi -i aevalsrc=sin(440*t)|0|0|0|0:d=1:s=48000:c=5c"),
    "wav-of-16-channels.wav": made("wav", _layout("hexadecagonal")),
    "wav-of-24-channels.wav": made("wav", _layout("22.2")),
    "flac-of-1000-samples.flac": made("flac", "-f lavfi -i sine=duration=1,atrim=end_sample=1000"),
    "wav-of-one-sample.wav": made("wav", "-f lavfi -i sine=duration=1,atrim=end_sample=1"),
    "wav-of-1000-samples.wav": made("wav", "-f lavfi -i sine=duration=1,atrim=end_sample=1000"),
    "m4a-of-1000-samples.m4a": made("m4a", "-f lavfi -i sine=duration=1,atrim=end_sample=1000"),
    "mp3-of-1000-samples.mp3": made("mp3", "-f lavfi -i sine=duration=1,atrim=end_sample=1000"),
    "wav-of-silence.wav": made("wav", "-f lavfi -i anullsrc=duration=1"),
    "wav-at-full-scale.wav": made("wav", """-f lavfi -i "aevalsrc='1-2*gt(mod(t,0.01),0.005)':d=1:s=44100" """),
    "wav-of-floats-over-full-scale.wav": made("wav", "-f lavfi -i sine=duration=1,volume=40 -c:a pcm_f32le"),
}
