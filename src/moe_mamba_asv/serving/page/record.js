// The microphone: what it hears becomes a file like any other.

import { Refusal } from "./service.js";

const FORMS = { "audio/webm;codecs=opus": "webm", "audio/ogg;codecs=opus": "ogg", "audio/mp4": "m4a" };
const LONGEST_MS = 120_000;
// Each of these would change the sound that is judged.
const UNTOUCHED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/**
 * Start to record.
 * @param {(seconds: number) => void} onSecond told how long it has been
 * @returns {Promise<{stop: () => void, file: Promise<File>}>} the file is there after stop(), or after two minutes
 */
export async function startRecording(onSecond) {
  const stream = await openMicrophone();
  const form = Object.keys(FORMS).find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, form ? { mimeType: form, audioBitsPerSecond: 128_000 } : {});
  const parts = [];
  const started = performance.now();
  const clock = setInterval(() => onSecond(Math.floor((performance.now() - started) / 1000)), 250);
  const end = setTimeout(() => recorder.stop(), LONGEST_MS);
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const file = new Promise((resolve) => {
    recorder.onstop = () => {
      clearInterval(clock);
      clearTimeout(end);
      stream.getTracks().forEach((track) => track.stop());
      const type = recorder.mimeType || "audio/webm";
      const ending = FORMS[form] ?? "webm";
      resolve(new File(parts, `microphone-${new Date().toISOString().replace(/[:.]/g, "-")}.${ending}`, { type }));
    };
  });
  recorder.start();
  return { stop: () => recorder.state !== "inactive" && recorder.stop(), file };
}

async function openMicrophone() {
  // Browsers give no microphone to a page that came over an open line.
  if (!navigator.mediaDevices || !window.MediaRecorder) throw new Refusal("error_no_recording");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: UNTOUCHED });
  } catch (error) {
    throw new Refusal(error.name === "NotFoundError" ? "error_no_microphone" : "error_microphone_denied");
  }
}
