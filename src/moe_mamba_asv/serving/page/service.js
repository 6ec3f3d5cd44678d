// What the service is asked, and its refusals as keys of texts.

const ERRORS = {
  too_large: "error_too_large",
  too_many_files: "error_too_large",
  not_multipart: "error_malformed",
  malformed: "error_malformed",
  incomplete: "error_malformed",
  no_file: "error_malformed",
  not_a_file: "error_malformed",
  no_access: "error_no_access",
  unknown_model: "error_unknown_model",
  too_slow: "error_too_slow",
  impossible: "error_impossible",
  too_many_requests: "error_too_many_requests",
  busy: "error_busy",
};
// Where a proxy answers in the service's place there is no code, only a status.
const STATUS_ERRORS = {
  401: "error_no_access",
  403: "error_no_access",
  404: "error_not_found",
  408: "error_too_slow",
  413: "error_too_large",
  415: "error_malformed",
  429: "error_too_many_requests",
  502: "error_busy",
  503: "error_busy",
  504: "error_busy",
};

const LOOK_MS = 400;

// Kept here alone: gone with the page.
let key = "";

/** Send this key from now on. */
export function useKey(value) {
  key = value;
}

/** Why there is no answer: a key of texts, what the service said of it, and how long to wait. */
export class Refusal extends Error {
  constructor(textKey, { said = "", wait = null } = {}) {
    super(textKey);
    this.textKey = textKey;
    this.said = said;
    this.wait = wait;
  }
}

/** The models that can be asked. */
export const askModels = (signal) => ask("v1/models", { signal });

/**
 * The answer to one recording.
 * @param {File} file
 * @param {{model: ?string, prior: ?number}} wanted null leaves it to the service
 */
export async function askScore(file, wanted, signal) {
  const given = Object.entries(wanted).filter(([, value]) => value !== null);
  const form = new FormData();
  form.append("file", file, file.name);
  const answer = await ask(`v1/score?${new URLSearchParams(given)}`, { method: "POST", body: form, signal });
  const { error } = answer.files[0];
  if (error) throw new Refusal("error_file", { said: inWords(error) });
  return answer;
}

/**
 * The answer to all of a long recording; it is deleted there as soon as it is here, or not wanted any more.
 * @param {(progress: {done_s: number, total_s: ?number}) => void} onProgress
 */
export async function askLong(file, model, onProgress, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  const query = model === null ? "" : `?${new URLSearchParams({ model })}`;
  let job = await ask(`v1/score/long${query}`, { method: "POST", body: form, signal });
  const address = job.address.slice(1); // from this page on, wherever it is served
  try {
    while (job.state === "queued" || job.state === "running") {
      onProgress(job.progress);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      job = await ask(address, { signal });
    }
  } finally {
    reach(address, { method: "DELETE" }).catch(() => null);
  }
  if (job.error) throw new Refusal("error_file", { said: inWords(job.error) });
  return job.result;
}

async function ask(path, options) {
  const response = await reach(path, options);
  const body = await response.json().catch(() => null);
  // A file that could not be scored is answered with 422 and its own error.
  if (response.ok ? body : body?.files) return body;
  throw new Refusal(ERRORS[body?.code] ?? STATUS_ERRORS[response.status] ?? "error_broken", {
    said: body?.got ? inWords(body) : `HTTP ${response.status}`,
    wait: Number(response.headers.get("Retry-After")) || null,
  });
}

async function reach(path, options) {
  try {
    return await fetch(path, { ...options, headers: key ? { "X-API-Key": key } : {} });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("error_network");
  }
}

const inWords = ({ got, wanted, remedy }) => [got, wanted && `wanted: ${wanted}`, remedy].filter(Boolean).join("; ");
