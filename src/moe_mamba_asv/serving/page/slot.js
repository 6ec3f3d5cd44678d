// One recording on the page: how it gets there, its pictures, its answer.

import { answerParts, element, faultParts, verdictWord } from "./answer.js";
import { fillTexts, percent, seconds, text } from "./language.js";
import { startRecording } from "./record.js";
import { Refusal, askScore } from "./service.js";
import { RATE_HZ, decode, spectrum } from "./spectrum.js";
import { save } from "./report.js";
import { Timeline } from "./timeline.js";
import { DARK, LIGHT, drawSpectrogram, drawWave, drawWindows } from "./wave.js";

// Beyond it a browser would take long to decode; the service has a limit of its own.
const LARGEST_DRAWN = 60_000_000;
const darkness = matchMedia("(prefers-color-scheme: dark)");

/**
 * A place for a recording.
 * @param {string} letter "A" or "B"
 * @param {object} page wanted(): model and prior; say(words); changed(slot); extra(files); refused(refusal); remove(slot)
 */
export class Slot {
  constructor(letter, page) {
    this.page = page;
    this.answer = this.file = this.samples = this.levels = this.refusal = null;
    this.root = document.getElementById("slot").content.firstElementChild.cloneNode(true);
    this.find = (name) => this.root.querySelector(`.${name}`);
    this.timeline = new Timeline(this.find("timeline"), this);
    this.listen();
    this.rename(letter);
  }

  /** From now on it is that one. */
  rename(letter) {
    this.letter = letter;
    this.root.setAttribute("aria-labelledby", `slot-${letter}`);
    this.find("slot-title").id = `slot-${letter}`;
    this.fill();
  }

  listen() {
    const drop = this.find("drop");
    this.find("file").addEventListener("change", ({ target }) => {
      this.take([...target.files]);
      target.value = ""; // so that the same file can be chosen again
    });
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.take([...event.dataTransfer.files]);
    });
    this.find("record").addEventListener("click", () => this.record());
    this.find("play").addEventListener("click", () => this.play());
    this.find("remove").addEventListener("click", () => this.page.remove(this));
    new ResizeObserver(() => this.draw()).observe(this.find("sound"));
    darkness.addEventListener("change", () => this.draw());
  }

  /** What it stops when it goes. */
  close() {
    this.asking?.abort();
    this.timeline.reset();
    this.playing?.stop();
    this.recording?.stop();
    this.isClosed = true;
  }

  take(files) {
    if (files.length === 0) return;
    this.load(files[0]);
    if (files.length > 1) this.page.extra(files.slice(1));
  }

  /** Show a file and ask what it is. */
  async load(file) {
    this.playing?.stop();
    this.timeline.reset();
    this.file = file;
    this.answer = this.samples = this.levels = this.refusal = null;
    this.root.classList.add("filled");
    this.fill();
    this.page.changed(this);
    const asked = this.score();
    const samples = file.size > LARGEST_DRAWN ? null : await decode(file);
    if (this.file !== file) return; // another has come meanwhile
    this.samples = samples;
    this.levels = samples && spectrum(samples);
    this.find("undrawn").hidden = samples !== null;
    this.draw();
    await asked;
  }

  /** Ask the service, as the model and the prior now are. */
  async score() {
    if (!this.file) return;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.root.setAttribute("aria-busy", "true");
    this.page.say(text("scoring", { letter: this.letter }));
    try {
      const answer = await askScore(this.file, this.page.wanted(), asking.signal);
      this.show(answer, null);
      this.page.say(this.summary());
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) throw error;
      this.show(null, error);
      this.page.say("");
      this.page.refused(error);
    } finally {
      if (this.asking === asking) this.root.removeAttribute("aria-busy");
    }
  }

  show(answer, refusal) {
    this.answer = answer;
    this.refusal = refusal;
    this.at = new Date();
    this.fill();
    this.page.changed(this);
  }

  /** The answer in a sentence, to be read aloud. */
  summary() {
    const { result } = this.answer.files[0];
    const value = result.calibrated ? percent(result.calibrated.probability) : result.score.toFixed(4);
    const key = result.calibrated ? "summary" : "summary_score";
    return text(key, { letter: this.letter, verdict: verdictWord(result), value });
  }

  /** All words anew, e.g. in another language. */
  fill() {
    const isOpen = this.find("provenance")?.open ?? false;
    fillTexts(this.root);
    this.find("slot-title").textContent = text("recording", { letter: this.letter });
    this.find("record").textContent = text(this.recording ? "stop" : "record");
    this.find("play").textContent = text(this.playing ? "stop_playing" : "play");
    this.find("sound").hidden = this.file === null;
    this.find("name").textContent = this.file?.name ?? "";
    this.find("answer").hidden = this.answer === null;
    this.find("answer").replaceChildren(...(this.answer ? [...answerParts(this.answer, this.at), this.jsonButton()] : []));
    if (this.find("provenance")) this.find("provenance").open = isOpen;
    this.find("fault").hidden = this.refusal === null;
    this.find("fault").replaceChildren(...(this.refusal ? [...faultParts(this.refusal), this.againButton()] : []));
    this.timeline.fill();
    this.draw();
  }

  jsonButton() {
    const button = element("button", { type: "button", class: "json no-report" }, text("download_json"));
    button.addEventListener("click", () => save("answer.json", "application/json", JSON.stringify(this.answer, null, 2)));
    return button;
  }

  againButton() {
    if (!this.file) return "";
    const button = element("button", { type: "button", class: "again no-report" }, text("again"));
    button.addEventListener("click", () => this.score());
    return button;
  }

  /** Pictures of the width that there is; for a report or paper in light colours. */
  draw(isForPaper = false) {
    this.find("pictures").hidden = !this.samples;
    this.find("play").hidden = !this.samples;
    const width = this.find("sound").clientWidth;
    if (width === 0) return;
    this.paint(this.find, {
      width,
      scale: Math.max(devicePixelRatio, isForPaper ? 2 : 1),
      colours: darkness.matches && !isForPaper ? DARK : LIGHT,
    });
  }

  /** Draw what is known on the canvases of these names; answers which they are. */
  paint(canvas, look) {
    const { score } = this.timeline;
    if (this.samples) this.paintSound(canvas("wave"), canvas("spectrogram"), look);
    if (score) {
      drawWindows(canvas("windows"), score, look);
      canvas("windows").setAttribute("aria-label", this.timeline.summary());
    }
    return [...(this.samples ? ["wave", "spectrogram"] : []), ...(score ? ["windows"] : [])];
  }

  paintSound(wave, spectrogram, look) {
    const heardS = this.answer?.files[0].result.heard_s ?? null;
    const durationS = this.samples.length / RATE_HZ;
    const heardWords = heardS === null ? "" : text("heard_short", { seconds: seconds(heardS) });
    const sound = { samples: this.samples, heardS, heardWords };
    drawWave(wave, sound, look);
    drawSpectrogram(spectrogram, sound, this.levels, look);
    const said = heardS === null ? "" : text("heard_said", { seconds: seconds(heardS) });
    wave.setAttribute("aria-label", text("wave_label", { seconds: seconds(durationS) }) + said);
    spectrogram.setAttribute("aria-label", text("spectrogram_label") + said);
    this.find("legend").textContent = text("legend") + said;
  }

  play() {
    if (this.playing) {
      this.playing.stop();
      return;
    }
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = context.createBuffer(1, this.samples.length, RATE_HZ);
    source.buffer.copyToChannel(this.samples, 0);
    source.connect(context.destination);
    source.onended = () => {
      context.close();
      this.playing = null;
      this.find("play").textContent = text("play");
    };
    source.start();
    this.playing = source;
    this.find("play").textContent = text("stop_playing");
  }

  async record() {
    if (this.recording) {
      this.recording.stop();
      return;
    }
    const clock = this.find("recording");
    try {
      this.refusal = null;
      this.recording = await startRecording((passed) => (clock.textContent = text("recording_for", { seconds: passed })));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refusal = error;
      this.fill();
      return;
    }
    clock.hidden = false;
    this.fill();
    const file = await this.recording.file;
    this.recording = null;
    clock.hidden = true;
    if (!this.isClosed) await this.load(file);
  }
}
