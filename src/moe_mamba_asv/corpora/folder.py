"""A pair of folders: the simplest corpus of one's own.

    ROOT/bonafide/**/*.wav    ROOT/spoof/<attack>/**/*.wav

or the same below ROOT/train, ROOT/dev and ROOT/eval; without these, all of it is eval.
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.corpora.protocol import utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Attack, Corpus, Label, Partition


def read_folder(root: Path, partition: Partition | None) -> Corpus:
    """List the audio files of a folder pair. An attack is known if it is also in ``train``.

    An utterance is named by its path below ROOT, without ending, with ``/`` between the parts.
    """
    parts = {part: root / part.value for part in Partition if (root / part.value).is_dir()}
    parts = parts or {Partition.EVAL: root}
    rows = [row for part, place in parts.items() for row in _rows(root, place, part)]
    trained = {attack for _, _, _, attack, part in rows if part == Partition.TRAIN.value}
    rows = [row for row in rows if partition is None or row[-1] == partition.value]
    if not rows:
        raise CorpusError(
            f"no audio in {root}/bonafide or {root}/spoof", wanted="bonafide/ and spoof/<attack>/ with audio"
        )
    columns = [(name, pl.String) for name in ("utterance", "path", "label", "attack", "partition")]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    attacks = {
        attack: Attack(attack, "", "", "", known=attack in trained)
        for attack in sorted({row[3] for row in rows if row[3] is not None})
    }
    return Corpus("folder", utterance_table(frame, root), attacks, (root,))


def _rows(root: Path, place: Path, partition: Partition) -> list[tuple[str, str, str, str | None, str]]:
    rows = []
    for label in Label:
        for path in sorted((place / label.value).rglob("*")):
            if path.suffix.lower() not in AUDIO_ENDINGS:
                continue
            inside = path.relative_to(place / label.value).parts
            attack = None if label is Label.BONAFIDE else (inside[0] if len(inside) > 1 else "spoof")
            utterance = path.relative_to(root).with_suffix("").as_posix()
            rows.append((utterance, str(path), label.value, attack, partition.value))
    return rows
