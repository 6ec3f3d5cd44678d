"""Which files of a folder are taken for audio."""

#: A file that is named by itself may end in anything; from a folder only these are taken.
AUDIO_ENDINGS = frozenset(
    [
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".m4a",
        ".aac",
        ".mp4",
        ".mkv",
        ".webm",
        ".mov",
        ".wma",
        ".aif",
        ".aiff",
        ".amr",
        ".g722",
    ]
)
