// All of a recording, window by window: how far the service is, and what it found.

import { element, faultParts, pairs } from "./answer.js";
import { seconds, share, text } from "./language.js";
import { save } from "./report.js";
import { Refusal, askLong } from "./service.js";

/**
 * Where a recording is longer than what the model hears at once, its windows.
 * @param {HTMLElement} root filled here
 * @param {object} slot the recording's: file, answer, page, draw()
 */
export class Timeline {
  constructor(root, slot) {
    this.root = root;
    this.slot = slot;
    this.reset();
  }

  /** Forget what was found: another file, or another model. */
  reset() {
    this.asking?.abort();
    this.asking = this.answer = this.refusal = this.progress = null;
  }

  /** The windows; null where they are not known. */
  get score() {
    return this.answer?.score ?? null;
  }

  /** All words anew. */
  fill() {
    const heard = this.slot.answer?.files[0].result;
    this.root.hidden = !this.slot.file || Boolean(heard && heard.heard_s > heard.duration_s - 0.01);
    this.root.replaceChildren(element("h3", {}, text("timeline")), ...this.parts());
  }

  parts() {
    if (this.asking) return this.running();
    if (this.answer) return this.found();
    const fault = this.refusal && element("div", { class: "alarm", role: "alert" }, ...faultParts(this.refusal));
    const hint = element("p", { class: "soft" }, text("timeline_hint"));
    return [fault, hint, this.button("long", "timeline_start", () => this.ask())].filter(Boolean);
  }

  button(name, key, onClick) {
    const button = element("button", { type: "button", class: `${name} no-report` }, text(key));
    button.addEventListener("click", onClick);
    return button;
  }

  async ask() {
    this.reset();
    const asking = (this.asking = new AbortController());
    this.fill();
    this.root.querySelector("button").focus();
    try {
      const { model } = this.slot.page.wanted();
      this.answer = await askLong(this.slot.file, model, (progress) => this.show(progress), asking.signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) throw error;
      this.refusal = error;
      this.slot.page.refused(error);
    }
    this.asking = null;
    this.slot.page.say(this.score ? this.summary() : "");
    this.slot.fill();
  }

  running() {
    this.bar = element("progress", { max: 1, "aria-label": text("timeline") });
    this.passed = element("p", { class: "soft" });
    this.show(this.progress);
    const stop = () => {
      this.reset();
      this.fill();
      this.root.querySelector("button").focus();
    };
    return [this.bar, this.passed, this.button("stop", "timeline_stop", stop)];
  }

  show(progress) {
    this.progress = progress;
    const { done_s: done = 0, total_s: total = null } = progress ?? {};
    if (total) this.bar.value = done / total;
    this.passed.textContent = total
      ? text("timeline_progress", { done: seconds(done), total: seconds(total) })
      : text("timeline_waiting");
  }

  found() {
    const { pooled, windows } = this.score;
    const picture = element("canvas", { class: "windows", role: "img" });
    const json = () => save("timeline.json", "application/json", JSON.stringify(this.answer, null, 2));
    const parts = [picture, element("p", {}, this.summary())];
    if (pooled) {
      const at = text("at", { seconds: seconds(pooled.minimum_at_s) });
      const rows = [
        [text("pooled_mean"), pooled.mean.toFixed(4)],
        [text("pooled_lowest", { count: pooled.lowest_count }), pooled.lowest_mean.toFixed(4)],
        [text("pooled_minimum"), `${pooled.minimum.toFixed(4)} ${at}`],
        [text("windows"), text("windows_voted", { voted: windows.filter(voted).length, all: windows.length })],
        [text("least_speech"), share(this.score.min_speech)],
      ];
      parts.push(element("dl", { class: "pooled" }, ...pairs(rows)));
    }
    const hint = element("p", { class: "soft" }, text("pooled_hint"));
    return [...parts, hint, this.button("timeline-json", "download_timeline", json)];
  }

  /** What was found, in a sentence. */
  summary() {
    const { pooled, windows } = this.score;
    if (!pooled) return text("timeline_empty");
    const values = { mean: pooled.mean.toFixed(4), voted: windows.filter(voted).length };
    return text("timeline_said", { ...values, minimum: pooled.minimum.toFixed(4), at: seconds(pooled.minimum_at_s) });
  }
}

const voted = ({ score }) => score !== null;
