// Samples of a file, and their short-time spectrum.

export const RATE_HZ = 16_000;
const WINDOW = 512; // 32 ms
const BINS = WINDOW / 2; // 0 to 8 kHz
const COLUMNS = 1_000;
// So many windows at most are looked at for a column; the loudest counts.
const LOOKS = 4;

/**
 * Samples, mono at 16 kHz as the model hears them; null where this browser cannot read the file.
 * @param {File} file
 */
export async function decode(file) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const samples = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++) {
      const one = sound.getChannelData(channel);
      for (let i = 0; i < samples.length; i++) samples[i] += one[i] / sound.numberOfChannels;
    }
    return samples.length ? samples : null;
  } catch {
    return null;
  }
}

/**
 * Level of each frequency over time.
 * @param {Float32Array} samples
 * @returns {{columns: number, bins: number, db: Float32Array}} column by column, lowest frequency first; dB below the loudest
 */
export function spectrum(samples) {
  const padded = samples.length < WINDOW ? extended(samples) : samples;
  const room = padded.length - WINDOW;
  const columns = Math.max(1, Math.min(COLUMNS, Math.floor(room / (WINDOW / 8)) + 1));
  const looks = Math.min(LOOKS, Math.max(1, Math.floor(room / columns / (WINDOW / 4))));
  const power = new Float32Array(columns * BINS);
  const transform = new Transform(WINDOW);
  for (let column = 0; column < columns; column++) {
    for (let look = 0; look < looks; look++) {
      const at = Math.round((room * (column + look / looks)) / columns);
      transform.addLoudest(padded, at, power.subarray(column * BINS, (column + 1) * BINS));
    }
  }
  const loudest = power.reduce((most, one) => Math.max(most, one), 1e-20);
  return { columns, bins: BINS, db: power.map((one) => 10 * Math.log10(Math.max(one / loudest, 1e-12))) };
}

function extended(samples) {
  const padded = new Float32Array(WINDOW);
  padded.set(samples);
  return padded;
}

/** The fast Fourier transform of a window, radix 2, with a Hann window before it. */
class Transform {
  constructor(size) {
    this.size = size;
    this.real = new Float64Array(size);
    this.imaginary = new Float64Array(size);
    this.hann = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
    this.cos = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / size));
    const bits = Math.log2(size);
    this.place = Uint16Array.from({ length: size }, (_, i) => {
      let turned = 0;
      for (let bit = 0; bit < bits; bit++) turned |= ((i >> bit) & 1) << (bits - 1 - bit);
      return turned;
    });
  }

  addLoudest(samples, at, power) {
    const { size, real, imaginary, hann, place } = this;
    for (let i = 0; i < size; i++) real[place[i]] = samples[at + i] * hann[i];
    imaginary.fill(0);
    for (let half = 1; half < size; half *= 2) this.merge(half);
    for (let bin = 0; bin < power.length; bin++) {
      power[bin] = Math.max(power[bin], real[bin] ** 2 + imaginary[bin] ** 2);
    }
  }

  merge(half) {
    const { size, real, imaginary, cos, sin } = this;
    const stride = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let i = 0; i < half; i++) {
        const a = start + i;
        const b = a + half;
        const c = cos[i * stride];
        const s = sin[i * stride];
        const re = real[b] * c + imaginary[b] * s;
        const im = imaginary[b] * c - real[b] * s;
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}
