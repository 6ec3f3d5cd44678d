/* What Python hands over. Mirrored field by field in library.py. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdint.h>

/* A grouped convolution over time, taps in fours: TAPS frames of its answer, a tile, follow from POINTS products, those
 * of the input's and the filter's values at so many points. `width` channels of a group meet as many. */
#define TAPS 4
#define POINTS 7
typedef struct {
    int64_t batches, tiles, groups, width, fours; /* fours: of taps; width is a multiple of 16 */
    const float *values;    /* of the input: (batches, POINTS, groups, width, tiles + fours - 1) */
    const float *weight;    /* (groups, width, width, fours, TAPS) */
    const float *to_points; /* taps to values of the filter: (POINTS, TAPS) */
    float *out;             /* (batches, POINTS, tiles, groups, width) */
} Positions;

/* Convolution over frames without padding, norm over channels where there is one, GELU. Both numbers of channels are
 * multiples of 16, or `in_channels` is 1. */
typedef struct {
    int64_t batches, in_frames, in_channels, frames, channels, kernel, stride; /* frames: of the answer */
    const float *in;           /* (batches, in_frames, in_channels) */
    const float *weight;       /* (channels, kernel, in_channels) */
    const float *bias;         /* (channels), or null */
    const float *scale, *shift; /* of the norm: (channels), or null */
    float eps;
    float *packed;             /* room for the weights as the kernel wants them: convolution_room numbers */
    float *out;                /* (batches, frames, channels) */
} Convolution;

/* softmax(query key^T / sqrt(width) + gate * bias) value. */
typedef struct {
    int64_t batches, frames, heads, width; /* width: of a head, a multiple of 16 */
    const float *query, *key, *value;      /* (batches, frames, heads, width) */
    const float *gate;                     /* (batches, heads, frames): of each query */
    const float *bias;                     /* (heads, frames, frames): queries, keys */
    float *out;                            /* (batches, frames, heads, width) */
    int64_t parts;                         /* of a clip's queries that are worked on apart; filled in by entry.c */
} Attention;

#endif
