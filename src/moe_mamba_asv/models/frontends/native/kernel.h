/* Convolutions and attention of self-supervised encoders, written once and compiled for each instruction set.
 *
 * A file that includes this one defines
 *   LANES   columns that are worked on side by side, one a lane of a vector register
 *   ROWS    rows that a product keeps in registers at a time
 *   NAME(x) the name of x in this variant
 *
 * How it is fast. All of it is products of matrices, made from one: a block of rows, in the first cache, times a panel
 * of columns, in the second, in registers. Convolutions over time take fewer products than they have taps: an answer's
 * frames are polynomials' coefficients, which follow from values at a few points (Winograd). What follows a product
 * (norm, GELU, softmax) happens while its rows are still in the cache. Every number of an answer is added up in the
 * same order, whatever the parts are that the work is cut into.
 */

#include <math.h>

#include "../../native/vectors.h"
#include "arguments.h"

#define PANEL 2 /* vectors of columns that are worked on at a time */
#define COLUMNS (PANEL * LANES)
#define DEPTH 256 /* numbers of a row that are worked on at a time, where rows are long */
#define STEP (DEPTH + 16) /* between rows in the first cache, so that they do not share its sets */

/* x (1 + erf(x / sqrt 2)) / 2; erf as z P(z^2) / Q(z^2), fitted for |z| <= 3.925, beyond which it is 1: its error is
 * 2e-8 by the fit and 4e-7 with rounding. */
INLINE vec gelu(vec x) {
    const vec limit = all(3.925f);
    vec z = x * 0.70710678f;
    z = choose(z > limit, limit, z);
    vec s = z * z;
    vec p = all(2.0497974777e-06f);
    p = p * s + 2.8446845220e-04f;
    p = p * s + 3.7539971945e-03f;
    p = p * s + 5.2711338318e-02f;
    p = p * s + 1.9015581719e-01f;
    p = p * s + 1.1283791483f;
    vec q = all(3.8067540169e-05f);
    q = q * s + 1.1594564878e-03f;
    q = q * s + 1.4945696671e-02f;
    q = q * s + 1.1400173762e-01f;
    q = q * s + 5.0185399673e-01f;
    q = q * s + 1.0f;
    return choose(z < -limit, all(0), 0.5f * x * (1.0f + z * p / q));
}

INLINE float NAME(sum_of)(vec x) {
    float part[LANES];
    store(part, x);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++) part[i] += part[i + width];
    return part[0];
}

INLINE float NAME(largest_of)(vec x) {
    float part[LANES];
    store(part, x);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++) part[i] = part[i] > part[i + width] ? part[i] : part[i + width];
    return part[0];
}

/* ---- panels -------------------------------------------------------------------------------------------------- */

/* Numbers of two vectors in turn: their first halves, and their second. */
#if LANES == 16
#define FIRST 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define FIRST 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND 4, 12, 5, 13, 6, 14, 7, 15
#else
#define FIRST 0, 4, 1, 5
#define SECOND 2, 6, 3, 7
#endif
#if defined(__clang__)
#define IN_TURN(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define IN_TURN(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

/* Rows to columns: after each round a number's place has turned by one bit of its row. */
INLINE void NAME(turn)(vec rows[LANES]) {
    vec turned[LANES];
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            turned[2 * i] = IN_TURN(rows[i], rows[i + LANES / 2], FIRST);
            turned[2 * i + 1] = IN_TURN(rows[i], rows[i + LANES / 2], SECOND);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) rows[i] = turned[i];
    }
}

/* Rows `step` apart to a panel (depth, COLUMNS): a column is a row; zeros where there are fewer. */
static void NAME(pack)(const float *rows, int64_t step, int64_t count, int64_t depth, float *panel) {
    for (int64_t first = 0; first < COLUMNS; first += LANES)
        for (int64_t k = 0; k < depth; k += LANES) {
            vec block[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                block[i] = first + i < count ? load_part(rows + (first + i) * step + k, depth - k) : all(0);
            NAME(turn)(block);
            float *out = panel + k * COLUMNS + first;
            if (depth - k >= LANES)
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++) store(out + i * COLUMNS, block[i]);
            else
                for (int i = 0; i < depth - k; i++) store(out + i * COLUMNS, block[i]);
        }
}

INLINE void NAME(multiply_rows)(
    const float *in, int64_t in_step, int64_t depth, const float *panel, int rows, const float *start,
    int64_t start_step, float *out, int64_t out_step
) {
    vec total[ROWS][PANEL];
#pragma GCC unroll 14
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (int i = 0; i < PANEL; i++) total[row][i] = load(start + row * start_step + i * LANES);
#pragma GCC unroll 2
    for (int64_t k = 0; k < depth; k++, panel += COLUMNS, in++)
#pragma GCC unroll 14
        for (int row = 0; row < rows; row++) {
            vec value = all(in[row * in_step]);
            total[row][0] += value * load(panel);
            total[row][1] += value * load(panel + LANES);
        }
#pragma GCC unroll 14
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (int i = 0; i < PANEL; i++) store(out + row * out_step + i * LANES, total[row][i]);
}

/* A block of rows times a panel, added to `start`, whose rows may be the same (step 0) and may be those of `out`. */
static void NAME(multiply)(
    const float *in, int64_t in_step, int64_t depth, const float *panel, int64_t rows, const float *start,
    int64_t start_step, float *out, int64_t out_step
) {
#define CASE(count) \
    case count: NAME(multiply_rows)(in, in_step, depth, panel, count, start, start_step, out, out_step); break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
    }
#undef CASE
}

static const float NAME(zeros)[COLUMNS];

/* `count` numbers to the first cache; what lies behind them there, up to a vector, is of no account. */
INLINE void NAME(take)(const float *from, int64_t count, float *to) {
    for (int64_t k = 0; k < count; k += LANES) store(to + k, load_part(from + k, count - k));
}

/* The same for a panel of which only the first columns exist: added to what is there, or afresh. */
static void NAME(multiply_part)(
    const float *in, int64_t depth, const float *panel, int64_t rows, int more, float *out, int64_t out_step,
    int64_t columns
) {
    if (columns >= COLUMNS) {
        NAME(multiply)(in, STEP, depth, panel, rows, more ? out : NAME(zeros), more ? out_step : 0, out, out_step);
        return;
    }
    float whole[ROWS * COLUMNS] = {0};
    for (int64_t row = 0; row < rows && more; row++)
        memcpy(whole + row * COLUMNS, out + row * out_step, columns * sizeof(float));
    NAME(multiply)(in, STEP, depth, panel, rows, whole, COLUMNS, whole, COLUMNS);
    for (int64_t row = 0; row < rows; row++)
        memcpy(out + row * out_step, whole + row * COLUMNS, columns * sizeof(float));
}

/* ---- positions ----------------------------------------------------------------------------------------------- */

size_t NAME(positions_scratch)(const Positions *positions) {
    return (POINTS * DEPTH * round_up(positions->width, COLUMNS) + ROWS * STEP) * sizeof(float);
}

/* Taps of one channel and some columns of the answer, values at the points: panel after panel, for each point. */
static void NAME(pack_taps)(
    const Positions *positions, const float *weight, int64_t column, float *panels, int64_t step
) {
    const int64_t taps = positions->fours * TAPS, row = positions->width * taps;
    for (int64_t tap = 0; tap < taps; tap += LANES) {
        vec block[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) block[i] = load_part(weight + (column + i) * row + tap, taps - tap);
        NAME(turn)(block);
#pragma GCC unroll 4
        for (int four = 0; four < LANES / TAPS; four++) {
            if (tap + four * TAPS >= taps) break;
            float *out = panels + (tap / TAPS + four) * COLUMNS;
            for (int64_t point = 0; point < POINTS; point++) {
                const float *to = positions->to_points + point * TAPS;
                const vec *at = block + four * TAPS;
                store(out + point * step, at[0] * to[0] + at[1] * to[1] + at[2] * to[2] + at[3] * to[3]);
            }
        }
    }
}

/* All tiles of a clip at a point: products with the channels from `first` on, added to those before. */
static void NAME(add_channels)(
    const Positions *positions, const float *values, int64_t first, int64_t channels, const float *panels, float *block,
    float *out
) {
    const int64_t length = positions->tiles + positions->fours - 1, depth = channels * positions->fours;
    const int64_t step = positions->groups * positions->width;
    for (int64_t tile = 0; tile < positions->tiles; tile += ROWS) {
        const int64_t rows = least(positions->tiles - tile, ROWS);
        for (int64_t row = 0; row < rows; row++)
            for (int64_t c = 0; c < channels; c++)
                NAME(take)(values + (first + c) * length + tile + row, positions->fours,
                           block + row * STEP + c * positions->fours);
        for (int64_t column = 0; column < positions->width; column += COLUMNS) {
            float *sums = out + tile * step + column;
            NAME(multiply_part)(block, depth, panels + column * depth, rows, first > 0, sums, step,
                                positions->width - column);
        }
    }
}

int NAME(positions_task)(const void *pointer, int64_t group, char *scratch) {
    const Positions *positions = pointer;
    const int64_t width = positions->width, fours = positions->fours, channels = DEPTH / fours;
    const int64_t group_values = width * (positions->tiles + fours - 1), group_step = positions->groups * width;
    float *panels = (float *)scratch, *block = panels + POINTS * DEPTH * round_up(width, COLUMNS);
    const float *weight = positions->weight + group * width * width * fours * TAPS;
    for (int64_t first = 0; first < width; first += channels) {
        const int64_t count = least(width - first, channels), depth = count * fours;
        const int64_t point_panels = depth * round_up(width, COLUMNS);
        for (int64_t c = 0; c < count; c++)
            for (int64_t column = 0; column < width; column += LANES)
                NAME(pack_taps)(positions, weight + (first + c) * fours * TAPS, column,
                                panels + column / COLUMNS * COLUMNS * depth + c * fours * COLUMNS + column % COLUMNS,
                                point_panels);
        for (int64_t i = 0; i < positions->batches * POINTS; i++) {
            const float *values = positions->values + (i * positions->groups + group) * group_values;
            float *out = positions->out + i * positions->tiles * group_step + group * width;
            NAME(add_channels)(positions, values, first, count, panels + i % POINTS * point_panels, block, out);
        }
    }
    return 0;
}

/* ---- convolution --------------------------------------------------------------------------------------------- */

/* Three taps at every second frame: frames of even numbers meet the outer taps, those of odd numbers the middle one.
 * Of the outer taps, OUTPUTS frames of an answer follow from OUTER_POINTS products (Winograd's F(3, 2)). */
#define OUTPUTS 3
#define OUTER_POINTS 4

INLINE int NAME(has_points)(const Convolution *convolution) {
    return convolution->kernel == 3 && convolution->stride == 2 && convolution->in_channels > 1;
}
INLINE int64_t NAME(conv_depth)(const Convolution *convolution) {
    return NAME(has_points)(convolution) ? convolution->in_channels : convolution->kernel * convolution->in_channels;
}
INLINE int64_t NAME(matrices)(const Convolution *convolution) {
    return NAME(has_points)(convolution) ? OUTER_POINTS + 1 : 1;
}

/* Where the panel of a matrix lies among the packed weights: they lie as (parts of the depth, matrices, panels). */
INLINE float *NAME(panel_at)(const Convolution *convolution, int64_t k, int64_t depth, int64_t matrix, int64_t panel) {
    const int64_t width = round_up(convolution->channels, COLUMNS);
    return convolution->packed + k * NAME(matrices)(convolution) * width + depth * (matrix * width + panel * COLUMNS);
}

int64_t NAME(convolution_room)(const Convolution *convolution) {
    return NAME(matrices)(convolution) * NAME(conv_depth)(convolution) * round_up(convolution->channels, COLUMNS);
}

int64_t NAME(packing_tasks)(const Convolution *convolution) {
    return (convolution->channels + COLUMNS - 1) / COLUMNS;
}

/* Weights of a panel: as they are, or at the points 0, 1, -1 and infinity, and those of the middle tap. */
int NAME(packing_task)(const void *pointer, int64_t index, char *scratch) {
    const Convolution *convolution = pointer;
    const int64_t all_taps = convolution->kernel * convolution->in_channels, taps_step = convolution->in_channels;
    const int64_t inner = NAME(conv_depth)(convolution), count = convolution->channels - index * COLUMNS;
    const float *weight = convolution->weight + index * COLUMNS * all_taps;
    float *last = (float *)scratch;
    for (int64_t k = 0; k < inner; k += DEPTH) {
        const int64_t depth = least(inner - k, DEPTH);
        float *at[OUTER_POINTS + 1];
        for (int64_t i = 0; i < NAME(matrices)(convolution); i++)
            at[i] = NAME(panel_at)(convolution, k, depth, i, index);
        NAME(pack)(weight + k, all_taps, count, depth, at[0]);
        if (!NAME(has_points)(convolution)) continue;
        NAME(pack)(weight + taps_step + k, all_taps, count, depth, at[OUTER_POINTS]);
        NAME(pack)(weight + 2 * taps_step + k, all_taps, count, depth, last);
        for (int64_t i = 0; i < depth * COLUMNS; i += LANES) {
            vec early = load(at[0] + i), late = load(last + i);
            store(at[1] + i, 0.5f * (early + late));
            store(at[2] + i, 0.5f * (early - late));
            store(at[3] + i, late);
        }
    }
    return 0;
}

/* Frames of a task. */
INLINE int64_t NAME(conv_span)(const Convolution *convolution) {
    return NAME(has_points)(convolution) ? ROWS * OUTPUTS : ROWS;
}
INLINE int64_t NAME(conv_sets)(const Convolution *convolution) {
    return NAME(has_points)(convolution) ? OUTER_POINTS + OUTPUTS : 1;
}

int64_t NAME(convolution_tasks)(const Convolution *convolution) {
    const int64_t span = NAME(conv_span)(convolution);
    return convolution->batches * ((convolution->frames + span - 1) / span);
}

size_t NAME(convolution_scratch)(const Convolution *convolution) {
    const int64_t width = round_up(convolution->channels, COLUMNS);
    const int64_t used = ROWS * STEP + NAME(conv_sets)(convolution) * ROWS * width + width;
    return (used > DEPTH * COLUMNS ? used : DEPTH * COLUMNS) * sizeof(float);
}

/* Part of a frame of the input; zeros past its end. */
INLINE vec NAME(frame_part)(const Convolution *convolution, const float *in, int64_t frame, int64_t c) {
    return frame < convolution->in_frames ? load(in + frame * convolution->in_channels + c) : all(0);
}

/* Rows of a set: of the even frames a value at a point, or the odd frames of one of a tile's outputs. */
static void NAME(take_set)(
    const Convolution *convolution, const float *in, int64_t frame, int64_t rows, int64_t set, int64_t k, int64_t depth,
    float *block
) {
    for (int64_t row = 0; row < rows; row++) {
        const int64_t even = 2 * (frame + OUTPUTS * row);
        /* The two even frames whose difference, or sum, a point wants. */
        static const int64_t plus[OUTER_POINTS] = {0, 2, 4, 6}, other[OUTER_POINTS] = {4, 4, 2, 2};
        for (int64_t c = 0; c < depth; c += LANES) {
            vec value;
            if (set >= OUTER_POINTS)
                value = NAME(frame_part)(convolution, in, even + 2 * (set - OUTER_POINTS) + 1, k + c);
            else {
                vec first = NAME(frame_part)(convolution, in, even + plus[set], k + c);
                vec second = NAME(frame_part)(convolution, in, even + other[set], k + c);
                value = set == 1 ? first + second : first - second;
            }
            store(block + row * STEP + c, value);
        }
    }
}

/* The sums of a frame, from those at the points or as they are. */
static void NAME(frame_sums)(const Convolution *convolution, const float *products, int64_t i, float *out) {
    const int64_t width = round_up(convolution->channels, COLUMNS), set = ROWS * width;
    for (int64_t c = 0; c < convolution->channels; c += LANES) {
        vec y = load(products + c);
        if (NAME(has_points)(convolution)) {
            vec one = load(products + set + c), minus_one = load(products + 2 * set + c);
            vec odd = load(products + (OUTER_POINTS + i) * set + c);
            if (i == 0) y += one + minus_one;
            if (i == 1) y = one - minus_one;
            if (i == 2) y = one + minus_one + load(products + 3 * set + c);
            y += odd;
        }
        if (convolution->bias) y += load(convolution->bias + c);
        store(out + c, y);
    }
}

/* Norm over channels, where there is one, and GELU. */
static void NAME(finish_frame)(const Convolution *convolution, const float *in, float *out) {
    const int64_t channels = convolution->channels;
    if (!convolution->scale) {
        for (int64_t c = 0; c < channels; c += LANES) store(out + c, gelu(load(in + c)));
        return;
    }
    vec total = all(0), squares = all(0);
    for (int64_t c = 0; c < channels; c += LANES) total += load(in + c);
    const float mean = NAME(sum_of)(total) / channels;
    for (int64_t c = 0; c < channels; c += LANES) {
        vec away = load(in + c) - mean;
        squares += away * away;
    }
    const float factor = 1.0f / sqrtf(NAME(sum_of)(squares) / channels + convolution->eps);
    for (int64_t c = 0; c < channels; c += LANES) {
        vec y = (load(in + c) - mean) * factor;
        store(out + c, gelu(y * load(convolution->scale + c) + load(convolution->shift + c)));
    }
}

int NAME(convolution_task)(const void *pointer, int64_t index, char *scratch) {
    const Convolution *convolution = pointer;
    const int64_t span = NAME(conv_span)(convolution), spans = (convolution->frames + span - 1) / span;
    const int64_t outputs = span / ROWS, first = index % spans * span, batch = index / spans;
    const int64_t frames = least(convolution->frames - first, span), rows = (frames + outputs - 1) / outputs;
    const int64_t width = round_up(convolution->channels, COLUMNS), inner = NAME(conv_depth)(convolution);
    const int64_t step = convolution->stride * convolution->in_channels; /* from one frame of the answer to the next */
    const float *in = convolution->in + batch * convolution->in_frames * convolution->in_channels;
    float *block = (float *)scratch, *products = block + ROWS * STEP;
    float *row = products + NAME(conv_sets)(convolution) * ROWS * width;
    for (int64_t k = 0; k < inner; k += DEPTH)
        for (int64_t set = 0; set < NAME(conv_sets)(convolution); set++) {
            const int64_t depth = least(inner - k, DEPTH);
            if (NAME(has_points)(convolution))
                NAME(take_set)(convolution, in, first, rows, set, k, depth, block);
            else
                for (int64_t i = 0; i < rows; i++) NAME(take)(in + (first + i) * step + k, depth, block + i * STEP);
            for (int64_t panel = 0; panel < width / COLUMNS; panel++) {
                const float *weights = NAME(panel_at)(convolution, k, depth, least(set, OUTER_POINTS), panel);
                float *sums = products + set * ROWS * width + panel * COLUMNS;
                NAME(multiply)(block, STEP, depth, weights, rows, k ? sums : NAME(zeros), k ? width : 0, sums, width);
            }
        }
    for (int64_t i = 0; i < frames; i++) {
        NAME(frame_sums)(convolution, products + i / outputs * width, i % outputs, row);
        float *out = convolution->out + (batch * convolution->frames + first + i) * convolution->channels;
        NAME(finish_frame)(convolution, row, out);
    }
    return 0;
}

/* ---- attention ----------------------------------------------------------------------------------------------- */

/* Between rows of weights: all keys, and no power of two. */
INLINE int64_t NAME(weights_step)(const Attention *attention) { return round_up(attention->frames, COLUMNS) + 16; }

size_t NAME(attention_scratch)(const Attention *attention) {
    const int64_t keys = round_up(attention->frames, COLUMNS), columns = round_up(attention->width, COLUMNS);
    const int64_t blocks = ROWS * (attention->width + 16) + ROWS * NAME(weights_step)(attention) + ROWS * columns;
    return (keys * attention->width + attention->frames * columns + blocks) * sizeof(float);
}

/* One query's weights: not yet divided by their sum, which is answered. NaN ends in all of them. */
static float NAME(soften)(const Attention *attention, float *weights, const float *bias, float gate) {
    const int64_t keys = attention->frames, whole = keys / LANES * LANES;
    vec most = all(-INFINITY), sum = all(0);
    for (int64_t i = 0; i < whole; i += LANES) {
        vec x = load(weights + i) + gate * load(bias + i);
        most = choose(x > most, x, most);
        store(weights + i, x);
    }
    if (whole < keys) {
        vec x = all(-INFINITY);
        for (int64_t i = whole; i < keys; i++) x[i - whole] = weights[i] + gate * bias[i];
        most = choose(x > most, x, most);
        store(weights + whole, x);
    }
    const float largest = NAME(largest_of)(most);
    for (int64_t i = 0; i < keys; i += LANES) {
        vec weight = exp_less_one(load(weights + i) - largest) + 1.0f; /* 0 of -infinity */
        sum += weight;
        store(weights + i, weight);
    }
    return NAME(sum_of)(sum);
}

int NAME(attention_task)(const void *pointer, int64_t index, char *scratch) {
    const Attention *attention = pointer;
    const int64_t frames = attention->frames, width = attention->width, step = attention->heads * width;
    const int64_t part = index % attention->parts, head = index / attention->parts % attention->heads;
    const int64_t batch = index / attention->parts / attention->heads;
    const int64_t keys = round_up(frames, COLUMNS), columns = round_up(width, COLUMNS);
    const int64_t start = batch * frames * step + head * width, weights_step = NAME(weights_step)(attention);
    float *key = (float *)scratch, *value = key + keys * width, *query = value + frames * columns;
    float *weights = query + ROWS * (width + 16), *sums = weights + ROWS * weights_step;
    for (int64_t i = 0; i < frames; i += COLUMNS)
        NAME(pack)(attention->key + start + i * step, step, frames - i, width, key + i * width);
    for (int64_t i = 0; i < frames; i++)
        for (int64_t c = 0; c < width; c += LANES)
            store(value + c / COLUMNS * COLUMNS * frames + i * COLUMNS + c % COLUMNS,
                  load(attention->value + start + i * step + c));
    const int64_t end = frames * (part + 1) / attention->parts;
    for (int64_t first = frames * part / attention->parts; first < end; first += ROWS) {
        const int64_t rows = least(end - first, ROWS);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < width; c += LANES)
                store(query + i * (width + 16) + c,
                      load(attention->query + start + (first + i) * step + c) * (1.0f / sqrtf(width)));
        for (int64_t i = 0; i < keys; i += COLUMNS)
            NAME(multiply)(query, width + 16, width, key + i * width, rows, NAME(zeros), 0, weights + i,
                           weights_step);
        float totals[ROWS];
        for (int64_t i = 0; i < rows; i++) {
            const float *bias = attention->bias + (head * frames + first + i) * frames;
            const float gate = attention->gate[(batch * attention->heads + head) * frames + first + i];
            totals[i] = NAME(soften)(attention, weights + i * weights_step, bias, gate);
        }
        for (int64_t c = 0; c < columns; c += COLUMNS)
            NAME(multiply)(weights, weights_step, frames, value + c * frames, rows, NAME(zeros), 0, sums + c,
                           columns);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < width; c += LANES)
                store(attention->out + start + (first + i) * step + c, load(sums + i * columns + c) / totals[i]);
    }
    return 0;
}
