"""Make the speech that is embedded in the package from extracted Debian packages.

Fetch and extract the sources (no root needed), then run this script::

    apt-get download asterisk-core-sounds-{en,es,fr,it,ru}-g722 fillets-ng-data-nl
    for package in *.deb; do dpkg-deb -x "$package" extracted; done
    python scripts/embed_speech.py extracted src/moe_mamba_asv/corpora/minispoof/speech

The choice is a function of the file names and sounds alone: the same packages give the same corpus.
"""

import argparse
import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyworld
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

CLIPS_PER_SPEAKER = 36
MIN_DURATION_S, MAX_DURATION_S = 2.0, 4.5
COLUMNS = ("utterance", "speaker", "language", "sex", "source", "licence", "sha256")
#: Names of sounds that are not plain speech: beeps, silence, jokes with animals and effects.
NOT_SPEECH = re.compile(r"tone|beep|silence|monkey|weasel|confbridge-(leave|join)\.")
ASTERISK, FILLETS = "usr/share/asterisk/sounds", "usr/share/games/fillets-ng/sound"


@dataclass(frozen=True)
class Source:
    """One package's recordings of one speaker; a speaker may have two sources."""

    speaker: str
    language: str
    sex: str
    package: str
    pattern: str
    licence: str
    clips: int


SOURCES = (
    Source("allison", "en", "F", "asterisk-core-sounds-en-g722", f"{ASTERISK}/en_US_f_Allison/**/*.g722",
           "CC-BY-SA-3.0", CLIPS_PER_SPEAKER // 2),
    Source("allison", "es", "F", "asterisk-core-sounds-es-g722", f"{ASTERISK}/es_MX_f_Allison/**/*.g722",
           "CC-BY-SA-3.0", CLIPS_PER_SPEAKER // 2),
    Source("june", "fr", "F", "asterisk-core-sounds-fr-g722", f"{ASTERISK}/fr_CA_f_June/**/*.g722",
           "CC-BY-SA-3.0", CLIPS_PER_SPEAKER),
    Source("carlo", "it", "M", "asterisk-core-sounds-it-g722", f"{ASTERISK}/it_IT_m_Carlo/**/*.g722",
           "CC-BY-3.0", CLIPS_PER_SPEAKER),
    Source("ivrvoice", "ru", "F", "asterisk-core-sounds-ru-g722", f"{ASTERISK}/ru_RU_f_IvrvoiceRU/**/*.g722",
           "CC-BY-3.0", CLIPS_PER_SPEAKER),
    Source("smallfish", "nl", "F", "fillets-ng-data-nl", f"{FILLETS}/**/nl/*-m-*.ogg",
           "GPL-2.0-only", CLIPS_PER_SPEAKER),
    Source("bigfish", "nl", "M", "fillets-ng-data-nl", f"{FILLETS}/**/nl/*-v-*.ogg",
           "GPL-2.0-only", CLIPS_PER_SPEAKER),
)  # fmt: skip


def is_plain_speech(waveform: NDArray[np.float32]) -> bool:
    """Whether a clip has a usable length and level, is unclipped, and is voiced the way speech is."""
    duration_s, peak = len(waveform) / SAMPLE_RATE_HZ, float(np.abs(waveform).max())
    level_dbfs = 10 * np.log10(np.mean(waveform.astype(np.float64) ** 2) + 1e-12)
    if not (MIN_DURATION_S <= duration_s <= MAX_DURATION_S and 0.1 < peak < 0.99 and level_dbfs > -30):
        return False
    f0_hz, _ = pyworld.dio(waveform.astype(np.float64), SAMPLE_RATE_HZ, f0_floor=60.0, f0_ceil=450.0)
    voiced_hz = f0_hz[f0_hz > 0]
    # A beep is voiced throughout and holds its pitch; speech is neither.
    return 0.25 < len(voiced_hz) / len(f0_hz) < 0.95 and float(np.std(np.log2(voiced_hz))) > 0.05


def choose(source: Source, root: Path) -> list[tuple[Path, NDArray[np.float32]]]:
    """The first clips in an order shuffled by hashing the names, so that no topic or letter prevails."""
    paths = sorted(root.glob(source.pattern), key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())
    chosen: list[tuple[Path, NDArray[np.float32]]] = []
    for path in paths:
        if len(chosen) == source.clips:
            break
        if NOT_SPEECH.search(str(path.relative_to(root))):
            continue
        try:
            waveform = load_16k(path)
        except AudioError as error:
            print(f"left out: {error}")  # noqa: T201 - a few prompts of the Russian package are empty files
            continue
        if is_plain_speech(waveform):
            chosen.append((path, waveform))
    if len(chosen) < source.clips:
        raise SystemExit(f"{source.package}: {len(chosen)} usable clips, wanted {source.clips}; is it extracted here?")
    return sorted(chosen, key=lambda clip: str(clip[0]))


def flac_bytes(waveform: NDArray[np.float32]) -> bytes:
    """PCM16 FLAC at 16 kHz, as small as libsndfile makes it."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return buffer.getvalue()


def main() -> None:
    """Write the FLAC files and speech.csv."""
    parser = argparse.ArgumentParser(description="Make the embedded speech from extracted Debian packages.")
    parser.add_argument("packages", type=Path, help="folder that the packages were extracted into (holds usr/)")
    parser.add_argument("out", type=Path, help="folder for speech.csv and the FLAC files")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    counts: dict[str, int] = {}
    for source in SOURCES:
        for path, waveform in choose(source, arguments.packages):
            counts[source.speaker] = counts.get(source.speaker, 0) + 1
            utterance = f"{source.speaker}_{counts[source.speaker]:03d}"
            content = flac_bytes(waveform)
            (arguments.out / f"{utterance}.flac").write_bytes(content)
            origin = f"{source.package}: /{path.relative_to(arguments.packages)}"
            digest = hashlib.sha256(content).hexdigest()
            values = (utterance, source.speaker, source.language, source.sex, origin, source.licence, digest)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    with (arguments.out / "speech.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list[str](COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} clips of {len(counts)} speakers")  # noqa: T201


if __name__ == "__main__":
    main()
