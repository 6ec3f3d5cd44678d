/* The encoder of AASIST, written once and compiled for each instruction set.
 *
 * A file that includes this one defines
 *   LANES   channels (or, in the stem, frames) that are worked on side by side, one a lane of a vector register
 *   ROWS    tiles that a matrix product keeps in registers at a time
 *   NAME(x) the name of x in this variant
 *
 * How it is fast. Along time a convolution of three taps is a product of polynomials: OUTPUTS frames of the answer
 * follow from POINTS multiplications, in place of 3 OUTPUTS (Winograd's F(6, 3)). Both bands that a filter sees, and the
 * shortcut, add up at the points, so that they are one longer sum. A block runs over a few tiles of time at once, band
 * by band, from its input to the pooled answer: what lies between never leaves the cache. Tiles lie at fixed frames,
 * whatever the parts are that the work is cut into, so no answer depends on the cut.
 */

#include "../../native/vectors.h"
#include "arguments.h"

#define PANEL 2 /* vectors of output channels that are worked on at a time */
#define COLUMNS (PANEL * LANES)

INLINE vec selu(vec x) {
    const float scale = 1.0507009873554805f, alpha_scale = 1.7580993408473766f;
    return choose(x > 0, x * scale, exp_less_one(x) * alpha_scale);
}

/* ---- the stem ------------------------------------------------------------------------------------------------ */

#define SPAN (16 * LANES) /* pooled frames of a task */

/* Every third sample from `first` on, three times: phases[p * width + i] is sample first + 3 i + p, 0 past the end. */
static void NAME(take_phases)(const float *samples, int64_t num_samples, int64_t first, int64_t width, float *phases) {
    for (int64_t i = 0; i < width; i++)
        for (int64_t p = 0; p < 3; p++) {
            int64_t at = first + 3 * i + p;
            phases[p * width + i] = at < num_samples ? samples[at] : 0;
        }
}

/* A filter is symmetric: the two samples that a tap meets are added first, once for all filters.
 * sums: (half + 1, 3). */
static void NAME(add_pairs)(const float *phases, int64_t width, int64_t half, vec *sums) {
    for (int64_t tap = 0; tap <= half; tap++)
        for (int64_t p = 0; p < 3; p++) {
            int64_t early = p + tap, late = p + 2 * half - tap;
            vec sum = load(phases + early % 3 * width + early / 3);
            if (tap < half) sum += load(phases + late % 3 * width + late / 3);
            sums[3 * tap + p] = sum;
        }
}

/* The largest magnitude of three filters at three samples each. */
INLINE vec NAME(largest_of_nine)(const vec *sums, const float *filters, int64_t half) {
    vec answers[9] = {{0}};
    for (int64_t tap = 0; tap <= half; tap++)
#pragma GCC unroll 9
        for (int i = 0; i < 9; i++) answers[i] += sums[3 * tap + i % 3] * filters[3 * tap + i / 3];
    /* As integers, magnitudes keep their order, and NaN is the largest. */
    ints largest = {0};
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++) {
        ints magnitude = (ints)answers[i] & 0x7fffffff, more = magnitude > largest;
        largest = (magnitude & more) | (largest & ~more);
    }
    return (vec)largest;
}

int64_t NAME(stem_tasks)(const Stem *stem) {
    return stem->batches * (((stem->samples - 2 * stem->half) / 3 + SPAN - 1) / SPAN);
}

size_t NAME(stem_scratch)(const Stem *stem) {
    return (3 * (SPAN + round_up(stem->half, LANES)) + 3 * (stem->half + 1) * LANES) * sizeof(float);
}

int NAME(stem_task)(const void *pointer, int64_t task, char *scratch) {
    const Stem *stem = pointer;
    const int64_t half = stem->half, frames = (stem->samples - 2 * half) / 3, spans = (frames + SPAN - 1) / SPAN;
    const int64_t batch = task / spans, first = task % spans * SPAN, width = SPAN + round_up(half, LANES);
    vec *sums = (vec *)scratch;
    float *phases = (float *)(sums + 3 * (half + 1));
    NAME(take_phases)(stem->waveforms + batch * stem->samples, stem->samples, 3 * first, width, phases);
    for (int64_t frame = first; frame < least(first + SPAN, frames); frame += LANES) {
        NAME(add_pairs)(phases + frame - first, width, half, sums);
        for (int64_t band = 0; band < stem->bands; band++) {
            vec most = NAME(largest_of_nine)(sums, stem->filters + band * 3 * (half + 1), half);
            float *out = stem->out + (batch * stem->bands + band) * frames + frame;
            store_part(out, selu(most * stem->scale + stem->shift), frames - frame);
        }
    }
    return 0;
}

/* ---- between frames and points ------------------------------------------------------------------------------ */

/* POINTS frames to the coefficients that meet the filter's values at 0, 1, -1, 2, -2, 1/2, -1/2 and infinity. */
INLINE void NAME(to_points)(const vec d[POINTS], float *values, int64_t step) {
    vec even1 = d[2] + d[6] - d[4] * 4.25f, odd1 = d[1] + d[5] - d[3] * 4.25f;
    vec even2 = d[2] * 0.25f + d[6] - d[4] * 1.25f, odd2 = d[1] * 0.5f + d[5] * 2.0f - d[3] * 2.5f;
    vec even3 = d[2] * 4.0f + d[6] - d[4] * 5.0f, odd3 = d[1] * 2.0f + d[5] * 0.5f - d[3] * 2.5f;
    *(vec *)(values + 0 * step) = d[0] - d[6] + (d[4] - d[2]) * 5.25f;
    *(vec *)(values + 1 * step) = even1 + odd1;
    *(vec *)(values + 2 * step) = even1 - odd1;
    *(vec *)(values + 3 * step) = even2 + odd2;
    *(vec *)(values + 4 * step) = even2 - odd2;
    *(vec *)(values + 5 * step) = even3 + odd3;
    *(vec *)(values + 6 * step) = even3 - odd3;
    *(vec *)(values + 7 * step) = d[7] - d[1] + (d[3] - d[5]) * 5.25f;
}

/* Products at the points to OUTPUTS frames. */
INLINE void NAME(from_points)(const float *products, int64_t step, vec y[OUTPUTS]) {
    vec m[POINTS];
#pragma GCC unroll 8
    for (int i = 0; i < POINTS; i++) m[i] = *(const vec *)(products + i * step);
    vec even1 = m[1] + m[2], odd1 = m[1] - m[2];
    vec even2 = m[3] + m[4], odd2 = m[3] - m[4];
    vec even3 = m[5] + m[6], odd3 = m[5] - m[6];
    y[0] = m[0] + even1 + even2 + even3;
    y[1] = odd1 + odd2 * 2.0f + odd3 * 0.5f;
    y[2] = even1 + even2 * 4.0f + even3 * 0.25f;
    y[3] = odd1 + odd2 * 8.0f + odd3 * 0.125f;
    y[4] = even1 + even2 * 16.0f + even3 * 0.0625f;
    y[5] = m[7] + odd1 + odd2 * 32.0f + odd3 * 0.03125f;
}

/* Values between two points: those of all tiles, and a vector more, so that no two points lie in the same cache set. */
INLINE int64_t NAME(point_step)(int64_t channels) { return (TILES + 1) * round_up(channels, LANES); }

/* Tiles of a (frames, channels) row, the first one's window from frame `start` on; zeros lie around the row. */
static void NAME(transform_row)(
    const float *row, int64_t frames, int64_t channels, int64_t start, int64_t tiles, float *values
) {
    const int64_t step = NAME(point_step)(channels), width = round_up(channels, LANES);
    for (int64_t tile = 0; tile < tiles; tile++, start += OUTPUTS) {
        const int whole = start >= 0 && start + POINTS <= frames;
        for (int64_t c = 0; c < channels; c += LANES) {
            vec d[POINTS];
            if (whole && channels - c >= LANES)
#pragma GCC unroll 8
                for (int i = 0; i < POINTS; i++) d[i] = load(row + (start + i) * channels + c);
            else
#pragma GCC unroll 8
                for (int i = 0; i < POINTS; i++) {
                    int64_t at = start + i;
                    d[i] = at >= 0 && at < frames ? load_part(row + at * channels + c, channels - c) : all(0);
                }
            NAME(to_points)(d, values + tile * width + c, step);
        }
    }
}

/* ---- sums at the points ------------------------------------------------------------------------------------- */

/* A part of the inner dimension: values (POINTS, TILES + 1, width), and the weights that they meet. */
typedef struct {
    const float *values, *weights;
    int64_t channels;
    int64_t panel_step; /* weights of a panel, of which `weights` may be a part */
} Part;

typedef struct {
    int64_t panels, count;
    Part parts[3];
} Sum;

INLINE void NAME(multiply)(const Sum *sum, int64_t point, int64_t panel, int64_t tile, int rows, float *out) {
    vec total[ROWS][PANEL] = {{{0}}};
    for (int64_t i = 0; i < sum->count; i++) {
        const Part *part = &sum->parts[i];
        const int64_t width = round_up(part->channels, LANES);
        const float *values = part->values + point * NAME(point_step)(part->channels) + tile * width;
        const float *column = part->weights + (point * sum->panels + panel) * part->panel_step;
#pragma GCC unroll 4
        for (int64_t k = 0; k < part->channels; k++, column += COLUMNS, values++)
#pragma GCC unroll 12
            for (int row = 0; row < rows; row++) {
                vec value = all(values[row * width]);
                total[row][0] += value * load(column);
                total[row][1] += value * load(column + LANES);
            }
    }
    const int64_t step = POINTS * sum->panels * COLUMNS;
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++) {
        *(vec *)(out + row * step) = total[row][0];
        *(vec *)(out + row * step + LANES) = total[row][1];
    }
}

/* All tiles, points and channels: products (tiles, POINTS, panels * COLUMNS). */
static void NAME(add_up)(const Sum *sum, int64_t tiles, float *products) {
    for (int64_t point = 0; point < POINTS; point++)
        for (int64_t panel = 0; panel < sum->panels; panel++)
            for (int64_t tile = 0; tile < tiles; tile += ROWS) {
                float *out = products + ((tile * POINTS + point) * sum->panels + panel) * COLUMNS;
#define CASE(rows) case rows: NAME(multiply)(sum, point, panel, tile, rows, out); break;
                switch (least(tiles - tile, ROWS)) {
                    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
                    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
                }
#undef CASE
            }
}

/* ---- a residual block --------------------------------------------------------------------------------------- */

/* What a task works on: pooled frames from 2 `tile` on, and buffers that fit the cache. */
typedef struct {
    const Block *block;
    const float *maps;   /* of the clip */
    float *pooled;       /* of the clip */
    int64_t tile, tiles; /* of the second convolution; the first has one tile more, and starts a frame earlier */
    int64_t panels;
    float *of_maps[2], *of_inner[2]; /* values at the points of two bands: of the maps, of what lies between */
    float *shortcut, *products, *inner;
} Task;

/* Hands the buffers their places in the scratch memory, if there is any yet; answers the bytes that they take. */
static size_t NAME(carve)(Task *task, const Block *block, char *scratch) {
    const int64_t maps = POINTS * NAME(point_step)(block->in), inner = POINTS * NAME(point_step)(block->out);
    const int64_t products = TILES * POINTS * task->panels * COLUMNS;
    const int64_t rows = TILES * OUTPUTS * round_up(block->out, LANES);
    const int64_t sizes[] = {maps, maps, inner, inner, block->shortcut ? maps : 0, products, rows};
    float **const buffers[] = {&task->of_maps[0], &task->of_maps[1], &task->of_inner[0], &task->of_inner[1],
                               &task->shortcut, &task->products, &task->inner};
    size_t used = 0;
    for (int i = 0; i < 7; i++) {
        if (scratch) *buffers[i] = (float *)(scratch + used);
        used += sizes[i] * sizeof(float);
    }
    return used;
}

size_t NAME(block_scratch)(const Block *block) {
    Task task = {.panels = (block->out + COLUMNS - 1) / COLUMNS};
    return NAME(carve)(&task, block, NULL);
}

INLINE const float *NAME(row_of)(const Task *task, int64_t band) {
    return task->maps + band * task->block->frames * task->block->in;
}

/* What the first convolution wants of a band of the maps: values at the points, or of a single channel the frames
 * themselves from one before the first on, zeros around them. */
static void NAME(take_band)(const Task *task, int64_t band) {
    const Block *block = task->block;
    const int64_t start = task->tile * OUTPUTS - 2, exists = band >= 0 && band < block->bands;
    float *taken = task->of_maps[band & 1];
    if (block->in > 1) {
        if (exists)
            NAME(transform_row)(NAME(row_of)(task, band), block->frames, block->in, start, task->tiles + 1, taken);
        return;
    }
    for (int64_t i = 0; i < (task->tiles + 1) * OUTPUTS + 2; i++)
        taken[i] = exists && start + i >= 0 && start + i < block->frames ? NAME(row_of)(task, band)[start + i] : 0;
}

/* The first convolution's sums of six frames, at the points or, of a single channel, one by one. */
INLINE void NAME(first_sums)(const Task *task, int64_t band, int64_t tile, int64_t c, vec y[OUTPUTS]) {
    const int64_t width = task->panels * COLUMNS;
    if (task->block->in > 1) {
        NAME(from_points)(task->products + tile * POINTS * width + c, width, y);
        return;
    }
#pragma GCC unroll 6
    for (int i = 0; i < OUTPUTS; i++) y[i] = all(0);
#pragma GCC unroll 6
    for (int tap = 0; tap < 6; tap++) {
        const float *frames = task->of_maps[(band - 1 + tap / 3) & 1] + tile * OUTPUTS + tap % 3;
        const vec weight = load(task->block->first + tap * width + c);
#pragma GCC unroll 6
        for (int i = 0; i < OUTPUTS; i++) y[i] += frames[i] * weight;
    }
}

/* Bias and SELU; zero outside the clip, as the second convolution wants it. */
static void NAME(finish_first)(const Task *task, int64_t band) {
    const Block *block = task->block;
    const int64_t stored = round_up(block->out, LANES);
    for (int64_t tile = 0; tile <= task->tiles; tile++) {
        float *inner = task->inner + tile * OUTPUTS * stored;
        for (int64_t c = 0; c < stored; c += LANES) {
            vec y[OUTPUTS];
            NAME(first_sums)(task, band, tile, c, y);
            const vec bias = load(block->first_bias + c);
#pragma GCC unroll 6
            for (int i = 0; i < OUTPUTS; i++) *(vec *)(inner + i * stored + c) = selu(y[i] + bias);
        }
        for (int64_t i = 0, at = (task->tile + tile) * OUTPUTS - 1; i < OUTPUTS; i++, at++)
            if (at < 0 || at >= block->frames) memset(inner + i * stored, 0, stored * sizeof(float));
    }
}

/* Answer of the first convolution at a band from 0 to bands, ready for the second. */
static void NAME(first_convolution)(const Task *task, int64_t band) {
    const Block *block = task->block;
    const int64_t panel_step = 2 * block->in * COLUMNS;
    Sum sum = {.panels = task->panels};
    NAME(take_band)(task, band);
    for (int64_t i = 0; i < 2; i++)
        if (band - 1 + i >= 0 && band - 1 + i < block->bands)
            sum.parts[sum.count++] = (Part){
                task->of_maps[(band - 1 + i) & 1], block->first + i * block->in * COLUMNS, block->in, panel_step
            };
    if (block->in > 1) NAME(add_up)(&sum, task->tiles + 1, task->products);
    NAME(finish_first)(task, band);
    const int64_t width = round_up(block->out, LANES), frames = (task->tiles + 1) * OUTPUTS;
    NAME(transform_row)(task->inner, frames, width, 0, task->tiles, task->of_inner[band & 1]);
}

/* The second convolution's sums of six frames, with those of a shortcut that is a convolution. */
INLINE void NAME(second_sums)(const Task *task, int64_t band, int64_t tile, int64_t c, vec y[OUTPUTS]) {
    const int64_t width = task->panels * COLUMNS;
    NAME(from_points)(task->products + tile * POINTS * width + c, width, y);
    if (task->block->in > 1 || !task->block->shortcut) return;
    const float *frames = task->of_maps[band & 1] + tile * OUTPUTS + 1;
#pragma GCC unroll 3
    for (int tap = 0; tap < 3; tap++) {
        const vec weight = load(task->block->shortcut + tap * width + c);
#pragma GCC unroll 6
        for (int i = 0; i < OUTPUTS; i++) y[i] += frames[i + tap] * weight;
    }
}

/* The maps themselves, where they are the shortcut, from one frame on. */
INLINE void NAME(add_maps)(const Task *task, int64_t band, int64_t frame, int64_t c, vec y[POOLED]) {
    const int64_t channels = task->block->in;
    const float *from = NAME(row_of)(task, band) + frame * channels + c;
#pragma GCC unroll 3
    for (int i = 0; i < POOLED; i++) y[i] += load_part(from + i * channels, channels - c);
}

/* Shortcut, pooling and bias. */
static void NAME(finish_second)(const Task *task, int64_t band) {
    const Block *block = task->block;
    const int64_t pooled_frames = block->frames / POOLED;
    for (int64_t tile = 0; tile < task->tiles; tile++)
        for (int64_t c = 0; c < block->out; c += LANES) {
            vec y[OUTPUTS];
            NAME(second_sums)(task, band, tile, c, y);
#pragma GCC unroll 2
            for (int half = 0; half < OUTPUTS / POOLED; half++) {
                const int64_t at = (task->tile + tile) * (OUTPUTS / POOLED) + half;
                if (at >= pooled_frames) break;
                vec *few = y + half * POOLED;
                if (!block->shortcut) NAME(add_maps)(task, band, at * POOLED, c, few);
                vec most = larger(larger(few[0], few[1]), few[2]) + load(block->second_bias + c);
                store_part(task->pooled + (band * pooled_frames + at) * block->out + c, most, block->out - c);
            }
        }
}

static void NAME(second_convolution)(const Task *task, int64_t band) {
    const Block *block = task->block;
    const int64_t panel_step = 2 * block->out * COLUMNS;
    Sum sum = {
        .panels = task->panels,
        .count = 2,
        .parts = {{task->of_inner[band & 1], block->second, block->out, panel_step},
                  {task->of_inner[(band + 1) & 1], block->second + block->out * COLUMNS, block->out, panel_step}},
    };
    if (block->shortcut && block->in > 1) {
        const int64_t start = task->tile * OUTPUTS - 1;
        NAME(transform_row)(NAME(row_of)(task, band), block->frames, block->in, start, task->tiles, task->shortcut);
        sum.parts[sum.count++] = (Part){task->shortcut, block->shortcut, block->in, block->in * COLUMNS};
    }
    NAME(add_up)(&sum, task->tiles, task->products);
    NAME(finish_second)(task, band);
}

int NAME(block_task)(const void *pointer, int64_t index, char *scratch) {
    const Block *block = pointer;
    const int64_t pooled_frames = block->frames / POOLED, tiles = (pooled_frames + 1) / 2;
    const int64_t segment = index % block->segments, chunk = index / block->segments % block->chunks;
    const int64_t batch = index / block->segments / block->chunks;
    const int64_t first = block->bands * segment / block->segments;
    const int64_t end = block->bands * (segment + 1) / block->segments;
    Task task = {.block = block, .panels = (block->out + COLUMNS - 1) / COLUMNS};
    NAME(carve)(&task, block, scratch);
    task.maps = block->maps + batch * block->bands * block->frames * block->in;
    task.pooled = block->pooled + batch * block->bands * pooled_frames * block->out;
    task.tile = tiles * chunk / block->chunks;
    task.tiles = tiles * (chunk + 1) / block->chunks - task.tile;
    NAME(take_band)(&task, first - 1);
    for (int64_t band = first; band <= end; band++) {
        NAME(first_convolution)(&task, band);
        if (band > first) NAME(second_convolution)(&task, band - 1);
    }
    return 0;
}
