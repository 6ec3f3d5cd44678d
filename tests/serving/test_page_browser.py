"""The page in a real browser: Chromium, driven by Playwright, before a service with a tiny model."""

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_uploads import sound

from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.run import make_server
from moe_mamba_asv.serving.settings import Settings

pytest.importorskip("playwright", reason="needs playwright (pip install playwright)")
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.is_file():
    pytest.skip(f"needs a browser at {CHROMIUM} (apt-get install chromium)", allow_module_level=True)

_FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_KEY = "a-key-of-32-characters-or-so-0123"


def _served(settings: Settings) -> Iterator[str]:
    """The address of a service."""
    settings = settings.model_copy(update={"port": 0})
    server = make_server(create_app(settings), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    yield from _served(settings)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", permissions=["microphone"], viewport={"width": 1200, "height": 900})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """The page, loaded; afterwards: nothing was complained of, and nobody else was asked."""
    page, complaints, asked = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.locator("#model option")).to_have_count(2)
    yield page
    others = [url for url in asked if not url.startswith((f"{address}/", "blob:", "data:"))]
    assert not others
    # A refusal is an answer; that the browser also logs its status is no fault of the page.
    assert not [words for words in complaints if not words.startswith("Failed to load resource")]


def upload(page: Page, *contents: bytes, place: int = 0, name: str = "call.wav") -> None:
    files = [
        FilePayload(name=f"{number}-{name}", mimeType="audio/wav", buffer=one) for number, one in enumerate(contents)
    ]
    page.locator(".slot .file").nth(place).set_input_files(files)


def scored(page: Page, *contents: bytes, **how) -> dict:
    """Upload a file; the answer of the service to it."""
    with page.expect_response(re.compile("/v1/score")) as waited:
        upload(page, *contents, **how)
    return waited.value.json()


def figures(page: Page, place: int = 0) -> dict[str, float]:
    found = page.locator(".slot").nth(place).locator(".figures data")
    expect(found.first).to_be_visible()
    read = "all => all.map(one => [one.className.replace('figure-', ''), Number(one.value)])"
    return dict(found.evaluate_all(read))


def test_an_upload_is_answered_as_the_service_says(page: Page) -> None:
    answer = scored(page, sound(3, duration_s=2.0))
    result = answer["files"][0]["result"]
    wanted = {
        "probability": result["calibrated"]["probability"],
        "llr": result["calibrated"]["llr"],
        "prior_used": 0.5,
        "score": result["score"],
        "duration": 2.0,
        "heard": 0.6,
    }
    assert figures(page) == wanted
    verdict = result["calibrated"]["verdict"]
    expect(page.locator(".verdict h3")).to_contain_text(verdict)
    expect(page.locator("#status")).to_contain_text(f"Recording A: {verdict}")
    expect(page.locator(".provenance")).to_contain_text(answer["model"]["sha256"])
    expect(page.locator(".spectrogram")).to_have_attribute("aria-label", re.compile("first 0.60 s"))
    expect(page.locator("#meaning")).to_be_visible()


@pytest.mark.parametrize(
    ("verdict", "kind"), [("bona fide", "bonafide"), ("spoof", "spoof"), ("undecided", "undecided")]
)
def test_the_verdict_is_the_services_and_no_rule_of_the_page(page: Page, verdict: str, kind: str) -> None:
    """Whatever the probability; the borders of the scale are those of the odds that the service names."""
    answer = scored(page, sound(3))
    answer["files"][0]["result"]["calibrated"] |= {"probability": 0.6, "verdict": verdict, "least_odds": 4.0}
    shown = page.evaluate(
        """answer => import('/page/answer.js').then(({answerParts}) => {
            const box = document.createElement('div');
            box.append(...answerParts(answer, new Date()));
            const zone = box.querySelector('.scale .undecided');
            return [box.querySelector('.verdict').className, zone.getAttribute('x'), zone.getAttribute('width')];
        })""",
        answer,
    )
    assert shown[0] == f"verdict {kind}"
    assert [float(end.rstrip("%")) for end in shown[1:]] == pytest.approx([20, 60])  # odds of 1 : 4 are 0.2


def test_the_spectrum_of_a_tone_is_where_it_should_be(page: Page) -> None:
    """1 kHz is bin 32 of 256 over 8 kHz; a Hann window leaves its neighbours at 1/4 of its power, the rest at none."""
    db = page.evaluate("""() => import('/page/spectrum.js').then(({spectrum}) => {
        const tone = Float32Array.from({length: 4096}, (_, i) => Math.sin(2 * Math.PI * 1000 * i / 16000));
        const {bins, db} = spectrum(tone);
        return [...db.slice(5 * bins, 6 * bins)];
    })""")
    assert len(db) == 256
    assert db[31:34] == pytest.approx([-6.02, 0, -6.02], abs=0.05)
    assert max(db[:30] + db[35:]) < -80


def test_a_prior_that_is_stated_is_sent(page: Page) -> None:
    scored(page, sound(3))
    figures(page)
    for state in (lambda: page.fill("#prior", "1"), lambda: page.locator("#prior-slider").fill("5")):
        with page.expect_response(re.compile("prior=")) as waited:
            state()
            page.keyboard.press("Tab")
        calibrated = waited.value.json()["files"][0]["result"]["calibrated"]
        assert calibrated["prior"] in (0.01, 0.05)
        expect(page.locator(".figure-prior_used")).to_have_attribute("value", str(calibrated["prior"]))
        assert figures(page)["probability"] == calibrated["probability"]


def test_a_model_without_calibration_claims_nothing(page: Page) -> None:
    upload(page, sound(3))
    figures(page)
    with page.expect_response(re.compile("model=bare")) as waited:
        page.select_option("#model", "bare")
    expect(page.locator(".verdict.none")).to_contain_text("a score alone tells no probability")
    assert figures(page)["score"] == waited.value.json()["files"][0]["result"]["score"]
    assert "probability" not in figures(page)
    expect(page.locator("#prior")).to_be_disabled()


def test_what_is_unlike_is_said_before_the_verdict(page: Page) -> None:
    upload(page, sound(6, duration_s=0.3))
    expect(page.locator(".unlike")).to_contain_text("duration 0.3 s; usual:")
    assert page.locator(".answer > *").first.get_attribute("class") == "alarm unlike"


def test_a_broken_file_is_told_and_the_next_one_is_answered(page: Page) -> None:
    upload(page, b"this is no sound")
    fault = page.locator(".slot .fault")
    expect(fault).to_contain_text("could not be scored")
    expect(fault).to_contain_text("cannot be decoded")
    expect(page.locator(".undrawn")).to_be_visible()
    upload(page, sound(2))
    figures(page)
    expect(fault).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            413,
            {"code": "too_large", "got": "a body of more than 5 MB"},
            ("larger than the service takes", "超过服务允许"),
        ),
        (415, {"code": "not_multipart", "got": "x"}, ("did not arrive as an upload", "未能完整上传")),
        (422, {"code": "impossible", "got": "prior"}, ("did not accept the prior", "不接受该先验")),
        (429, {"code": "too_many_requests", "got": "x"}, ("Come back in 7 s", "请在 7 秒后重试")),
        (503, {"code": "busy", "got": "x"}, ("too much to do", "服务当前繁忙")),
        (502, None, ("too much to do", "服务当前繁忙")),
        (500, {"code": "broken", "got": "x"}, ("Something broke", "服务出现故障")),
        (None, None, ("cannot be reached", "无法连接服务")),
    ],
)
def test_a_refusal_is_told_in_both_languages(page: Page, status: int | None, body: dict | None, said: tuple) -> None:
    def refuse(route) -> None:
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, body=json.dumps(body) if body else "<html>", headers={"Retry-After": "7"})

    page.route("**/v1/score*", refuse)
    upload(page, sound(1))
    expect(page.locator(".fault")).to_contain_text(said[0])
    page.click("#language")
    expect(page.locator(".fault")).to_contain_text(said[1])
    page.unroute("**/v1/score*")
    page.click(".fault button")
    figures(page)
    expect(page.locator(".fault")).to_be_hidden()


def test_two_files_are_compared(page: Page) -> None:
    upload(page, sound(3), sound(4))
    both = [figures(page, 0), figures(page, 1)]
    table = page.locator("#comparison-table")
    expect(table.locator("tbody tr")).to_have_count(8)
    cells = table.locator("tr", has_text="Score").locator("td").all_inner_texts()
    assert cells == [f"{one['score']:.4f}" for one in both]
    assert cells[0] != cells[1]
    expect(page.locator("#comparison-words")).to_contain_text("The evidence")
    page.locator(".remove").first.click()
    expect(page.locator("#comparison")).to_be_hidden()
    expect(page.locator(".slot-title")).to_have_text(["Recording A"])
    assert figures(page) == both[1]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (1.0, 3.0, "7.4 times stronger in B than in A"),  # e² = 7.39
        (3.0, 1.0, "7.4 times stronger in A than in B"),
        (-1.0, -1.02, "practically the same"),
        (9.0, -9.0, "more than 1,000 times stronger in A"),
        (None, 3.0, "unknown without a calibration"),
    ],
)
def test_a_difference_is_told_in_odds(page: Page, a: float | None, b: float, said: str) -> None:
    answers = [{"files": [{"result": {"calibrated": llr and {"llr": llr}}}]} for llr in (a, b)]
    words = page.evaluate("all => import('/page/answer.js').then((module) => module.comparisonWords(all))", answers)
    assert said in words


def test_the_other_language_changes_all_texts(page: Page, context: BrowserContext) -> None:
    upload(page, sound(3), sound(4, duration_s=0.3))
    figures(page, 0)
    figures(page, 1)
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page).to_have_title("这段语音是真人说的吗？")
    # Sentences of English that are left would be words of three letters and more in a row.
    seen = page.evaluate("document.querySelector('main').innerText")
    assert not re.findall(r"[A-Za-z]{3,} [a-z]{3,} [a-z]{2,}", seen)
    labels = page.eval_on_selector_all("canvas", "all => all.map(one => one.getAttribute('aria-label'))")
    assert all(re.search("[\u4e00-\u9fff]", label) for label in labels)
    page.reload()
    expect(page.locator("h1")).to_have_text("这段语音是真人说的吗？")  # remembered
    page.click("#language")
    expect(page.locator("h1")).to_have_text("Is this speech bona fide?")


def test_a_chinese_browser_gets_chinese(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(address)
    expect(page.locator("h1")).to_have_text("这段语音是真人说的吗？")
    context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_wider_than_a_phone(page: Page, language: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    if language == "zh":
        page.click("#language")
    upload(page, sound(3), sound(4, duration_s=0.3), name="a" * 120 + ".wav")
    figures(page, 0)
    figures(page, 1)
    page.locator(".provenance summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = page.eval_on_selector_all(
        "main *", "all => all.filter(one => one.getBoundingClientRect().right > 361 && !one.closest('.scroll')).length"
    )
    assert wide == 0


def test_the_microphone_is_heard(page: Page) -> None:
    page.click(".record")
    expect(page.locator(".recording")).to_contain_text("1 s")
    with page.expect_response(re.compile("/v1/score")) as waited:
        page.click(".record")
    answer = waited.value.json()["files"][0]
    assert answer["error"] is None
    assert answer["name"].startswith("microphone-")
    assert 0.7 < answer["result"]["duration_s"] < 10
    assert figures(page)["score"] == answer["result"]["score"]
    expect(page.locator(".spectrogram")).to_be_visible()
    expect(page.locator(".record")).to_have_text("Record from the microphone")


def test_a_microphone_that_is_denied_is_told(page: Page) -> None:
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); } }"
    )
    page.click(".record")
    expect(page.locator(".fault")).to_contain_text("may not be used")


def test_the_answer_is_downloaded_as_the_service_gave_it(page: Page) -> None:
    answer = scored(page, sound(3))
    with page.expect_download() as waited:
        page.click(".json")
    assert json.loads(waited.value.path().read_text()) == answer


def test_all_of_a_recording_is_scored_window_by_window(page: Page) -> None:
    upload(page, sound(3, duration_s=0.5))
    figures(page)
    expect(page.locator(".timeline")).to_be_hidden()  # all of it was heard
    upload(page, sound(3, duration_s=30))
    page.click(".timeline .long")
    expect(page.locator(".windows")).to_be_visible(timeout=30_000)
    with page.expect_download() as waited:
        page.click(".timeline-json")
    score = json.loads(waited.value.path().read_text())["score"]
    assert len(score["windows"]) > 90  # of 0.6 s, each 0.3 s after the one before
    shown = page.locator(".pooled dd").all_inner_texts()
    assert shown[0] == f"{score['pooled']['mean']:.4f}"
    assert shown[2] == f"{score['pooled']['minimum']:.4f} from {score['pooled']['minimum_at_s']:.2f} s on"
    page.click("#language")
    expect(page.locator(".windows")).to_have_attribute("aria-label", re.compile("个窗口评分"))
    with page.expect_response(re.compile("model=bare")):
        page.select_option("#model", "bare")
    expect(page.locator(".windows")).to_have_count(0)  # those were another model's


def test_how_far_it_is_is_shown_and_it_can_be_stopped(page: Page) -> None:
    """The service is made slow: it answers the same state until it is told to stop."""
    job = {"id": "x", "state": "running", "address": "/v1/jobs/x", "progress": {"done_s": 812.0, "total_s": 3600.0}}
    asked: list[str] = []
    page.route("**/v1/score/long*", lambda route: route.fulfill(status=202, json=job))
    page.route("**/v1/jobs/x", lambda route: (asked.append(route.request.method), route.fulfill(json=job)))
    upload(page, sound(3, duration_s=2))
    figures(page)
    page.click(".timeline .long")
    expect(page.locator(".timeline")).to_contain_text("812.00 s of 3600.00 s are scored")
    assert page.eval_on_selector("progress", "bar => bar.value") == pytest.approx(812 / 3600)
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.click(".timeline .stop")
    expect(page.locator("progress")).to_have_count(0)
    expect(page.locator(".timeline .long")).to_be_focused()
    assert asked[-1] == "DELETE"


def test_the_report_needs_nothing_else(page: Page, context: BrowserContext, tmp_path: Path) -> None:
    upload(page, sound(3, duration_s=2.0), sound(4), name='<b>&" data-picture="x.wav')
    wanted = [figures(page, 0), figures(page, 1)]
    expect(page.locator(".spectrogram").nth(1)).to_be_visible()
    with page.expect_download() as waited:
        page.click("#report")
    place = tmp_path / "report.html"
    waited.value.save_as(place)
    report, asked, complaints = context.new_page(), [], []
    report.on("request", lambda request: asked.append(request.url))
    report.on("console", lambda message: complaints.append(message.text))
    report.goto(place.as_uri())
    assert [figures(report, 0), figures(report, 1)] == wanted
    assert report.locator("img").count() == 4
    assert report.eval_on_selector_all("img", "all => all.every(one => one.naturalWidth > 800)")
    assert not report.locator("button, input, script, b").count()
    assert report.locator("details[open]").count() == 2
    assert report.evaluate("getComputedStyle(document.querySelector('section')).borderRadius") == "10px"
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert not complaints


def test_all_is_done_by_keyboard(page: Page) -> None:
    page.on("filechooser", lambda _: None)  # the browser is told in good time that we take them
    reached = set()
    page.locator("#language").focus()
    for _ in range(12):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert {"language", "model", "prior", "prior-slider", "sr file", "record"} <= reached
    page.locator(".file").focus()
    outline = page.evaluate("getComputedStyle(document.querySelector('.drop')).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser():
        page.keyboard.press("Enter")


def test_a_key_is_asked_for_and_kept_nowhere(browser: Browser, settings: Settings) -> None:
    for address in _served(Settings(**{**settings.model_dump(), "api_keys": (_KEY,)})):
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#trouble")).to_contain_text("wants an API key")
        expect(page.locator("#key")).to_be_focused()
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#trouble")).to_be_visible()
        page.fill("#key", _KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#trouble")).to_be_hidden()
        upload(page, sound(3))
        figures(page)
        assert _KEY not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        page.reload()
        expect(page.locator("#key")).to_be_visible()
        context.close()
