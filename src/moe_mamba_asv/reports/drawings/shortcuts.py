"""How far the scores of a detector follow what is no trace of a fake, as a figure."""

import numpy as np

from moe_mamba_asv.diagnostics.results.shortcuts import ShortcutResult
from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, drawing, svg_of


def shortcut_figure(result: ShortcutResult) -> str:
    """Correlation of score and feature within the classes: a dot with its interval for each feature.

    Triangles are the two classes (bona fide up, spoof down); dotted lines are the limits; what the rule found carries
    an asterisk. On the right, the AUC of the feature alone.
    """
    dots = [(one.correlation, one.ci) for one in result.features if one.correlation is not None and one.ci is not None]
    shown = [one for one in result.features if one.correlation is not None]
    found = [finding for finding in result.findings if finding.fault == "shortcut"]
    raised = {finding.where for finding in found if finding.raised}
    with drawing(height_in=1.2 + 0.3 * len(shown)) as (figure, axes):
        axes.axvline(0, color=INK, linewidth=1.0, linestyle="--")
        for limit in {finding.limit for finding in found}:
            for place in (-limit, limit):
                axes.axvline(place, color=INK, linewidth=1.0, linestyle=":")
        for row, (correlation, ci) in enumerate(dots):
            axes.plot(np.array(ci), [row, row], color=INK, linewidth=1.0, marker="|", markersize=6)
            axes.plot(correlation, row, "o", color=INK, markersize=6, label="mean" if row == 0 else None)
        for marker, colour, label, values in (
            ("^", BONAFIDE, "bona fide", [one.within_bonafide for one in shown]),
            ("v", SPOOF, "spoof", [one.within_spoof for one in shown]),
        ):
            # A class without a coefficient leaves a gap.
            coefficients = np.array(values, dtype=np.float64)
            axes.plot(coefficients, np.arange(len(shown)), marker, color=colour, markersize=5, alpha=0.8, label=label)
        names = [f"{one.feature} *" if one.feature in raised else one.feature for one in shown]
        axes.set_yticks(range(len(shown)), names)
        axes.set(xlabel="rank correlation with the score", xlim=(-1.05, 1.05), ylim=(len(shown) - 0.4, -0.6))
        axes.grid(axis="x")
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(shown)), [f"AUC {one.auc:.2f}" for one in shown])
        right.tick_params(length=0)
        right.spines["right"].set_visible(False)
        figure.legend(frameon=False, ncols=3, loc="outside upper center", handlelength=1.0, columnspacing=1.2)
        return svg_of(figure)
