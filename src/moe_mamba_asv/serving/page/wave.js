// Pictures of a recording: its waveform and its spectrogram, with the stretch that the model heard.

import { RATE_HZ } from "./spectrum.js";

const FLOOR_DB = -80;
const LEFT = 44; // pixels, for the words of the frequency axis
const BOTTOM = 20;
// From the floor to the loudest: dark to light, so that it reads in grey and by eyes that see no red.
const RAMP = [
  [8, 9, 26],
  [45, 22, 92],
  [112, 38, 118],
  [185, 62, 100],
  [238, 110, 70],
  [252, 180, 88],
  [252, 248, 200],
];
export const LIGHT = { ink: "#1b2430", soft: "#566374", line: "#d9dfe6", wave: "#00568a", unheard: "rgba(245,247,249,.72)" };
export const DARK = { ink: "#e4e9ef", soft: "#a3b0be", line: "#35404c", wave: "#7cc4f5", unheard: "rgba(18,23,29,.72)" };

/**
 * Draw the waveform.
 * @param {HTMLCanvasElement} canvas sized here
 * @param {{samples: Float32Array, heardS: ?number, heardWords: string}} sound
 * @param {{width: number, scale: number, colours: object}} look width in CSS pixels
 */
export function drawWave(canvas, sound, look) {
  const height = 96;
  const draw = prepare(canvas, look, height);
  const width = look.width - LEFT;
  const { samples } = sound;
  const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 1e-6);
  draw.fillStyle = look.colours.wave;
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    let low = Infinity;
    let high = -Infinity;
    for (let i = from; i < to && i < samples.length; i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const top = (height / 2) * (1 - (0.94 * high) / peak);
    draw.fillRect(LEFT + x, top, 1, Math.max(1, (height / 2) * (1 - (0.94 * low) / peak) - top));
  }
  markHeard(draw, sound, look, height, true);
}

/**
 * Draw the spectrogram with its axes.
 * @param {{db: Float32Array, columns: number, bins: number}} levels of spectrum()
 */
export function drawSpectrogram(canvas, sound, levels, look) {
  const height = 200;
  const draw = prepare(canvas, look, height + BOTTOM);
  draw.imageSmoothingEnabled = true;
  draw.drawImage(picture(levels), LEFT, 0, look.width - LEFT, height);
  markHeard(draw, sound, look, height, false);
  draw.fillStyle = look.colours.soft;
  draw.textAlign = "right";
  for (const kHz of [0, 2, 4, 6, 8]) {
    draw.textBaseline = kHz === 8 ? "top" : kHz === 0 ? "bottom" : "middle";
    draw.fillText(kHz === 8 ? "8 kHz" : `${kHz}`, LEFT - 6, height * (1 - kHz / 8));
  }
  drawTime(draw, sound.samples.length / RATE_HZ, look, height);
}

/**
 * Draw the windows' scores, below the spectrogram and on its axis of time.
 * @param {object} score of POST /v1/score/long
 */
export function drawWindows(canvas, score, look) {
  const height = 110;
  const { width, colours } = look;
  const draw = prepare(canvas, look, height + BOTTOM);
  const scores = score.windows.map((one) => one.score).filter((one) => one !== null);
  const low = Math.min(...scores);
  const high = Math.max(...scores);
  const x = (at) => LEFT + (at / score.duration_s) * (width - LEFT);
  const y = (value) => 12 + (height - 24) * (high === low ? 0.5 : (high - value) / (high - low));
  for (const { start_s, end_s, score: value } of score.windows) {
    // About its centre, as wide as the step to the next: windows overlap.
    const half = Math.min(score.hop_s, end_s - start_s) / 2;
    const from = x((start_s + end_s) / 2 - half);
    const room = Math.max(1, x((start_s + end_s) / 2 + half) - from - 1);
    draw.fillStyle = value === null ? colours.line : colours.wave;
    if (value === null) draw.fillRect(from, 0, room, height);
    else draw.fillRect(from, y(value) - 2, room, 4);
  }
  draw.fillStyle = colours.soft;
  draw.textAlign = "right";
  draw.textBaseline = "middle";
  for (const value of scores.length ? [high, low] : []) draw.fillText(value.toFixed(2), LEFT - 4, y(value));
  drawTime(draw, score.duration_s, look, height);
}

function prepare(canvas, { width, scale }, height) {
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const draw = canvas.getContext("2d");
  draw.scale(scale, scale);
  draw.font = "12px system-ui, sans-serif";
  return draw;
}

function markHeard(draw, { samples, heardS, heardWords }, { width, colours }, height, isNamed) {
  if (heardS === null) return;
  const end = LEFT + Math.min(1, (heardS * RATE_HZ) / samples.length) * (width - LEFT);
  draw.fillStyle = colours.unheard;
  draw.fillRect(end, 0, width - end, height);
  draw.strokeStyle = colours.ink;
  draw.lineWidth = 2;
  draw.strokeRect(LEFT + 1, 1, end - LEFT - 2, height - 2);
  if (!isNamed) return;
  draw.textBaseline = "top";
  const room = draw.measureText(heardWords).width + 12;
  // Inside the stretch where it fits, else beside it, and never beyond the picture.
  const left = end - LEFT > room ? LEFT + 2 : Math.min(end, width - room);
  draw.fillStyle = colours.ink;
  draw.fillRect(left, 0, room, 19);
  draw.fillStyle = colours.line;
  draw.textAlign = "left";
  draw.fillText(heardWords, left + 6, 4);
}

function drawTime(draw, durationS, { width }, height) {
  const room = width - LEFT;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((one) => (one / durationS) * room > 56) ?? 1200;
  draw.textBaseline = "top";
  for (let number = 0; number * step <= durationS; number++) {
    const x = LEFT + ((number * step) / durationS) * room;
    draw.textAlign = number === 0 ? "left" : x > width - 24 ? "right" : "center";
    draw.fillRect(Math.min(x, width - 1), height, 1, 4);
    draw.fillText(`${+(number * step).toFixed(1)} s`, x, height + 6);
  }
}

function picture({ columns, bins, db }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = bins;
  const draw = canvas.getContext("2d");
  const image = draw.createImageData(columns, bins);
  for (let column = 0; column < columns; column++) {
    for (let bin = 0; bin < bins; bin++) {
      const at = 4 * ((bins - 1 - bin) * columns + column);
      image.data.set(colour(1 - db[column * bins + bin] / FLOOR_DB), at);
      image.data[at + 3] = 255;
    }
  }
  draw.putImageData(image, 0, 0);
  return canvas;
}

function colour(level) {
  const place = Math.min(Math.max(level, 0), 1) * (RAMP.length - 1);
  const below = Math.min(Math.floor(place), RAMP.length - 2);
  const share = place - below;
  return RAMP[below].map((one, i) => one + share * (RAMP[below + 1][i] - one));
}
