"""The gallery of a minispoof corpus: pairs, pages, sounds that cannot be read."""

import hashlib
import io
import json
from base64 import b64decode, b64encode
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import typer
from PIL import Image
from test_locales import flat, placeholders
from typer.testing import CliRunner

from moe_mamba_asv.cli import corpus_gallery
from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS
from moe_mamba_asv.corpora.minispoof.build import RECORDINGS_FILE
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.reports.gallery import write_gallery
from moe_mamba_asv.reports.gallery_pairs import choose_pairs, read_built_corpus
from moe_mamba_asv.reports.gallery_spectrogram import draw_spectrograms
from moe_mamba_asv.reports.locale import load_locale

app = typer.Typer(name="mma")
corpus_gallery.register(app)
app.callback()(lambda: None)

AWKWARD = "<script>alert(1)</script> & 'more'"
PROTOCOLS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
SPEAKERS = {"train": ("ann", "bob"), "dev": ("cy",), "eval": ("dee", "eve")}
ATTACK_IDS = {"train": ("A01", "A02"), "dev": ("A01", "A02"), "eval": ("A07",)}


@pytest.fixture
def corpus(tmp_path):
    """Two recordings of each of five speakers, each with its spoofs; ids that tell nothing; every sound another."""
    root, rng = tmp_path / "corpus", np.random.default_rng(0)
    rows, number = [], 0
    for partition, speakers in SPEAKERS.items():
        lines = []
        (root / f"minispoof_{partition}" / "flac").mkdir(parents=True)
        for speaker in speakers:
            for take in (1, 2):
                for attack in ("-", *ATTACK_IDS[partition]):
                    number += 1
                    name = f"MS_{number * 7 % 101:03}"
                    sound = 0.1 * rng.normal(size=8000 + 100 * number)
                    soundfile.write(root / f"minispoof_{partition}" / "flac" / f"{name}.flac", sound, 16_000)
                    lines.append(f"{speaker} {name} - {attack} {'bonafide' if attack == '-' else 'spoof'}\n")
                    rows.append(f"{name},{attack},{speaker}_{take}\n")
        file = root / "minispoof_cm_protocols" / f"minispoof.cm.{PROTOCOLS[partition]}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(sorted(lines)))
    (root / RECORDINGS_FILE).write_text("utterance,attack,recording\n" + "".join(sorted(rows)))
    attacks = [
        {"id": "A07", "kind": "VC", "system": AWKWARD, "waveform": "WORLD", "known": False, "engines": [AWKWARD]},
        {"id": "A01", "kind": "copy-synthesis", "system": "x", "waveform": "y", "known": True, "engines": []},
        {"id": "A02", "kind": "TTS", "system": "neural", "waveform": "z", "known": True, "engines": []},
    ]
    facts = {"kind": "minispoof", "recipe_version": 2, "seed": 5, "source": "folder", "licence": ["CC0-1.0"]}
    (root / "corpus.json").write_text(json.dumps({**facts, "attacks": attacks}))
    return root


class Page(HTMLParser):
    """Elements in order, and the text of scripts and cells."""

    def __init__(self, file):
        super().__init__()
        self.elements, self.texts, self._open = [], [], None
        self.feed(file.read_text())

    def handle_starttag(self, tag, attrs):
        self._open = tag
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append((self._open, data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def recordings(root):
    lines = (root / RECORDINGS_FILE).read_text().splitlines()[1:]
    return {name: (attack, recording) for name, attack, recording in (line.split(",") for line in lines)}


def run(*arguments):
    return CliRunner().invoke(app, ["gallery", *map(str, arguments)])


def test_each_attack_is_heard_beside_its_own_original(corpus, tmp_path):
    write_gallery(corpus, tmp_path / "out", num_examples=2)
    names = {file.read_bytes(): file.stem for file in corpus.rglob("*.flac")}
    told = recordings(corpus)
    for language in ("en", "zh"):
        page = Page(tmp_path / "out" / f"gallery.{language}.html")
        sounds = [told[names[b64decode(audio["src"].split(",")[1])]] for audio in page.all("audio")]
        assert [attack for attack, _ in sounds[::2]] == ["-"] * 6
        assert [attack for attack, _ in sounds[1::2]] == ["A01", "A01", "A02", "A02", "A07", "A07"]
        assert [recording for _, recording in sounds[::2]] == [recording for _, recording in sounds[1::2]]
        assert len({audio["aria-label"] for audio in page.all("audio")}) == 12
        assert {audio["preload"] for audio in page.all("audio")} == {"none"}
        assert len({image["alt"] for image in page.all("img")}) == 12


def test_a_page_asks_for_nothing_from_outside_and_names_no_folder(corpus, tmp_path):
    for file in write_gallery(corpus, tmp_path / "out").files:
        page = Page(file)
        addresses = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href")]
        assert {address.split(":")[0].split("-")[0] for address in addresses} == {
            "data", "#attack", "gallery.zh.html" if ".en." in file.name else "gallery.en.html",
        }  # fmt: skip
        ids = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
        assert {address[1:] for address in addresses if address[0] == "#"} <= ids
        assert str(tmp_path) not in file.read_text()


def test_names_in_a_corpus_are_text_and_only_the_page_s_own_script_may_run(corpus, tmp_path):
    file = write_gallery(corpus, tmp_path / "out", languages=("en",)).files[0]
    page = Page(file)
    assert len(page.all("script")) == 1
    assert ("dd", AWKWARD) in page.texts
    script = file.read_text().split("<script>")[1].split("</script>")[0]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert f"script-src 'sha256-{digest}'" in policy


def test_counts_by_attack_and_partition_stand_at_the_top(corpus, tmp_path):
    page = Page(write_gallery(corpus, tmp_path / "out", languages=("en",)).files[0])
    cells = [text for tag, text in page.texts if tag in ("td", "a") and text.strip()]
    start = cells.index("bona fide")
    assert cells[start : start + 10] == ["bona fide", "–", "4", "2", "4", "A01", "copy synthesis", "4", "2", "0"]


def test_other_speakers_come_first_and_a_seed_decides_between_equals(corpus):
    pairs = read_built_corpus(corpus).pairs["A01"]
    draws = [choose_pairs(pairs, 3, np.random.default_rng(seed), Counter()) for seed in range(8)]
    assert all(len({pair.speaker for pair in draw}) == 3 for draw in draws)
    assert choose_pairs(pairs, 3, np.random.default_rng(0), Counter()) == draws[0]
    assert len({tuple(pair.spoof.utterance for pair in draw) for draw in draws}) > 1
    whole = choose_pairs(pairs, 99, np.random.default_rng(0), Counter())
    assert sorted(pair.recording for pair in whole) == sorted(pair.recording for pair in pairs)


def test_the_next_attack_is_shown_on_a_speaker_who_was_not_heard_yet(corpus):
    pairs, shown, rng = read_built_corpus(corpus).pairs, Counter(), np.random.default_rng(0)
    chosen = [choose_pairs(pairs[name], 1, rng, shown)[0].speaker for name in ("A01", "A02", "A01", "A07", "A07")]
    assert len(set(chosen)) == 5
    shown.update({"speaker eve": 9})  # often heard before; beside one more of another she is new all the same
    assert {pair.speaker for pair in choose_pairs(pairs["A07"], 2, rng, shown)} == {"dee", "eve"}


def test_absent_and_broken_sounds_are_listed_and_stop_nothing(corpus, tmp_path):
    told = recordings(corpus)
    gone, broken = (next(name for name, (attack, _) in told.items() if attack == wanted) for wanted in ("A02", "A07"))
    for name, (attack, _) in told.items():  # so that the choice cannot avoid them
        file = next(corpus.rglob(f"{name}.flac"))
        if attack == "A02":
            file.unlink()
        if attack == "A07":
            file.write_bytes(b"no sound")
    result = run(corpus, "--out", tmp_path / "out", "--lang", "en", "--examples", 9, "--json")
    assert result.exit_code == 1, result.output
    said = json.loads(result.stdout)
    failed = {one["utterance"]: one["reason"] for one in said["failed"]}
    assert failed.keys() == {name for name, (attack, _) in told.items() if attack in ("A02", "A07")}
    assert "No such file" in failed[gone]
    assert "cannot be decoded" in failed[broken]
    page = Page(tmp_path / "out" / "gallery.en.html")
    assert len(page.all("audio")) == len(page.all("img")) == 2 * 6 + 6 + 4  # A01 whole; of the others the originals
    assert len(page.all("button")) == 6
    text = (tmp_path / "out" / "gallery.en.html").read_text()
    assert all(text.count(name) >= 2 for name in failed)
    assert str(tmp_path) not in text


def test_one_language_alone_has_no_link_to_the_other(corpus, tmp_path):
    result = run(corpus, "--out", tmp_path / "out", "--lang", "zh", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"files": [str(tmp_path / "out" / "gallery.zh.html")], "failed": []}
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["gallery.zh.html"]
    assert "gallery.en.html" not in (tmp_path / "out" / "gallery.zh.html").read_text()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("corpus.json", None, None, "no corpus.json"),
        ("corpus.json", "minispoof", "mine", "'mine'"),
        ("corpus.json", '"engines"', '"motors"', "attacks.0.engines"),
        ("corpus.json", "A02", "A03", "A02"),
        ("corpus.json", "{", "[", "corpus.json"),
        (RECORDINGS_FILE, None, None, "older build"),
        (RECORDINGS_FILE, "recording\n", "tape\n", "tape"),
        (RECORDINGS_FILE, "MS_007", "MS_999", "MS_007"),
        (RECORDINGS_FILE, "MS_007", "MS_014", "twice"),
    ],
)
def test_what_is_no_whole_corpus_is_refused(corpus, tmp_path, file, old, new, said):
    if old is None:
        (corpus / file).unlink()
    else:
        (corpus / file).write_text((corpus / file).read_text().replace(old, new, 1 if old == "{" else -1))
    with pytest.raises(CorpusError) as error:
        write_gallery(corpus, tmp_path / "out")
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()
    assert run(corpus, "--out", tmp_path / "out").exit_code == 2


def brightness(png):
    """Inside the axes, upper row first; shape (rows, columns)."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)
    return pixels[20:300, 70:560]


def test_spectrograms_share_scale_and_time_and_stay_small():
    t_s = np.arange(48_000) / 16_000
    rng = np.random.default_rng(0)
    loud = 0.5 * np.sin(2 * np.pi * 2000 * t_s) + 1e-4 * rng.normal(size=48_000)
    pictures = draw_spectrograms([loud, 0.03 * loud[:24_000]])
    whole, short = (brightness(picture) for picture in pictures)
    brightest_row = whole.mean(axis=1).argmax() / len(whole)
    assert brightest_row == pytest.approx(0.75, abs=0.03)  # 2 of 8 kHz from below
    assert whole.max() > 1.3 * short.max()
    assert short[:, :230].mean() > 1.3 * short[:, 270:].mean()  # it ends at the middle of the longer one
    assert draw_spectrograms([0.03 * loud])[0] == draw_spectrograms([loud])[0]
    noise = rng.normal(size=160_000) * np.geomspace(1e-3, 1, 160_000)
    assert max(len(picture) for picture in [*pictures, *draw_spectrograms([noise])]) < 40_000
    assert brightness(draw_spectrograms([np.zeros(1)])[0]).max() == 0


def test_both_languages_say_the_same_and_know_every_word_of_the_catalogue():
    english, chinese = (flat(load_locale(code).text("gallery")) for code in ("en", "zh"))
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in chinese.items()
    }
    as_they_are = {"WORLD", "Griffin-Lim", "Festival", "CELP", "VITS (Piper)", "StyleTTS 2 (Kokoro)"}
    words = {word for attack in ATTACKS for word in (attack.facts.system, attack.facts.waveform)}
    assert words - as_they_are <= load_locale("zh").text("terms").keys()
