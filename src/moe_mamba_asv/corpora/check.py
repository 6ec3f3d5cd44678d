"""Looks for what is wrong with a corpus before it costs a week of training."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from moe_mamba_asv.audio.decode import decode
from moe_mamba_asv.corpora.kinds import KIND_BY_NAME, OfficialCount
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.types import Corpus, Label

#: How many utterances a finding names; it always counts all.
NAMED = 20

#: How many files wait for a thread at once; an interrupted check still decodes these.
QUEUED = 256

Progress = Callable[[int, int], None]
FindingKind = Literal["missing", "undecodable", "duplicate", "count", "attack", "speaker-overlap", "shortcut"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that a user of the corpus must know.

    Attributes:
        kind: ``missing``, ``undecodable``, ``duplicate``, ``count``, ``attack``, ``speaker-overlap`` or ``shortcut``.
        severity: an ``error`` makes numbers wrong, a ``warning`` may be meant so.
        message: what was found.
        utterances: the first `NAMED` concerned.
        count: how many are concerned.
    """

    kind: FindingKind
    severity: Severity
    message: str
    utterances: tuple[str, ...]
    count: int


def check_corpus(
    corpus: Corpus, *, decode_audio: bool, on_progress: Progress = lambda done, total: None
) -> list[Finding]:
    """Check files, contents, counts, attacks and speakers.

    Args:
        corpus: with or without audio paths; without any only the labels are checked, else a null path is missing.
        decode_audio: decode every file to the end; minutes to hours on a large corpus.
        on_progress: called with files done and all files, while decoding.
    """
    findings = [*_counts(corpus), *_uncatalogued(corpus), *_speaker_overlap(corpus)]
    if corpus.table["path"].null_count() == len(corpus.table):
        return findings
    present, missing = [], []
    for utterance, path in corpus.table.select("utterance", "path").iter_rows():
        if path is not None and Path(path).is_file():
            present.append((utterance, Path(path)))
        else:
            missing.append(utterance)
    if missing:
        findings.append(_finding("missing", "error", "audio files that are not there", missing))
    findings += _duplicates(present)
    if decode_audio:
        findings += _undecodable(present, on_progress)
    return findings


def _finding(kind: FindingKind, severity: Severity, message: str, utterances: Sequence[str]) -> Finding:
    return Finding(kind, severity, message, tuple(utterances[:NAMED]), len(utterances))


def _counts(corpus: Corpus) -> Iterable[Finding]:
    """Official counts of the partitions (or the 2021 subset) that are present."""
    official = KIND_BY_NAME[corpus.kind].counts if corpus.kind in KIND_BY_NAME else ()
    for count in official:
        part = corpus.table.filter(pl.col("partition") == count.partition.value)
        if count.subset is not None:
            part = part.filter(pl.col("subset") == count.subset)
        if part.is_empty():
            continue
        yield from _against(count, part)


def _against(count: OfficialCount, part: pl.DataFrame) -> Iterable[Finding]:
    for label, wanted in ((Label.BONAFIDE, count.bonafide), (Label.SPOOF, count.spoof)):
        got = int((part["label"] == label.value).sum())
        if got != wanted:
            text = f"{count.name}: {got:,} {label}, officially {wanted:,}"
            yield Finding("count", "error", text, (), abs(got - wanted))
    if count.per_attack is None:
        return
    for attack, number in part.drop_nulls("attack").group_by("attack").len().sort("attack").iter_rows():
        if number != count.per_attack:
            text = f"{count.name}: {number:,} trials of {attack}, officially {count.per_attack:,}"
            yield Finding("count", "error", text, (), abs(number - count.per_attack))


def _uncatalogued(corpus: Corpus) -> Iterable[Finding]:
    """Attacks of which nothing is published: they count neither as known nor as unknown."""
    if not corpus.attacks:
        return
    spoofed = corpus.table.drop_nulls("attack")
    if corpus.kind == "asvspoof2021-df":
        # Its attacks from the Voice Conversion Challenges have no published catalogue.
        spoofed = spoofed.filter(pl.col("source") == "asvspoof")
    strange = spoofed.filter(~pl.col("attack").is_in(list(corpus.attacks)))
    for attack, utterances in strange.group_by("attack", maintain_order=True).agg("utterance").iter_rows():
        yield _finding("attack", "warning", f"trials of {attack}, which the catalogue does not list", utterances)


def _speaker_overlap(corpus: Corpus) -> Iterable[Finding]:
    """A speaker in two partitions lets a detector recognise the voice instead of the fake."""
    pairs = corpus.table.select("speaker", "partition").drop_nulls().unique()
    shared = pairs.group_by("speaker").agg(pl.col("partition").sort()).filter(pl.col("partition").list.len() > 1)
    if not shared.is_empty():
        speakers = shared["speaker"].sort().to_list()
        yield _finding("speaker-overlap", "error", "speakers in more than one partition", speakers)


def _duplicates(rows: Sequence[tuple[str, Path]]) -> Iterable[Finding]:
    """Files with the same bytes; only files of the same size are read."""
    by_size: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for utterance, path in rows:
        by_size[path.stat().st_size].append((utterance, path))
    by_content: dict[str, list[str]] = defaultdict(list)
    for same_size in by_size.values():
        for utterance, path in same_size if len(same_size) > 1 else []:
            with path.open("rb") as file:
                by_content[hashlib.file_digest(file, "sha256").hexdigest()].append(utterance)
    groups = sorted(sorted(group) for group in by_content.values() if len(group) > 1)
    if groups:
        named = [" = ".join(group) for group in groups]
        yield _finding("duplicate", "error", "groups of utterances with the same content", named)


def _undecodable(rows: Sequence[tuple[str, Path]], on_progress: Progress) -> Iterable[Finding]:
    def reason(row: tuple[str, Path]) -> str | None:
        try:
            decode(row[1])
        except AudioError as error:
            return f"{row[0]}: {error}"
        return None

    bad = []
    with ThreadPoolExecutor() as pool:
        starts = range(0, len(rows), QUEUED)
        texts = (text for start in starts for text in pool.map(reason, rows[start : start + QUEUED]))
        for number, text in enumerate(texts, start=1):
            if text is not None:
                bad.append(text)
            on_progress(number, len(rows))
    if bad:
        yield _finding("undecodable", "error", "files that cannot be decoded", bad)
