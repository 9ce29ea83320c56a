"""The names for people of codecs that cannot be stored as they are, and those of them that are lossless."""

from __future__ import annotations

LOSSLESS = {
    "truehd": "Dolby TrueHD",
    "mlp": "MLP",
    "wavpack": "WavPack",
    "ape": "Monkey's Audio",
    "tta": "TTA",
    "tak": "TAK",
    "shorten": "Shorten",
    "mp4als": "MPEG-4 ALS",
    "wmalossless": "Windows Media Audio Lossless",
    "dst": "DST",
    "dsd_lsbf": "DSD",
    "dsd_msbf": "DSD",
    "dsd_lsbf_planar": "DSD",
    "dsd_msbf_planar": "DSD",
}
LOSSY = {
    "mp1": "MPEG audio layer I",
    "mp2": "MPEG audio layer II",
    "aac_latm": "AAC in LATM",
    "wmav1": "Windows Media Audio 1",
    "wmav2": "Windows Media Audio 2",
    "wmapro": "Windows Media Audio Professional",
    "wmavoice": "Windows Media Audio Voice",
    "amr_nb": "AMR",
    "amr_wb": "AMR-WB",
    "musepack7": "Musepack",
    "musepack8": "Musepack",
    "speex": "Speex",
    "nellymoser": "Nellymoser",
    "cook": "RealAudio Cook",
    "qdm2": "QDesign Music 2",
    "adpcm_ms": "ADPCM",
    "adpcm_ima_wav": "ADPCM",
    "adpcm_ima_qt": "ADPCM",
    "adpcm_swf": "ADPCM",
}
NAMES = LOSSLESS | LOSSY


def full_name(codec: str) -> str:
    """Return the name of a codec for people, with FFmpeg's own, or only FFmpeg's."""
    return f"{NAMES[codec]} ({codec})" if codec in NAMES else codec
