/* The selective scan and its gradient, written once and compiled for each instruction set.
 *
 * A file that includes this one defines
 *   REAL    float or double, the type of states and sums
 *   LANES   channels that are worked on side by side, one a lane of a vector register
 *   NAME(x) the name of x in this variant
 *
 * How it is fast. A lane is a channel, so the sum over states that makes an output needs no traffic between lanes. The
 * states are taken TILE at a time; their h stay in registers while time runs. Of the products exp(delta A), of which
 * there is one for each batch, step, channel and state, none is stored for longer than a chunk of time: the forward
 * pass keeps the state every CHUNK steps, and the backward pass runs a chunk forward once more, into a buffer that
 * fits the cache, before it walks back through it. The sums over channels that make the gradients of B and C are kept
 * lane by lane until all channels of a segment have passed.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"

#define TILE 8  /* states in registers at a time */
#define GROUP 8 /* blocks of channels that pass backwards before the next tile of states is taken */

typedef REAL vec __attribute__((vector_size(LANES * sizeof(REAL))));

#define INLINE static inline __attribute__((always_inline))

INLINE vec NAME(all)(REAL value) { return value - (vec){0}; }
#define all NAME(all)

/* ---- exponentials ------------------------------------------------------------------------------------------ */

#ifdef REAL_IS_DOUBLE

INLINE vec NAME(exp2v)(vec x) {
    for (int i = 0; i < LANES; i++) x[i] = exp2(x[i]);
    return x;
}
INLINE vec NAME(log1pv)(vec x) {
    for (int i = 0; i < LANES; i++) x[i] = log1p(x[i]);
    return x;
}
INLINE vec NAME(absv)(vec x) {
    for (int i = 0; i < LANES; i++) x[i] = fabs(x[i]);
    return x;
}

#else

typedef int32_t NAME(ints) __attribute__((vector_size(LANES * sizeof(REAL))));
#define ints NAME(ints)

/* 2^r for |r| <= 1/2, relative error 9.2e-8, and exactly 1 at 0: minimax fit of degree 5. */
INLINE vec NAME(exp2_fraction)(vec r) {
    vec p = all(0x1.5bba14p-10f);
    p = p * r + 0x1.3cea88p-7f;
    p = p * r + 0x1.c6b752p-5f;
    p = p * r + 0x1.ebf9bcp-3f;
    p = p * r + 0x1.62e42ap-1f;
    return p * r + 1.0f;
}

#ifdef __AVX512F__
INLINE vec NAME(exp2v)(vec x) {
    /* reduce takes infinity to 0, so that exp2(-infinity) is 0 and not NaN. */
    vec r = (vec)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vec n = (vec)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return (vec)_mm512_scalef_ps((__m512)NAME(exp2_fraction)(r), (__m512)n);
}
#else
INLINE vec NAME(clamp)(vec x, REAL low, REAL high) {
    ints below = x < low, above = x > high;
    ints kept = (ints)x & ~below & ~above;
    return (vec)(kept | ((ints)all(low) & below) | ((ints)all(high) & above));
}
INLINE vec NAME(exp2v)(vec x) {
    x = NAME(clamp)(x, -127.0f, 127.0f);
    /* Adding this number rounds x to an integer n and leaves n + 127, the exponent of 2^n, in the lowest bits. */
    const REAL rounder = 12582912.0f + 127.0f;
    vec shifted = x + rounder;
    vec scale = (vec)((ints)shifted << 23);
    return NAME(exp2_fraction)(x - (shifted - rounder)) * scale;
}
#endif

/* log(1 + x) for 0 <= x <= 1, as 2 atanh(x / (2 + x)); relative error 5e-9 before rounding. */
INLINE vec NAME(log1pv)(vec x) {
    vec s = x / (x + 2.0f), q = s * s;
    vec p = all(0.14012337f);
    p = p * q + 0.13999551f;
    p = p * q + 0.20010851f;
    p = p * q + 0.33333207f;
    return 2.0f * (s + s * q * p);
}
INLINE vec NAME(absv)(vec x) { return (vec)((ints)x & 0x7fffffff); }

#endif

#define exp2v NAME(exp2v)
#define absv NAME(absv)
#define LOG2_E ((REAL)1.4426950408889634)

INLINE vec NAME(softplus)(vec x) {
    vec larger = x * (REAL)0.5 + absv(x) * (REAL)0.5;
    return larger + NAME(log1pv)(exp2v(absv(x) * -LOG2_E));
}
INLINE vec NAME(sigmoid)(vec x) {
    /* Through the negative half, where the exponential cannot overflow. */
    vec e = exp2v(absv(x) * -LOG2_E);
    vec small = e / (1 + e), large = 1 / (1 + e);
    for (int i = 0; i < LANES; i++) small[i] = x[i] < 0 ? small[i] : large[i];
    return small;
}
#define sigmoid NAME(sigmoid)

INLINE REAL NAME(sum_of)(vec x) {
    REAL lane[LANES];
    memcpy(lane, &x, sizeof lane);
#pragma GCC unroll 4
    for (int half = LANES / 2; half; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* ---- tiles: CHUNK steps of LANES channels ------------------------------------------------------------------- */

INLINE REAL NAME(read)(const void *data, int64_t type, int64_t at) {
#ifndef REAL_IS_DOUBLE
    if (type == BFLOAT16) {
        uint32_t bits = (uint32_t)((const uint16_t *)data)[at] << 16;
        float value;
        memcpy(&value, &bits, 4);
        return value;
    }
#else
    (void)type;
#endif
    return ((const REAL *)data)[at];
}

INLINE void NAME(write)(void *data, int64_t type, int64_t at, REAL value) {
#ifndef REAL_IS_DOUBLE
    if (type == BFLOAT16) {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        /* To nearest, ties to even; a NaN keeps its top bits. */
        if ((bits & 0x7fffffff) <= 0x7f800000) bits += 0x7fff + ((bits >> 16) & 1);
        ((uint16_t *)data)[at] = (uint16_t)(bits >> 16);
        return;
    }
#else
    (void)type;
#endif
    ((REAL *)data)[at] = value;
}

#if defined(__AVX2__) && !defined(REAL_IS_DOUBLE)
/* to[j][i] = from[i][j] of 8 by 8 numbers whose rows lie so many elements apart. */
INLINE void NAME(transpose8)(const float *from, int64_t from_row, float *to, int64_t to_row) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + i * from_row);
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0xee);
        }
    for (int j = 0; j < 4; j++) {
        _mm256_storeu_ps(to + j * to_row, _mm256_permute2f128_ps(r[j], r[j + 4], 0x20));
        _mm256_storeu_ps(to + (j + 4) * to_row, _mm256_permute2f128_ps(r[j], r[j + 4], 0x31));
    }
}
/* Squares that a tile of a tensor whose steps adjoin is made of: their number along the channels and along time. */
#define SQUARES(tensor, count) ((tensor)->type == FLOAT32 && (tensor)->step == 1 ? (count) / 8 * 8 : 0)
#else
INLINE void NAME(transpose8)(const REAL *from, int64_t from_row, REAL *to, int64_t to_row) {
    (void)from, (void)from_row, (void)to, (void)to_row;
}
#define SQUARES(tensor, count) 0
#endif

/* Read `steps` steps of `width` channels from element `at` on; idle lanes are zero. */
INLINE void NAME(load_tile)(vec *tile, const Tensor *from, int64_t at, int width, int steps) {
    if (from->type != BFLOAT16 && from->row == 1 && width == LANES) {
        for (int t = 0; t < steps; t++) memcpy(&tile[t], (const REAL *)from->data + at + t * from->step, sizeof(vec));
        return;
    }
    if (width < LANES) memset(tile, 0, steps * sizeof(vec));
    const int wide = SQUARES(from, width), tall = SQUARES(from, steps);
    for (int i = 0; i < wide; i += 8)
        for (int t = 0; t < tall; t += 8)
            NAME(transpose8)((const REAL *)from->data + at + i * from->row + t, from->row, (REAL *)&tile[t] + i, LANES);
    for (int i = 0; i < width; i++)
        for (int t = i < wide ? tall : 0; t < steps; t++)
            ((REAL *)&tile[t])[i] = NAME(read)(from->data, from->type, at + i * from->row + t * from->step);
}

INLINE void NAME(store_tile)(const vec *tile, const Tensor *to, int64_t at, int width, int steps) {
    if (to->type != BFLOAT16 && to->row == 1 && width == LANES) {
        for (int t = 0; t < steps; t++) memcpy((REAL *)to->data + at + t * to->step, &tile[t], sizeof(vec));
        return;
    }
    const int wide = SQUARES(to, width), tall = SQUARES(to, steps);
    for (int i = 0; i < wide; i += 8)
        for (int t = 0; t < tall; t += 8)
            NAME(transpose8)((const REAL *)&tile[t] + i, LANES, (REAL *)to->data + at + i * to->row + t, to->row);
    for (int i = 0; i < width; i++)
        for (int t = i < wide ? tall : 0; t < steps; t++)
            NAME(write)(to->data, to->type, at + i * to->row + t * to->step, ((const REAL *)&tile[t])[i]);
}

/* B or C of one group as [CHUNK][states, padded to TILE], zero in the padding. */
INLINE void NAME(load_matrix)(REAL *matrix, const Tensor *from, int64_t at, int states, int padded, int steps) {
    memset(matrix, 0, (size_t)steps * padded * sizeof(REAL));
    for (int n = 0; n < states; n++)
        for (int t = 0; t < steps; t++)
            matrix[t * padded + n] = NAME(read)(from->data, from->type, at + n * from->state + t * from->step);
}

INLINE int NAME(tile_is_bad)(const vec *tile, int steps) {
    /* x - x is 0 for a finite number and NaN for any other; NaN stays through the sum. */
    vec sum = {0};
    for (int t = 0; t < steps; t++) sum += tile[t] - tile[t];
    return NAME(sum_of)(sum) != 0;
}
INLINE int NAME(row_is_bad)(const REAL *row, int64_t count) {
    int bad = 0;
    for (int64_t i = 0; i < count; i++) bad |= row[i] - row[i] != 0;
    return bad;
}

/* Contiguous (channel, state) numbers of a block as [states, padded to TILE] vectors, and back. */
INLINE void NAME(load_states)(vec *block, const REAL *from, int width, int states, int padded) {
    memset(block, 0, padded * sizeof(vec));
    if (from)
        for (int i = 0; i < width; i++)
            for (int n = 0; n < states; n++) ((REAL *)&block[n])[i] = from[(int64_t)i * states + n];
}
INLINE void NAME(store_states)(const vec *block, REAL *to, int width, int states) {
    for (int i = 0; i < width; i++)
        for (int n = 0; n < states; n++) to[(int64_t)i * states + n] = ((const REAL *)&block[n])[i];
}
INLINE vec NAME(load_row)(const void *from, int channel, int width) {
    vec row = {0};
    if (from) memcpy(&row, (const REAL *)from + channel, width * sizeof(REAL));
    return row;
}

/* ---- one task: a segment of a group's channels in one clip --------------------------------------------------- */

typedef struct {
    int batch, group, segment;
    int first_block, num_blocks; /* blocks of LANES channels */
    int group_start, group_width;
    int length; /* of this clip */
    int states, padded;
} NAME(Task);
#define Task NAME(Task)

INLINE Task NAME(task_of)(const Arguments *a, int64_t index) {
    Task task;
    task.segment = index % a->segments;
    task.group = index / a->segments % a->groups;
    task.batch = index / a->segments / a->groups;
    task.group_width = a->channels / a->groups;
    task.group_start = task.group * task.group_width;
    int blocks = (task.group_width + LANES - 1) / LANES;
    task.first_block = blocks * task.segment / a->segments;
    task.num_blocks = blocks * (task.segment + 1) / a->segments - task.first_block;
    task.length = a->lengths ? a->lengths[task.batch] : a->length;
    task.states = a->states;
    task.padded = (a->states + TILE - 1) / TILE * TILE;
    return task;
}
INLINE int NAME(channel_of)(const Task *task, int block) { return task->group_start + (task->first_block + block) * LANES; }
INLINE int NAME(width_of)(const Task *task, int block) {
    int left = task->group_width - (task->first_block + block) * LANES;
    return left < LANES ? left : LANES;
}
INLINE int64_t NAME(place)(const Tensor *tensor, int64_t batch, int64_t row, int64_t step) {
    return batch * tensor->batch + row * tensor->row + step * tensor->step;
}
#define place NAME(place)

/* Ask for a tile that will be read soon: its rows lie too far apart for the processor to guess. */
INLINE void NAME(prefetch)(const Tensor *from, const Task *task, int block, int start) {
    if (!from->data || block >= task->num_blocks || start < 0 || start >= task->length) return;
    const int width = NAME(width_of)(task, block);
    const int steps = task->length - start < CHUNK ? task->length - start : CHUNK;
    const int64_t bytes = from->type == BFLOAT16 ? 2 : sizeof(REAL);
    const char *data = (const char *)from->data + place(from, task->batch, NAME(channel_of)(task, block), start) * bytes;
    if (from->step == 1)
        for (int i = 0; i < width; i++) {
            const char *row = data + i * from->row * bytes, *end = row + (steps - 1) * bytes;
            for (; row < end; row += 64) __builtin_prefetch(row, 0, 2);
            __builtin_prefetch(end, 0, 2);
        }
    else
        for (int t = 0; t < steps; t++) __builtin_prefetch(data + t * from->step * bytes, 0, 2);
}

/* Where the state before a chunk is kept: a row of channels for each state. */
INLINE REAL *NAME(kept_at)(const Arguments *a, const Task *task, int chunk, int n, int channel) {
    int64_t chunks = (a->length + CHUNK - 1) / CHUNK;
    return (REAL *)a->kept + ((task->batch * chunks + chunk) * a->states + n) * a->channels + channel;
}

/* Cut the scratch memory into pieces. */
INLINE void *NAME(take)(char **scratch, size_t bytes) {
    void *piece = *scratch;
    *scratch += (bytes + 63) & ~(size_t)63;
    return piece;
}
#define TAKE(type, count) ((type *)NAME(take)(&scratch, (count) * sizeof(type)))

/* Step sizes of a tile: bias, softplus; and the slope of the softplus, where it is wanted. */
INLINE void NAME(step_sizes)(const Arguments *a, vec *delta, vec *slope, vec bias, int steps) {
    for (int t = 0; t < steps; t++) {
        delta[t] += bias;
        if (slope) slope[t] = a->delta_softplus ? sigmoid(delta[t]) : all(1);
        if (a->delta_softplus) delta[t] = NAME(softplus)(delta[t]);
    }
}

int NAME(forward_task)(const void *arguments, int64_t index, char *scratch) {
    const Arguments *a = arguments;
    const Task task = NAME(task_of)(a, index);
    const int states = task.states, padded = task.padded;
    vec *A = TAKE(vec, task.num_blocks * padded), *h = TAKE(vec, task.num_blocks * padded);
    vec *u = TAKE(vec, CHUNK), *delta = TAKE(vec, CHUNK), *y = TAKE(vec, CHUNK), *z = TAKE(vec, CHUNK);
    REAL *B = TAKE(REAL, CHUNK * padded), *C = TAKE(REAL, CHUNK * padded);
    int bad = 0;

    for (int block = 0; block < task.num_blocks; block++) {
        const int channel = NAME(channel_of)(&task, block), width = NAME(width_of)(&task, block);
        const REAL *start = a->initial_state;
        if (start) start += ((int64_t)task.batch * a->channels + channel) * states;
        NAME(load_states)(h + block * padded, start, width, states, padded);
        NAME(load_states)(A + block * padded, (const REAL *)a->A + (int64_t)channel * states, width, states, padded);
        if (NAME(tile_is_bad)(h + block * padded, padded)) bad |= BAD_STATE;
        if (NAME(tile_is_bad)(A + block * padded, padded)) bad |= BAD_A;
    }
    for (int start = 0; start < task.length; start += CHUNK) {
        const int steps = task.length - start < CHUNK ? task.length - start : CHUNK;
        NAME(load_matrix)(B, &a->B, place(&a->B, task.batch, task.group, start), states, padded, steps);
        NAME(load_matrix)(C, &a->C, place(&a->C, task.batch, task.group, start), states, padded, steps);
        if (NAME(row_is_bad)(B, (int64_t)steps * padded)) bad |= BAD_B;
        if (NAME(row_is_bad)(C, (int64_t)steps * padded)) bad |= BAD_C;
        for (int block = 0; block < task.num_blocks; block++) {
            const int channel = NAME(channel_of)(&task, block), width = NAME(width_of)(&task, block);
            const vec bias = NAME(load_row)(a->delta_bias, channel, width);
            const vec D = NAME(load_row)(a->D, channel, width);
            NAME(load_tile)(u, &a->u, place(&a->u, task.batch, channel, start), width, steps);
            NAME(load_tile)(delta, &a->delta, place(&a->delta, task.batch, channel, start), width, steps);
            if (NAME(tile_is_bad)(u, steps)) bad |= BAD_U;
            if (NAME(tile_is_bad)(delta, steps)) bad |= BAD_DELTA;
            if (NAME(tile_is_bad)(&bias, 1)) bad |= BAD_BIAS;
            if (NAME(tile_is_bad)(&D, 1)) bad |= BAD_D;
            const int last = block + 1 == task.num_blocks, next = last ? 0 : block + 1, then = last ? start + CHUNK : start;
            NAME(prefetch)(&a->u, &task, next, then);
            NAME(prefetch)(&a->delta, &task, next, then);
            NAME(prefetch)(&a->z, &task, next, then);
            NAME(step_sizes)(a, delta, NULL, bias, steps);
            for (int t = 0; t < steps; t++) {
                y[t] = D * u[t];
                u[t] *= delta[t];
            }
            for (int first = 0; first < padded; first += TILE) {
                const vec *rate = A + block * padded + first;
                vec *carry = h + block * padded + first;
                if (a->kept)
                    for (int n = 0; n < TILE && first + n < states; n++)
                        memcpy(NAME(kept_at)(a, &task, start / CHUNK, first + n, channel), &carry[n], width * sizeof(REAL));
                vec now[TILE];
                for (int n = 0; n < TILE; n++) now[n] = carry[n];
                for (int t = 0; t < steps; t++) {
                    const REAL *Bt = B + t * padded + first, *Ct = C + t * padded + first;
                    const vec exponent = delta[t] * LOG2_E;
                    vec sum = y[t];
#pragma GCC unroll 8
                    for (int n = 0; n < TILE; n++) {
                        now[n] = exp2v(exponent * rate[n]) * now[n] + u[t] * Bt[n];
                        sum += now[n] * Ct[n];
                    }
                    y[t] = sum;
                }
                for (int n = 0; n < TILE; n++) carry[n] = now[n];
            }
            if (a->z.data) {
                NAME(load_tile)(z, &a->z, place(&a->z, task.batch, channel, start), width, steps);
                if (NAME(tile_is_bad)(z, steps)) bad |= BAD_Z;
                for (int t = 0; t < steps; t++) y[t] *= z[t] * sigmoid(z[t]);
            }
            NAME(store_tile)(y, &a->out, place(&a->out, task.batch, channel, start), width, steps);
        }
    }
    for (int block = 0; block < task.num_blocks; block++) {
        const int channel = NAME(channel_of)(&task, block), width = NAME(width_of)(&task, block);
        REAL *end = (REAL *)a->last_state + ((int64_t)task.batch * a->channels + channel) * states;
        NAME(store_states)(h + block * padded, end, width, states);
    }
    return bad;
}

/* One block of channels in one chunk, as the backward pass works on it. */
typedef struct {
    vec u[CHUNK], delta[CHUNK], slope[CHUNK], delta_u[CHUNK], grad_y[CHUNK];
    vec y[CHUNK], grad_gate[CHUNK]; /* output before the gate; gradient of silu(z) times silu'(z); where there is a z */
    vec g_B[CHUNK], w_A[CHUNK];     /* sum_n g B and sum_n w A, see backward_tile */
} NAME(Block);
#define Block NAME(Block)

INLINE void NAME(open_block)(const Arguments *a, const Task *task, int block, int start, int steps, Block *b) {
    const int channel = NAME(channel_of)(task, block), width = NAME(width_of)(task, block), batch = task->batch;
    const vec bias = NAME(load_row)(a->delta_bias, channel, width), D = NAME(load_row)(a->D, channel, width);
    NAME(load_tile)(b->u, &a->u, place(&a->u, batch, channel, start), width, steps);
    NAME(load_tile)(b->delta, &a->delta, place(&a->delta, batch, channel, start), width, steps);
    NAME(load_tile)(b->grad_y, &a->grad_out, place(&a->grad_out, batch, channel, start), width, steps);
    NAME(step_sizes)(a, b->delta, b->slope, bias, steps);
    if (a->z.data) {
        NAME(load_tile)(b->y, &a->z, place(&a->z, batch, channel, start), width, steps);
        for (int t = 0; t < steps; t++) {
            const vec z = b->y[t], s = sigmoid(z);
            b->grad_gate[t] = b->grad_y[t] * s * (1 + z * (1 - s));
            b->grad_y[t] *= z * s;
            b->y[t] = D * b->u[t];
        }
    }
    for (int t = 0; t < steps; t++) {
        b->delta_u[t] = b->delta[t] * b->u[t];
        b->g_B[t] = b->w_A[t] = all(0);
    }
}

INLINE void NAME(close_block)(const Arguments *a, const Task *task, int block, int start, int steps, Block *b,
                              vec *grad_D, vec *grad_bias) {
    const int channel = NAME(channel_of)(task, block), width = NAME(width_of)(task, block), batch = task->batch;
    const vec D = NAME(load_row)(a->D, channel, width);
    for (int t = 0; t < steps; t++) {
        *grad_D += b->grad_y[t] * b->u[t];
        const vec grad_delta = (b->w_A[t] + b->g_B[t] * b->u[t]) * b->slope[t];
        *grad_bias += grad_delta;
        b->u[t] = b->g_B[t] * b->delta[t] + D * b->grad_y[t];
        b->delta[t] = grad_delta;
    }
    NAME(store_tile)(b->u, &a->grad_u, place(&a->grad_u, batch, channel, start), width, steps);
    NAME(store_tile)(b->delta, &a->grad_delta, place(&a->grad_delta, batch, channel, start), width, steps);
    if (a->z.data) {
        for (int t = 0; t < steps; t++) b->y[t] *= b->grad_gate[t];
        NAME(store_tile)(b->y, &a->grad_z, place(&a->grad_z, batch, channel, start), width, steps);
    }
}

/* TILE states of a block through a chunk: forward again from the kept state, and back. With g the gradient of h
 * and w = g exp(delta A) h_before:
 *     gradient of C: grad_y h    of B: g delta u    of A: w delta    of u: delta sum_n g B    of delta: sum_n w A + u g B
 */
INLINE void NAME(backward_tile)(int steps, int padded, int has_gate, Block *b, const vec *A, const REAL *B, const REAL *C,
                                vec *h, vec *carry, vec *grad_A, vec (*grad_B)[TILE], vec (*grad_C)[TILE]) {
    vec decay[CHUNK][TILE], before[CHUNK][TILE];
    for (int t = 0; t < steps; t++) {
        const REAL *Bt = B + t * padded, *Ct = C + t * padded;
        const vec exponent = b->delta[t] * LOG2_E;
#pragma GCC unroll 8
        for (int n = 0; n < TILE; n++) {
            decay[t][n] = exp2v(exponent * A[n]);
            before[t][n] = h[n];
            h[n] = decay[t][n] * h[n] + b->delta_u[t] * Bt[n];
            grad_C[t][n] += b->grad_y[t] * h[n];
        }
        if (has_gate)
            for (int n = 0; n < TILE; n++) b->y[t] += h[n] * Ct[n];
    }
    vec g[TILE], sum_A[TILE];
    for (int n = 0; n < TILE; n++) g[n] = carry[n], sum_A[n] = grad_A[n];
    for (int t = steps - 1; t >= 0; t--) {
        const REAL *Bt = B + t * padded, *Ct = C + t * padded;
        vec g_B = b->g_B[t], w_A = b->w_A[t];
#pragma GCC unroll 8
        for (int n = 0; n < TILE; n++) {
            const vec now = g[n] + b->grad_y[t] * Ct[n];
            grad_B[t][n] += b->delta_u[t] * now;
            g_B += now * Bt[n];
            g[n] = now * decay[t][n];
            const vec w = g[n] * before[t][n];
            w_A += w * A[n];
            sum_A[n] += w * b->delta[t];
        }
        b->g_B[t] = g_B, b->w_A[t] = w_A;
    }
    for (int n = 0; n < TILE; n++) carry[n] = g[n], grad_A[n] = sum_A[n];
}

int NAME(backward_task)(const void *arguments, int64_t index, char *scratch) {
    const Arguments *a = arguments;
    const Task task = NAME(task_of)(a, index);
    const int states = task.states, padded = task.padded, blocks = task.num_blocks, tiles = padded / TILE;
    vec *A = TAKE(vec, blocks * padded), *g = TAKE(vec, blocks * padded), *grad_A = TAKE(vec, blocks * padded);
    vec *grad_D = TAKE(vec, blocks), *grad_bias = TAKE(vec, blocks);
    /* [tiles][CHUNK][TILE]: a tile's sums lie together, so that they stay in the cache while blocks pass. */
    vec(*grad_B)[TILE] = NAME(take)(&scratch, tiles * CHUNK * sizeof *grad_B);
    vec(*grad_C)[TILE] = NAME(take)(&scratch, tiles * CHUNK * sizeof *grad_C);
    Block *group = TAKE(Block, GROUP);
    REAL *B = TAKE(REAL, CHUNK * padded), *C = TAKE(REAL, CHUNK * padded);
    const Tensor *read[4] = {&a->u, &a->delta, &a->grad_out, &a->z};

    memset(grad_A, 0, blocks * padded * sizeof(vec));
    memset(grad_D, 0, blocks * sizeof(vec));
    memset(grad_bias, 0, blocks * sizeof(vec));
    for (int block = 0; block < blocks; block++) {
        const int channel = NAME(channel_of)(&task, block), width = NAME(width_of)(&task, block);
        const REAL *end = a->grad_last_state;
        if (end) end += ((int64_t)task.batch * a->channels + channel) * states;
        NAME(load_states)(g + block * padded, end, width, states, padded);
        NAME(load_states)(A + block * padded, (const REAL *)a->A + (int64_t)channel * states, width, states, padded);
    }
    for (int chunk = (task.length + CHUNK - 1) / CHUNK - 1; chunk >= 0; chunk--) {
        const int start = chunk * CHUNK, steps = task.length - start < CHUNK ? task.length - start : CHUNK;
        NAME(load_matrix)(B, &a->B, place(&a->B, task.batch, task.group, start), states, padded, steps);
        NAME(load_matrix)(C, &a->C, place(&a->C, task.batch, task.group, start), states, padded, steps);
        memset(grad_B, 0, tiles * CHUNK * sizeof *grad_B);
        memset(grad_C, 0, tiles * CHUNK * sizeof *grad_C);
        for (int opened = 0; opened < blocks; opened += GROUP) {
            const int count = blocks - opened < GROUP ? blocks - opened : GROUP;
            for (int i = 0; i < count; i++) NAME(open_block)(a, &task, opened + i, start, steps, &group[i]);
            const int last = opened + GROUP >= blocks, next = last ? 0 : opened + GROUP, then = last ? start - CHUNK : start;
            for (int first = 0; first < padded; first += TILE)
                for (int i = 0; i < count; i++) {
                    /* A tile of states is the time to fetch one tensor of the next group of blocks. */
                    for (int k = first / TILE; k < 4; k += tiles) NAME(prefetch)(read[k], &task, next + i, then);
                    const int at = (opened + i) * padded + first, row = first / TILE * CHUNK;
                    vec h[TILE] = {0};
                    for (int n = 0; n < TILE && first + n < states; n++)
                        memcpy(&h[n], NAME(kept_at)(a, &task, chunk, first + n, NAME(channel_of)(&task, opened + i)),
                               NAME(width_of)(&task, opened + i) * sizeof(REAL));
                    NAME(backward_tile)(steps, padded, a->z.data != NULL, &group[i], A + at, B + first, C + first, h,
                                        g + at, grad_A + at, grad_B + row, grad_C + row);
                }
            for (int i = 0; i < count; i++)
                NAME(close_block)(a, &task, opened + i, start, steps, &group[i], &grad_D[opened + i], &grad_bias[opened + i]);
        }
        const int64_t row = ((int64_t)task.batch * a->groups + task.group) * a->segments + task.segment;
        for (int n = 0; n < states; n++)
            for (int t = 0; t < steps; t++) {
                const int64_t at = (row * states + n) * a->length + start + t;
                const int from = n / TILE * CHUNK + t;
                ((REAL *)a->grad_B)[at] = NAME(sum_of)(grad_B[from][n % TILE]);
                ((REAL *)a->grad_C)[at] = NAME(sum_of)(grad_C[from][n % TILE]);
            }
    }
    for (int block = 0; block < blocks; block++) {
        const int channel = NAME(channel_of)(&task, block), width = NAME(width_of)(&task, block);
        const int64_t row = (int64_t)task.batch * a->channels + channel;
        NAME(store_states)(g + block * padded, (REAL *)a->grad_initial_state + row * states, width, states);
        NAME(store_states)(grad_A + block * padded, (REAL *)a->grad_A + row * states, width, states);
        memcpy((REAL *)a->grad_D + row, &grad_D[block], width * sizeof(REAL));
        memcpy((REAL *)a->grad_delta_bias + row, &grad_bias[block], width * sizeof(REAL));
    }
    return 0;
}

/* Bytes of scratch that a task of either pass needs at most; 64 more for each piece cover the alignment. */
size_t NAME(scratch_bytes)(const Arguments *a) {
    const size_t blocks = (a->channels / a->groups + LANES - 1) / LANES / a->segments + 1;
    const size_t padded = (a->states + TILE - 1) / TILE * TILE;
    const size_t vectors = 3 * blocks * padded + 2 * blocks + 2 * CHUNK * padded;
    return vectors * sizeof(vec) + GROUP * sizeof(Block) + 2 * CHUNK * padded * sizeof(REAL) + 10 * 64;
}
