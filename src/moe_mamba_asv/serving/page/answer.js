// An answer of the service in words and figures.

import { percent, seconds, share, text } from "./language.js";

// By the service's names.
const VERDICTS = {
  "bona fide": { word: "bonafide", means: "means_bonafide", sign: "✓" },
  spoof: { word: "spoof", means: "means_spoof", sign: "✕" },
  undecided: { word: "undecided", means: "means_undecided", sign: "?" },
};
const SVG = "http://www.w3.org/2000/svg"; // the name of a language, never fetched
const FACTS = {
  duration_s: "fact_duration",
  level_dbfs: "fact_level",
  bandwidth_hz: "fact_bandwidth",
  noise_floor_db: "fact_noise",
  leading_silence_s: "fact_leading",
  trailing_silence_s: "fact_trailing",
};

/** The verdict in a word; without a calibration there is none. */
export function verdictWord({ calibrated }) {
  return text(calibrated ? VERDICTS[calibrated.verdict].word : "no_verdict");
}

/** An element with attributes and children; what is null is left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((one) => one !== null));
  return made;
}

/**
 * All that is to be said of one recording.
 * @param {object} answer of POST /v1/score, with one file
 * @param {Date} at when it was asked
 */
export function answerParts(answer, at) {
  const { result } = answer.files[0];
  return [warning(result.unlike), verdict(result), figures(result), provenance(answer, at)].filter(Boolean);
}

function warning(unlike) {
  if (unlike === null) return element("p", { class: "soft" }, text("no_profile"));
  if (unlike.length === 0) return null;
  const reasons = element("ul", {}, ...unlike.map((words) => element("li", {}, ...reason(words))));
  return element("div", { class: "alarm unlike" }, element("strong", {}, text("unlike")), reasons, text("unlike_hint"));
}

/** The service's words in the reader's language, or as they are where they are others. */
function reason(words) {
  const fact = /^(\w+) (\S+ \S+), usual (\S+) to (\S+)$/.exec(words);
  if (fact && fact[1] in FACTS) {
    const [, name, value, low, high] = fact;
    return [text("unlike_fact", { name: text(FACTS[name]), value, low, high })];
  }
  const far = /^farther from the clips of (.+) than any of them: distance (\S+)$/.exec(words);
  if (far) return [text("unlike_far", { corpus: far[1], distance: far[2] })];
  return [element("span", { lang: "en" }, words)];
}

function verdict({ score, calibrated }) {
  if (!calibrated) {
    return element(
      "div",
      { class: "verdict none" },
      element("h3", {}, text("score_is", { score: score.toFixed(4) })),
      element("p", {}, text("means_score")),
    );
  }
  const { probability, prior } = calibrated;
  const { word, means, sign } = VERDICTS[calibrated.verdict];
  const end = (key) => element("span", {}, text(key));
  const shown = { percent: percent(probability), prior: share(prior) };
  return element(
    "div",
    { class: `verdict ${word}` },
    element("h3", {}, element("span", { class: "sign", "aria-hidden": "true" }, sign), text(word)),
    element("p", { class: "probability" }, text("probability_is", shown)),
    scale(calibrated),
    element("p", { class: "ends", "aria-hidden": "true" }, ...["spoof", "undecided", "bonafide"].map(end)),
    element("p", {}, text(means)),
  );
}

/** Where the probability lies: left of the first border spoof, right of the second bona fide. */
function scale({ probability, least_odds }) {
  const drawn = (tag, attributes) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const border = 1 / (1 + least_odds);
  const whole = drawn("svg", { class: "scale", "aria-hidden": "true", width: "100%", height: "22" });
  const zone = (name, from, to) =>
    drawn("rect", { class: name, x: `${100 * from}%`, width: `${100 * (to - from)}%`, y: "7", height: "8" });
  whole.append(zone("spoof", 0, border), zone("undecided", border, 1 - border), zone("bonafide", 1 - border, 1));
  // Within the picture also at its ends.
  whole.append(drawn("circle", { cx: `${1.5 + 97 * probability}%`, cy: "11", r: "8" }));
  return whole;
}

function figures(result) {
  const { calibrated } = result;
  const rows = calibrated
    ? [
        ["probability", calibrated.probability, percent(calibrated.probability)],
        ["llr", calibrated.llr, text("nats", { value: calibrated.llr.toFixed(3) })],
        ["prior_used", calibrated.prior, share(calibrated.prior)],
      ]
    : [];
  rows.push(["score", result.score, result.score.toFixed(4)]);
  rows.push(["duration", result.duration_s, seconds(result.duration_s)]);
  rows.push(["heard", result.heard_s, seconds(result.heard_s)]);
  const shown = rows.map(([key, value, words]) => [text(key), figure(key, value, words)]);
  return element("dl", { class: "figures" }, ...pairs(shown));
}

const figure = (key, value, shown) => element("data", { class: `figure-${key}`, value: String(value) }, shown);

/** Names and values as parts of a list. */
export const pairs = (rows) => rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);

function provenance({ model, versions, files }, at) {
  const rows = [
    ["file_name", files[0].name],
    ["model", model.name],
    ["recipe", model.recipe],
    ["sha256", element("code", {}, model.sha256)],
    ["selection", Object.entries(model.selection).map(listed).join("; ") || text("unknown")],
    ["calibrated_on", model.calibrated_on ?? text("not_calibrated")],
    ["versions", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ["asked_at", element("time", { datetime: at.toISOString() }, at.toISOString().replace("T", " ").slice(0, 19) + " UTC")],
  ];
  return element(
    "details",
    { class: "provenance" },
    element("summary", {}, text("provenance")),
    element("dl", {}, ...pairs(rows.map(([key, value]) => [text(key), value]))),
  );
}

const listed = ([name, value]) => `${name} ${typeof value === "number" ? +value.toPrecision(6) : value}`;

/** Rows of the two answers, side by side. */
export function compare(table, answers) {
  const results = answers.map((answer) => answer.files[0].result);
  const rows = [
    ["file_name", answers.map((answer) => answer.files[0].name)],
    ["verdict", results.map(verdictWord)],
    ["probability", results.map(({ calibrated }) => (calibrated ? percent(calibrated.probability) : "–"))],
    ["llr", results.map(({ calibrated }) => (calibrated ? calibrated.llr.toFixed(3) : "–"))],
    ["score", results.map(({ score }) => score.toFixed(4))],
    ["duration", results.map(({ duration_s }) => seconds(duration_s))],
    ["heard", results.map(({ heard_s }) => seconds(heard_s))],
    ["unlike_count", results.map(({ unlike }) => (unlike ? String(unlike.length) : "–"))],
  ];
  const head = element("tr", {}, element("td"), ...["A", "B"].map((name) => element("th", { scope: "col" }, name)));
  table.replaceChildren(
    element("thead", {}, head),
    element("tbody", {}, ...rows.map(([key, cells]) => row(text(key), cells))),
  );
}

const row = (name, cells) =>
  element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell)));

/** What the difference of two answers is worth, in a sentence. */
export function comparisonWords(answers) {
  const [a, b] = answers.map((answer) => answer.files[0].result.calibrated);
  if (!a || !b) return text("comparison_scores");
  const difference = Math.abs(a.llr - b.llr);
  if (difference < 0.05) return text("comparison_same");
  const times = Math.exp(difference);
  const shown = times < 1000 ? String(+times.toPrecision(2)) : text("more_than_thousand");
  return text("comparison_times", { more: a.llr > b.llr ? "A" : "B", less: a.llr > b.llr ? "B" : "A", times: shown });
}

/** What went wrong, what to do, and what the service said of it. */
export function faultParts({ textKey, said, wait }) {
  const parts = [element("p", {}, text(textKey))];
  if (wait) parts.push(element("p", {}, text("wait", { seconds: wait })));
  if (said) parts.push(element("p", { class: "said" }, text("service_said"), element("q", { lang: "en" }, said)));
  return parts;
}
