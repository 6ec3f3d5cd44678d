// The page: what is asked for, the recordings, and what is said of them together.

import { compare, comparisonWords, element, faultParts } from "./answer.js";
import { fillTexts, languageCode, share, startLanguage, switchLanguage, text } from "./language.js";
import { report, save } from "./report.js";
import { Refusal, askModels, useKey } from "./service.js";
import { Slot } from "./slot.js";
import { LIGHT } from "./wave.js";

// Stops of the slider: even steps of odds at the ends, even steps of share in the middle. In percent.
const PRIORS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9];
const LETTERS = ["A", "B"];

const at = (id) => document.getElementById(id);
let models = [];
let slots = [];
let trouble = null;

const page = {
  /** What is asked for; the prior is the service's until somebody states one. */
  wanted: () => ({ model: at("model").value || null, prior: at("prior").value ? Number(at("prior").value) / 100 : null }),
  say: (words) => (at("status").textContent = words),
  changed,
  remove,
  refused: (refusal) => refusal.textKey === "error_no_access" && wantKey(),
  extra: (files) => (slots[1] ?? addSlot()).load(files[0]),
};

function addSlot() {
  const slot = new Slot(LETTERS[slots.length], page);
  slots.push(slot);
  at("slots").append(slot.root);
  changed();
  return slot;
}

/** The recording goes; the other one takes its place. */
function remove(slot) {
  slot.close();
  slot.root.remove();
  slots = slots.filter((one) => one !== slot);
  for (const [place, left] of slots.entries()) left.rename(LETTERS[place]);
  if (slots.length === 0) addSlot();
  changed();
  page.say("");
  slots[0].root.querySelector(".file").focus();
}

/** Something has come or gone: what is said of all recordings together. */
function changed() {
  const answers = slots.map((slot) => slot.answer).filter(Boolean);
  at("slots").classList.toggle("two", slots.length === 2);
  at("add").hidden = slots.length === 2 || !slots[0]?.file;
  for (const slot of slots) slot.root.querySelector(".remove").hidden = slots.length === 1 && !slot.file;
  at("meaning").hidden = answers.length === 0;
  at("comparison").hidden = answers.length < 2;
  if (answers.length === 2) {
    compare(at("comparison-table"), answers);
    at("comparison-words").textContent = comparisonWords(answers);
  }
  const prior = answers[0]?.files[0].result.calibrated?.prior;
  if (prior && !at("prior").value) {
    at("prior").placeholder = +(100 * prior).toPrecision(6);
    moveSlider(100 * prior);
  }
}

/** All words, in the language that now is. */
function fill() {
  document.documentElement.lang = languageCode();
  document.title = text("title");
  fillTexts(document);
  fillModel();
  moveSlider(Number(at("prior").value || at("prior").placeholder) || 50);
  at("trouble").hidden = trouble === null;
  at("trouble").replaceChildren(...(trouble ? [...faultParts(trouble), againButton()] : []));
  for (const slot of slots) slot.fill();
  changed();
}

function againButton() {
  const button = element("button", { type: "button" }, text("again"));
  button.addEventListener("click", loadModels);
  return button;
}

function fillModel() {
  const model = models.find(({ name }) => name === at("model").value);
  const isCalibrated = Boolean(model?.calibrated_on);
  for (const id of ["prior", "prior-slider"]) at(id).disabled = !isCalibrated;
  at("prior-hint").textContent = text(model && !isCalibrated ? "prior_off" : "prior_hint");
  at("model-hint").textContent = model
    ? text(isCalibrated ? "model_calibrated" : "model_bare", { recipe: model.recipe, corpus: model.calibrated_on })
    : "";
}

function moveSlider(prior) {
  const odds = (value) => Math.log(value / (100 - value));
  const near = PRIORS.map((one) => Math.abs(odds(one) - odds(prior)));
  at("prior-slider").max = PRIORS.length - 1;
  at("prior-slider").value = near.indexOf(Math.min(...near));
  at("prior-slider").setAttribute("aria-valuetext", share(prior / 100));
}

function scoreAll() {
  for (const slot of slots) slot.score();
}

async function loadModels() {
  trouble = null;
  try {
    models = (await askModels()).models;
    const chosen = at("model").value;
    at("model").replaceChildren(...models.map(({ name }) => element("option", { value: name }, name)));
    if (models.some(({ name }) => name === chosen)) at("model").value = chosen;
    at("model").disabled = models.length < 2;
    at("key-form").hidden = true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    trouble = error;
    page.refused(error);
  }
  fill();
}

function wantKey() {
  at("key-form").hidden = false;
  at("key").focus();
}

function listen() {
  at("language").addEventListener("click", () => {
    switchLanguage();
    fill();
  });
  at("model").addEventListener("change", () => {
    fillModel();
    for (const slot of slots) slot.timeline.reset();
    scoreAll();
  });
  at("prior-slider").addEventListener("input", ({ target }) => {
    at("prior").value = PRIORS[target.value];
    moveSlider(PRIORS[target.value]);
  });
  at("prior-slider").addEventListener("change", scoreAll);
  at("prior").addEventListener("change", ({ target }) => {
    if (!target.reportValidity()) return;
    if (target.value) moveSlider(Number(target.value));
    scoreAll();
  });
  at("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    useKey(at("key").value);
    await loadModels();
    if (!trouble) scoreAll();
  });
  at("add").addEventListener("click", () => addSlot().root.querySelector(".file").focus());
  at("report").addEventListener("click", async () => {
    const answered = slots.filter((slot) => slot.answer);
    save("report.html", "text/html", await report(answered, [at("comparison"), at("meaning")], LIGHT));
  });
  at("print").addEventListener("click", () => window.print());
  addEventListener("beforeprint", () => forPaper(true));
  addEventListener("afterprint", () => forPaper(false));
  // A file that misses its place would else replace the page.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
}

function forPaper(isForPaper) {
  document.documentElement.dataset.theme = isForPaper ? "light" : "";
  for (const details of document.querySelectorAll("details")) details.open = isForPaper;
  for (const slot of slots) slot.draw(isForPaper);
}

await startLanguage();
listen();
addSlot();
fill();
await loadModels();
