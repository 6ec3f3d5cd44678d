"""Every figure that a diagnosis has."""

from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis
from moe_mamba_asv.reports.drawings.layers import layer_weights_figure, sinc_figure
from moe_mamba_asv.reports.drawings.model import router_figure, streams_figure
from moe_mamba_asv.reports.drawings.robustness import robustness_figure
from moe_mamba_asv.reports.drawings.shortcuts import shortcut_figure
from moe_mamba_asv.reports.drawings.training import training_figure


def draw_diagnosis(diagnosis: Diagnosis) -> dict[str, str]:
    """SVG text by name, of what was diagnosed: ``training``, ``layers``, ``sinc``, ``streams`` …"""
    figures = {}
    if diagnosis.training is not None and diagnosis.training.epochs:
        figures["training"] = training_figure([(diagnosis.system, diagnosis.training)])
    if diagnosis.layers is not None and diagnosis.layers.weights:
        figures["layers"] = layer_weights_figure(diagnosis.layers)
    if diagnosis.layers is not None and diagnosis.layers.banks:
        figures["sinc"] = sinc_figure(diagnosis.layers)
    if diagnosis.streams is not None:
        figures["streams"] = streams_figure(diagnosis.streams)
    if diagnosis.router is not None:
        figures["router"] = router_figure(diagnosis.router)
    if diagnosis.shortcuts is not None:
        figures["shortcuts"] = shortcut_figure(diagnosis.shortcuts)
    if diagnosis.robustness is not None and diagnosis.robustness.conditions:
        figures["robustness"] = robustness_figure([(diagnosis.system, diagnosis.robustness)])
    return figures
