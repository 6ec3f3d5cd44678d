// Texts in the reader's language, and numbers as people write them.

const KEPT_AS = "mma-language";
const CODES = { en: "en", zh: "zh-CN" };

let texts = null;
let language = "en";

/** Read the texts and choose a language: what was chosen before, else what the browser prefers. */
export async function startLanguage() {
  texts = await (await fetch("page/texts.json")).json();
  language = kept() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
}

/** The other of the two languages from now on. */
export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem(KEPT_AS, language);
  } catch {
    // A browser may forbid to keep anything; then it is chosen anew next time.
  }
}

/** The text of a key, with {name} replaced by values.name. */
export function text(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** "en" or "zh-CN". */
export const languageCode = () => CODES[language];

/** Fill all that names a text: data-text with words, data-label with words for screen readers. */
export function fillTexts(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
}

/** A fraction as percent; never 0 % or 100 %, which nothing can be known with. */
export function percent(fraction) {
  if (fraction > 0.9999) return "> 99.99 %";
  if (fraction < 0.0001) return "< 0.01 %";
  const distance = Math.min(fraction, 1 - fraction);
  return `${(100 * fraction).toFixed(distance < 0.01 ? 2 : 1)} %`;
}

/** A fraction that somebody stated as percent, as it was stated. */
export const share = (fraction) => `${+(100 * fraction).toPrecision(6)} %`;

/** Seconds with two decimals. */
export const seconds = (value) => `${value.toFixed(2)} s`;

function kept() {
  try {
    const code = localStorage.getItem(KEPT_AS);
    return code in CODES ? code : null;
  } catch {
    return null;
  }
}
