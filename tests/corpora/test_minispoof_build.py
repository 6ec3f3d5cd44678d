"""Building the corpus: layout, determinism, resumption, bad inputs."""

import json
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import corpus_build
from moe_mamba_asv.corpora.minispoof import build as build_module
from moe_mamba_asv.corpora.minispoof.build import build_minispoof
from moe_mamba_asv.corpora.minispoof.plan import make_plan
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.errors import ConfigError, CorpusError

LIMIT = 6  # one recording a speaker
ATTACKS = ("A01", "A02", "A04", "A07", "A08", "A09", "A16")  # those that need no engine, but for the slowest
PROTOCOLS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


def protocol(out: Path, partition: str) -> list[list[str]]:
    text = (out / "minispoof_cm_protocols" / f"minispoof.cm.{PROTOCOLS[partition]}.txt").read_text()
    return [line.split() for line in text.splitlines()]


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "minispoof"
    build_minispoof(out, limit=LIMIT, attacks=ATTACKS, workers=1)
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four speakers' recordings in folders of their names."""
    clips = {clip.speaker: clip.path for clip in embedded_speech().clips}
    for speaker in ("allison", "bigfish", "carlo", "june"):
        (tmp_path / "speech" / speaker).mkdir(parents=True)
        shutil.copy(clips[speaker], tmp_path / "speech" / speaker / "1.flac")
    return tmp_path / "speech"


def test_layout_counts_and_description(built: Path) -> None:
    wanted = {"train": ["-", "A01", "A02", "A04"], "dev": ["-", "A01", "A02", "A04"]}
    wanted["eval"] = ["-", "A07", "A08", "A09", "A16"]
    for partition, attacks in wanted.items():
        lines = protocol(built, partition)
        assert sorted({line[3] for line in lines}) == attacks
        assert all(line[2] == "-" and line[4] == ("bonafide" if line[3] == "-" else "spoof") for line in lines)
        sounds = {path.stem for path in (built / f"minispoof_{partition}" / "flac").iterdir()}
        assert sounds == {line[1] for line in lines}
    description = json.loads((built / "corpus.json").read_text())
    assert description["counts"]["eval"] == {"bonafide": 2, "A07": 2, "A08": 2, "A09": 2, "A16": 2}
    assert set(description["attacks"][0]) == {"id", "kind", "system", "waveform", "known", "engines"}
    assert description["licence"] == ["CC-BY-3.0", "CC-BY-SA-3.0", "GPL-2.0-only"]
    assert str(built) not in json.dumps(description)


def test_recordings_say_which_trials_belong_together(built: Path) -> None:
    rows = [line.split(",") for line in (built / "recordings.csv").read_text().splitlines()]
    assert rows[0] == ["utterance", "attack", "recording"]
    of_recording = defaultdict(list)
    for _, attack, recording in rows[1:]:
        of_recording[recording].append(attack)
    assert sorted(map(len, of_recording.values())) == [4, 4, 4, 4, 5, 5]
    protocols = {line[1]: line[3] for partition in PROTOCOLS for line in protocol(built, partition)}
    assert {utterance: attack for utterance, attack, _ in rows[1:]} == protocols


def test_speakers_are_in_one_partition_only(built: Path) -> None:
    speakers = {partition: {line[0] for line in protocol(built, partition)} for partition in PROTOCOLS}
    assert sum(map(len, speakers.values())) == len(set.union(*speakers.values())) == 6


def test_sounds_of_one_recording_have_one_length_and_format(built: Path) -> None:
    lengths = defaultdict(set)
    for partition in PROTOCOLS:
        for speaker, utterance, *_ in protocol(built, partition):
            info = soundfile.info(built / f"minispoof_{partition}" / "flac" / f"{utterance}.flac")
            assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
            lengths[speaker].add(info.frames)
    assert [len(lengths[speaker]) for speaker in lengths] == [1] * 6


def test_utterance_ids_do_not_tell_the_class() -> None:
    plan = make_plan(None, limit=None, seed=0, attacks=ATTACKS)
    trials = [trial for clip in plan.clips for trial in clip.trials if trial.utterance.startswith("MS_T_")]
    bonafide = np.array([int(trial.utterance[-7:]) for trial in trials if trial.attack is None])
    assert len(bonafide) == len(trials) // 4
    # Ranks of 108 among 432: their mean has a standard deviation of 10.4 under chance.
    assert bonafide.mean() - 1_000_001 == pytest.approx((len(trials) - 1) / 2, abs=32)
    assert len(np.unique(bonafide % 4)) == 4


def test_any_number_of_workers_makes_the_same_files(built: Path, tmp_path: Path) -> None:
    build_minispoof(tmp_path / "again", limit=LIMIT, attacks=ATTACKS, workers=2)
    assert contents(tmp_path / "again") == contents(built)


def test_another_seed_makes_another_corpus(built: Path, tmp_path: Path) -> None:
    build_minispoof(tmp_path / "other", limit=LIMIT, attacks=ATTACKS, seed=1, workers=1)
    assert protocol(tmp_path / "other", "train") != protocol(built, "train")


def test_killed_midway_and_called_again_ends_with_the_same_files(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls = tmp_path / "resumed", []

    class KilledError(Exception):
        pass

    def kill_at_the_third(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KilledError
        return whole(*arguments, **options)

    whole = build_module.build_clip
    monkeypatch.setattr(build_module, "build_clip", kill_at_the_third)
    with pytest.raises(KilledError):
        build_minispoof(out, limit=LIMIT, attacks=ATTACKS, workers=1)
    assert not (out / "corpus.json").exists()
    monkeypatch.setattr(build_module, "build_clip", whole)
    summary = build_minispoof(out, limit=LIMIT, attacks=ATTACKS, workers=1)
    assert summary.reused == 9  # one evaluation and one training recording were finished
    assert summary.built == 26 - summary.reused
    assert contents(out) == contents(built)


def test_only_deleted_files_are_made_again(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(built, out)
    victims = sorted((out / "minispoof_eval" / "flac").iterdir())[::3]
    for victim in victims:
        victim.unlink()
    summary = build_minispoof(out, limit=LIMIT, attacks=ATTACKS, workers=1)
    assert summary.built == len(victims)
    assert contents(out) == contents(built)


def test_folder_that_holds_something_else_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CorpusError, match="holds something else"):
        build_minispoof(tmp_path, limit=LIMIT, attacks=ATTACKS)
    with pytest.raises(CorpusError, match="other speech, attacks, limit or seed"):
        build_minispoof(built, limit=LIMIT, attacks=ATTACKS, seed=7)


def test_limit_that_empties_a_partition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without speech"):
        build_minispoof(tmp_path / "out", limit=2)


def test_bad_recordings_are_listed_and_do_not_stop_the_rest(folder: Path, tmp_path: Path) -> None:
    (folder / "carlo" / "broken.wav").write_bytes(b"not a sound")
    (folder / "june" / "empty.flac").touch()
    soundfile.write(folder / "june" / "short.wav", np.ones(160), 16_000)
    soundfile.write(folder / "june" / "silent.wav", np.zeros(32_000), 16_000)
    seen: list[tuple[int, int]] = []
    summary = build_minispoof(
        tmp_path / "out", speech=folder, attacks=ATTACKS, workers=1, progress=lambda *done: seen.append(done)
    )
    failed = {Path(failure.path).name: failure.reason for failure in summary.failed}
    assert set(failed) == {"broken.wav", "empty.flac", "short.wav", "silent.wav"}
    assert "silent" in failed["silent.wav"]
    assert seen[-1] == (8, 8)
    assert sum(counts["bonafide"] for counts in summary.counts.values()) == 4
    listed = {line[1] for partition in PROTOCOLS for line in protocol(tmp_path / "out", partition)}
    assert listed == {path.stem for path in (tmp_path / "out").rglob("*.flac")}


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    for speaker in "abc":
        (tmp_path / "speech" / speaker).mkdir(parents=True)
        (tmp_path / "speech" / speaker / "1.wav").write_bytes(b"not a sound")
    with pytest.raises(CorpusError, match="none of 3 recordings"):
        build_minispoof(tmp_path / "out", speech=tmp_path / "speech", attacks=ATTACKS, workers=1)


def test_command_prints_counts_and_exits_1_when_an_input_failed(folder: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    corpus_build.register(app)
    arguments = [
        "build",
        "minispoof",
        "--speech",
        str(folder),
        "--attacks",
        ",".join(ATTACKS),
        "--workers",
        "1",
        "--out",
    ]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "good")])
    assert done.exit_code == 0, done.output
    assert "eval: bonafide 1, A07 1" in done.stdout
    (folder / "june" / "empty.flac").touch()
    some_failed = CliRunner().invoke(app, [*arguments, str(tmp_path / "some"), "--json"])
    assert some_failed.exit_code == 1
    assert [Path(failure["path"]).name for failure in json.loads(some_failed.stdout)["failed"]] == ["empty.flac"]
    refused = CliRunner().invoke(app, [*arguments, str(folder)])
    assert refused.exit_code == 2


def test_workers_of_a_killed_build_end_too(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from moe_mamba_asv.corpora.minispoof.build import build_minispoof\n"
        "if __name__ == '__main__':\n"
        f"    build_minispoof(Path({str(tmp_path / 'out')!r}), attacks={ATTACKS!r}, workers=2)\n"
    )
    (tmp_path / "build.py").write_text(code)
    with subprocess.Popen([sys.executable, str(tmp_path / "build.py")]) as build:
        parent, children = psutil.Process(build.pid), []
        while len(children) < 2 or not any((tmp_path / "out").rglob("*.flac")):
            assert build.poll() is None
            children = [one for one in parent.children(recursive=True) if "spawn_main" in " ".join(one.cmdline())]
            time.sleep(0.1)
        build.kill()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_building_never_imports_torch() -> None:
    code = "import sys, moe_mamba_asv.corpora.minispoof.build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everywhere_each_attack_is_in_each_partition(tmp_path: Path) -> None:
    few = ("A02", "A07")
    summary = build_minispoof(tmp_path / "all", limit=LIMIT, attacks=few, everywhere=True, workers=1)
    for partition, counts in summary.counts.items():
        assert set(counts) == {"bonafide", *few}
        assert len(set(counts.values())) == 1
        assert {row[3] for row in protocol(tmp_path / "all", partition)} == {"-", *few}
    with pytest.raises(CorpusError):  # the same folder without it is another corpus
        build_minispoof(tmp_path / "all", limit=LIMIT, attacks=few, workers=1)
