"""What a generalisation gap answers: rates are fractions, a shift above zero means more errors after than before."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from moe_mamba_asv.evaluation.result import Result

#: The links of the chain, in its order.
ShiftName = Literal["attacks left out", "speakers", "channel", "attacks added", "all at once"]


class Side(Result):
    """Some bona fide and some spoofed trials, and their EER."""

    what: str = Field(description="which trials, in words")
    n_bonafide: int = Field(description="bona fide trials")
    n_spoof: int = Field(description="spoofed trials")
    eer: float = Field(description="equal error rate, a fraction")
    eer_ci: tuple[float, float] | None = Field(description="its interval; None without a bootstrap")


class Step(Result):
    """From one side to another."""

    before: Side = Field(description="where the step begins")
    after: Side = Field(description="where it ends")
    value: float = Field(description="EER after minus EER before")
    ci: tuple[float, float] | None = Field(description="interval of the value; None without a bootstrap")
    p: float | None = Field(description="two-sided p-value of no step at all; None without a bootstrap")


class Shift(Step):
    """One link of the chain from dev to eval."""

    name: ShiftName = Field(description="what is other after than before")


class Gap(Result):
    """How much worse a system is on eval than on dev, and of what that is made.

    The values of ``chain`` add up to that of ``whole``: each link begins where the one before it ends.
    """

    system: str = Field(description="who answered, as the score files say; empty if they do not")
    corpora: tuple[str, str] = Field(description="names of the corpus readers, of dev and of eval")
    whole: Step = Field(description="from dev to eval, all trials of each")
    known_to_unknown: Step | None = Field(
        description="on eval, from attacks that training had to those that it had not; None without either"
    )
    chain: tuple[Shift, ...] = Field(description="the whole, link by link")
    same_attacks: Mapping[str, str] = Field(description="id on dev by id on eval of the attacks that both have")
    channel: str | None = Field(description="column that the channel is read from; None where none tells")
    not_separated: tuple[str, ...] = Field(description="what the labels cannot tell apart")
    confidence: float = Field(gt=0, lt=1, description="of every interval")
    n_bootstrap: int = Field(description="replicates of every interval; 0 if there are none")
    seed: int = Field(description="of the bootstrap")
    warnings: tuple[str, ...] = Field(description="what makes the figures suspect")

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; absent figures are None."""
        return self.model_dump(mode="json")
