"""The tables that the ASVspoof organisers publish, one preset each."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from moe_mamba_asv.corpora.asvspoof2021 import SUBSETS
from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1, DcfCosts
from moe_mamba_asv.evaluation.tables.axes import Axis
from moe_mamba_asv.evaluation.tables.breakdown import breakdown
from moe_mamba_asv.evaluation.tables.result import Breakdown
from moe_mamba_asv.types import Partition

#: Names of all presets.
PRESETS = ("2019-la", "2021-la", "2021-df", "asvspoof5-track1")
#: C1 to C7 and C1 to C9 in order, by the words of the key files.
CONDITIONS_2021_LA = ("none", "alaw", "pstn", "g722", "ulaw", "gsm", "opus")
CONDITIONS_2021_DF = (
    *("nocodec", "low_mp3", "high_mp3", "low_m4a", "high_m4a", "low_ogg", "high_ogg"),
    *("mp3m4a", "oggm4a"),
)
_VOCODERS_2021_DF = {
    "traditional_vocoder": "traditional",
    "waveform_concatenation": "concatenation",
    "neural_vocoder_autoregressive": "neural AR",
    "neural_vocoder_nonautoregressive": "neural non-AR",
    "unknown": "unknown",
}


class Preset(BaseModel):
    """One official table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="how a person asks for it")
    title: str = Field(description="what the table is, in words")
    corpus: str = Field(description="reader of the only corpus that it is of; the partition is always eval")
    axes: tuple[Axis, ...] = Field(description="rows, and columns if any")
    subset: str | None = Field(
        default=None, description="phase that published figures are of; None where there are no phases"
    )
    dcf: DcfCosts | None = Field(
        default=None, description="costs of the countermeasure alone; None where there are none"
    )


def find_preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ConfigError: there is no such preset.

    Source: Wang et al., ASVspoof 2019: a large-scale public database of synthesized, converted and replayed speech,
    Computer Speech and Language 2020; Liu et al., ASVspoof 2021: towards spoofed and deepfake speech detection in the
    wild, IEEE/ACM TASLP 2023; the ASVspoof 5 evaluation plan, 2024.
    """
    match name:
        case "2019-la":
            title = "ASVspoof 2019 LA: EER by attack"
            return Preset(name=name, title=title, corpus="asvspoof2019-la", axes=(_attacks(7, 19),))
        case "2021-la":
            codec = Axis(name="codec", levels=CONDITIONS_2021_LA, labels=_codes(CONDITIONS_2021_LA))
            title = f"ASVspoof 2021 LA: EER by attack and condition ({_legend(codec.labels)})"
            axes = (_attacks(7, 19), codec)
            return Preset(name=name, title=title, corpus="asvspoof2021-la", axes=axes, subset="eval")
        case "2021-df":
            vocoder = Axis(name="vocoder", levels=tuple(_VOCODERS_2021_DF), labels=_VOCODERS_2021_DF)
            compression = Axis(name="compression", levels=CONDITIONS_2021_DF, labels=_codes(CONDITIONS_2021_DF))
            title = f"ASVspoof 2021 DF: EER by vocoder and compression ({_legend(compression.labels)})"
            axes = (vocoder, compression)
            return Preset(name=name, title=title, corpus="asvspoof2021-df", axes=axes, subset="eval")
        case "asvspoof5-track1":
            title = "ASVspoof 5 Track 1: EER, detection costs and Cllr by attack"
            axes = (_attacks(17, 32),)
            return Preset(name=name, title=title, corpus="asvspoof5", axes=axes, dcf=ASVSPOOF5_TRACK1)
    raise ConfigError(f"preset {name!r}", wanted=", ".join(PRESETS))


def official_table(
    trials: Trials,
    name: str,
    *,
    asv: AsvScores | None = None,
    subset: str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    cluster: str | None = None,
) -> Breakdown:
    """Judge one system as the organisers' table does.

    Args:
        trials: the evaluation partition of the preset's corpus.
        name: one of `PRESETS`.
        asv: for the t-DCF; see `breakdown`.
        subset: phase of ASVspoof 2021; None takes ``eval``, which published figures are of.
        n_bootstrap: replicates of every interval; 0 leaves the intervals out.
        seed: of the bootstrap.
        cluster: see `breakdown`.

    Raises:
        ConfigError: there is no such preset or subset; trials without a value of ``cluster``.
        ScoreError: trials of another corpus, partition or subset.
    """
    preset = find_preset(name)
    if trials.corpus != preset.corpus or trials.partition != Partition.EVAL:
        raise ScoreError(
            f"the table {name} of {trials.corpus}, partition {trials.partition}",
            wanted=f"trials of {preset.corpus}, partition {Partition.EVAL}",
            remedy="a breakdown by attack, which any corpus has",
        )
    wanted = preset.subset if subset is None else subset
    caption = f"{preset.title}; partition {Partition.EVAL}"
    if wanted is not None:
        trials = _only_subset(trials, preset, wanted)
        caption += f", subset {wanted}" + ("" if wanted == preset.subset else f" (published figures: {preset.subset})")
    drawn = {"n_bootstrap": n_bootstrap, "seed": seed, "cluster": cluster}
    return breakdown(trials, preset.axes, asv=asv, dcf=preset.dcf, caption=caption, **drawn)


def _only_subset(trials: Trials, preset: Preset, subset: str) -> Trials:
    if preset.subset is None or subset not in SUBSETS:
        wanted = "none" if preset.subset is None else " | ".join(SUBSETS)
        raise ConfigError(f"subset {subset!r} of the table {preset.name}", wanted=wanted)
    rows = (trials.frame["subset"] == subset).fill_null(False).to_numpy()
    if not rows.any():
        there = ", ".join(trials.frame["subset"].drop_nulls().unique().sort().to_list())
        raise ScoreError(f"no scored trials of subset {subset}", wanted=f"scores of it; these are of {there}")
    if rows.all():
        return trials
    return replace(
        trials,
        score=trials.score[rows],
        is_bonafide=trials.is_bonafide[rows],
        attack=trials.attack[rows],
        frame=trials.frame.filter(pl.Series(rows)),
        notes=(*trials.notes, f"subset {subset}: {rows.sum():,} of {rows.size:,} scored trials"),
    )


def _attacks(first: int, last: int) -> Axis:
    return Axis(name="attack", levels=tuple(f"A{number:02d}" for number in range(first, last + 1)))


def _codes(words: tuple[str, ...]) -> dict[str, str]:
    return {word: f"C{number}" for number, word in enumerate(words, start=1)}


def _legend(codes: Mapping[str, str]) -> str:
    return ", ".join(f"{code} {word}" for word, code in codes.items())
