"""What `make demo` leaves, in miniature: a minispoof of 48 recordings, and a run that has heard little of it."""

from pathlib import Path

from typer.testing import CliRunner, Result

from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.minispoof.build import build_minispoof

#: Enough for a profile, which needs 40 clips of dev: 8 recordings, bona fide and by each of four attacks.
_RECORDINGS = 48
_ATTACKS = ["A01", "A02", "A04", "A06", "A07", "A16"]
CORPUS = ("--corpus", "minispoof", "--root", "demo/corpus")
#: Of the recipe lcnn-small; on one core it then trains in seconds, and ranks dev better than chance.
TINY = [
    "model.channels=[4,8,8,8]",
    "training.epochs=3",
    "training.crops_per_clip=2",
    "training.num_samples=16000",
    "training.learning_rate=0.005",
]


def mma(*words: object) -> Result:
    """Run a command here; the caller judges the exit code."""
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def must(*words: object) -> Result:
    """Run a command that has to succeed."""
    result = mma(*words)
    assert result.exit_code == 0, f"mma {' '.join(map(str, words))}\n{result.output}"
    return result


def write_demo(place: Path) -> Path:
    """Write ``demo/corpus`` and ``demo/run`` into a folder, which must be the current one. Answers ``demo``."""
    assert place.resolve() == Path.cwd()
    build_minispoof(place / "demo" / "corpus", limit=_RECORDINGS, attacks=_ATTACKS, workers=1)
    tiny = [word for change in TINY for word in ("--set", change)]
    must("train", "lcnn-small", *CORPUS, "--out", "demo/run", "--logger", "none", *tiny)
    for partition in ("dev", "eval"):
        out = f"demo/run/{partition}.tsv"
        must("score", *CORPUS, "--partition", partition, "--model", "demo/run", "--out", out)
    return place / "demo"
