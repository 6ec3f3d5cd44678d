"""Both languages say the same things."""

import string
from importlib.resources import files

import pytest
import yaml

from moe_mamba_asv.reports.locale import LANGUAGES, load_locale


def flat(texts, prefix=""):
    if isinstance(texts, dict):
        return {key: text for name, inner in texts.items() for key, text in flat(inner, f"{prefix}.{name}").items()}
    if isinstance(texts, list):
        return {key: text for i, inner in enumerate(texts) for key, text in flat(inner, f"{prefix}.{i}").items()}
    return {prefix: texts}


def every_text(language):
    content = files("moe_mamba_asv.reports").joinpath("locales", f"{language}.yaml").read_text(encoding="utf-8")
    return flat(yaml.safe_load(content))


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_same_keys_in_both_languages():
    assert every_text("en").keys() == every_text("zh").keys()


def test_same_placeholders_in_both_languages():
    english, chinese = every_text("en"), every_text("zh")
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in chinese.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_a_text(language):
    assert [key for key, text in every_text(language).items() if not isinstance(text, str) or not text] == []


def test_chinese_is_chinese_and_has_no_space_where_lines_were_folded():
    import re

    for key, text in every_text("zh").items():
        assert not re.search(r"[\u4e00-\u9fff，。；：] [\u4e00-\u9fff，。；：]", text), key


def test_numbers_as_each_language_writes_them():
    assert load_locale("en").percent(0.010601) == "1.06\u00a0%"
    assert load_locale("zh").percent(0.010601) == "1.06%"


def test_words_that_no_dictionary_has_stay():
    assert load_locale("zh").term("waveform concatenation") == "波形拼接"
    assert load_locale("zh").term("a new vocoder") == "a new vocoder"


def test_every_catalogue_word_has_a_translation():
    from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA

    known_as_they_are = {"LSTM", "VAE", "WaveNet", "WORLD", "WaveRNN", "Griffin-Lim", "STRAIGHT", "Vocaine"}
    known_as_they_are |= {"i-vector/PLDA"}
    words = {word for attack in ATTACKS_2019_LA.values() for word in (attack.system, attack.waveform)}
    assert words - known_as_they_are <= load_locale("zh").text("terms").keys()
