"""Train a self-supervised model on: start a run, stop it anywhere, resume it, end with the same weights.

A run folder holds ``run.json`` (what was asked), ``clusters.safetensors`` (what is predicted), ``metrics.csv`` (a row
each ``every_steps``), ``state/last.ckpt`` (all that resuming needs), where it was wanted ``events.jsonl`` (steps that
were skipped) and ``unreadable.csv``; and in the end the model, as transformers writes it.
"""

import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.frontends.ssl_source import Published, load_published, save_published
from moe_mamba_asv.scores.table import write_atomically
from moe_mamba_asv.training.pretrain.draws import Purpose, generator, torch_seed
from moe_mamba_asv.training.pretrain.loop import Loop
from moe_mamba_asv.training.pretrain.predictor import MaskedPredictor
from moe_mamba_asv.training.pretrain.run import Pretraining, PretrainResult, Report, claim
from moe_mamba_asv.training.pretrain.speech import Speech
from moe_mamba_asv.training.pretrain.stepper import MaskedStepper
from moe_mamba_asv.training.pretrain.targets import FrameTargets, HiddenFeatures, MelFeatures, fit_centres


def pretrain(
    run: Pretraining, *, resume: bool = False, report: Report = lambda what, done, total, loss: None
) -> PretrainResult:
    """Train a model to guess clusters of hidden frames, and write it as a source for `SslConfig`.

    Args:
        run: what to train, on what, into which folder.
        resume: go on from the folder's state if there is one; without it a folder that holds a run is refused.
        report: told as it goes on.

    Raises:
        CheckpointError: no model at the source.
        ConfigError: a layer that the model does not have, or spans longer than a crop.
        TrainingError: the folder holds another run, the speech cannot be read, or numbers stay not finite.

    Source: Hsu et al., "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units",
        2021. Here the head is one linear layer, and targets are computed for each crop as it is heard, so that a short
        run need not label a whole corpus first.
    """
    config = run.config
    num_samples = round(config.crop_s * SAMPLE_RATE_HZ)
    speech = Speech(run.speech, num_samples, seed=run.seed, held_out_share=config.held_out_share)
    torch.manual_seed(torch_seed(Purpose.WEIGHTS, run.seed))
    published = load_published(run.source, at_random=config.from_scratch)
    predictor = MaskedPredictor(published, config.clusters, config.trainable)
    features = _features(run, published, predictor)
    device = torch.device(run.device)
    centres = _claimed_centres(run, features.to(device), speech, resume, report)
    targets = FrameTargets(features, centres.to(device))
    stepper = MaskedStepper(predictor.to(device), targets, config, run.seed)
    loop = Loop(run, stepper, speech)
    progress = loop.train(resume=resume, report=report)
    _write_model(published, run.out)
    return PretrainResult(
        model=run.out,
        before=loop.held_out(progress.rows[0]),
        after=loop.held_out(progress.rows[-1]),
        steps=progress.step,
        skipped=progress.skipped,
        training_files=len(speech.training),
        held_out_files=len(speech.held_out),
        unreadable=progress.unreadable,
    )


def _features(run: Pretraining, published: Published, predictor: MaskedPredictor) -> nn.Module:
    """What the clusters are of."""
    if run.config.from_scratch:
        return MelFeatures(predictor.encoder.frame_centres)
    layer = run.config.layer or max(1, published.model.config.num_hidden_layers // 2)
    return HiddenFeatures(run.source, layer)


def _claimed_centres(run: Pretraining, features: nn.Module, speech: Speech, resume: bool, report: Report) -> Tensor:
    """The clusters of the run, from its folder or for it; what cannot be clustered leaves no folder behind."""
    if run.begun:
        claim(run, speech, resume=resume)
        if run.clusters.is_file():
            return load_file(run.clusters)["centres"]
    elif (run.out / "config.json").exists():
        raise TrainingError(f"{run.out} holds a model of another origin", remedy="another --out")
    frames = _sample_frames(run, features, speech, report)
    centres = fit_centres(frames, run.config.clusters, generator(Purpose.CLUSTER, run.seed, 0))
    if not run.begun:
        claim(run, speech, resume=resume)
    write_atomically(run.clusters, save({"centres": centres}))
    return centres


@torch.no_grad()
def _sample_frames(run: Pretraining, features: nn.Module, speech: Speech, report: Report) -> Tensor:
    """(frames, dimensions), on the CPU, of as many crops as it takes."""
    parts: list[Tensor] = []
    count, wanted = 0, run.config.cluster_frames
    for crop in speech.sample():
        frames = features(torch.from_numpy(crop)[None].to(run.device))[0]
        parts.append(frames.cpu())
        count += len(frames)
        report("listening for clusters", min(count, wanted), wanted, math.nan)
        if count >= wanted:
            break
    if not count:
        raise TrainingError(f"no file in {run.speech} gave a frame", wanted="sounds that can be decoded")
    sample = torch.cat(parts)[:wanted]
    if not torch.isfinite(sample).all():
        raise TrainingError(f"hidden states of {run.source} that are not finite", wanted="a model with finite weights")
    return sample


def _write_model(published: Published, out: Path) -> None:
    """Put the model into the run folder, config.json last: where it is, the model is whole."""
    fresh = out / ".model.new"
    shutil.rmtree(fresh, ignore_errors=True)
    save_published(published, fresh)
    for path in sorted(fresh.iterdir(), key=lambda path: path.name == "config.json"):
        path.replace(out / path.name)
    fresh.rmdir()
