// Things to keep: files that the browser writes, and the answers as one page that needs nothing else.

import { element } from "./answer.js";
import { languageCode, text } from "./language.js";

const WIDTH = 860;

/** Let the reader save a file. */
export function save(name, type, content) {
  const link = element("a", { download: name });
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * All answers as a page: the words that are on the screen, the pictures within.
 * @param {Slot[]} slots that have an answer
 * @param {HTMLElement[]} sections that follow them
 * @param {object} colours of the pictures
 */
export async function report(slots, sections, colours) {
  const css = await (await fetch("page/page.css")).text();
  const page = document.implementation.createHTMLDocument(text("report_title"));
  page.documentElement.lang = languageCode();
  page.documentElement.dataset.theme = "light";
  // First of all in the head: a browser looks only at the file's beginning for it.
  page.head.prepend(meta({ charset: "utf-8" }));
  page.head.append(meta({ name: "viewport", content: "width=device-width, initial-scale=1" }));
  const body = page.createElement("main");
  body.append(element("h1", {}, text("report_title")), element("p", { class: "soft" }, text("report_hint")));
  body.append(...slots.map((slot) => pictured(slot, colours)), ...sections.map((one) => one.cloneNode(true)));
  for (const one of body.querySelectorAll(".no-report, [hidden]")) one.remove();
  for (const one of body.querySelectorAll("details")) one.open = true;
  page.body.append(body);
  // The rules are put in as text: a page under our policy may not make a style, not even for another page.
  const html = page.documentElement.outerHTML
    .replace("</head>", () => `<style>${css}</style></head>`)
    .replaceAll(' data-picture="', ' src="');
  return `<!doctype html>\n${html}\n`;
}

const meta = (attributes) => element("meta", attributes);

// Its pictures' addresses are put in as text, too: the policy lets none of data be loaded here.
function pictured(slot, colours) {
  const copy = slot.root.cloneNode(true);
  const names = ["wave", "spectrogram", "windows"];
  const canvases = Object.fromEntries(names.map((name) => [name, document.createElement("canvas")]));
  const drawn = slot.paint((name) => canvases[name], { width: WIDTH, scale: 2, colours });
  for (const old of copy.querySelectorAll("canvas")) {
    if (drawn.includes(old.className)) old.replaceWith(picture(canvases[old.className]));
    else old.remove();
  }
  return copy;
}

const picture = (canvas) =>
  element("img", { alt: canvas.getAttribute("aria-label"), width: WIDTH, "data-picture": canvas.toDataURL() });
