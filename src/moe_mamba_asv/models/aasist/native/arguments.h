/* What Python hands over. Mirrored field by field in library.py. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdint.h>

/* Sizes of the transform along time: a tile is so many frames of an answer, made from its value at so many points. */
#define OUTPUTS 6
#define POINTS 8
/* Tiles that the buffers of a task hold. */
#define TILES 24
/* Frames that become one in the pooling, and what a filter sees of them. */
#define POOLED 3

/* The filters, |.|, maximum over 3 filters x 3 samples, norm and SELU. */
typedef struct {
    int64_t batches, samples, bands, half; /* half: taps on either side of a filter's centre */
    const float *waveforms;                /* (batches, samples) */
    const float *filters;                  /* (bands, half + 1, 3): the outermost tap first, the centre last */
    float scale, shift;                    /* the norm */
    float *out;                            /* (batches, bands, (samples - 2 half) / 3) */
} Stem;

/* One residual block. Weights are values at the points, as (POINTS, panels, K, columns of a panel), where panels hold
 * all channels of the answer, zeros behind the last. Maps of one channel are not worth the points: there the weights of
 * `first` and `shortcut` are those of the filters, (taps, panels * columns). */
typedef struct {
    int64_t batches, bands, frames, in, out; /* in, out: channels */
    const float *maps;          /* (batches, bands, frames, in) */
    const float *first;         /* K = 2 in: the lower band, then the upper */
    const float *first_bias;    /* (panels * columns) */
    const float *second;        /* K = 2 out */
    const float *second_bias;   /* (panels * columns), with that of the shortcut */
    const float *shortcut;      /* K = in; null where the shortcut is the maps themselves */
    float *pooled;              /* (batches, bands, frames / 3, out) */
    int64_t chunks, segments;   /* parts of the time and of the bands that are worked on apart; filled in by entry.c */
} Block;

#endif
