/* What Python hands over: one structure for a forward and for a backward pass. Mirrored field by field in native.py. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdint.h>

/* Steps between two kept states; inputs.py holds the same number and native.py compares the two. */
#define CHUNK 32

enum { FLOAT32 = 0, BFLOAT16 = 1, FLOAT64 = 2 };

/* Bits of the answer of a forward pass: which input holds a number that is not finite. */
enum { BAD_U = 1, BAD_DELTA = 2, BAD_A = 4, BAD_B = 8, BAD_C = 16, BAD_D = 32, BAD_Z = 64, BAD_BIAS = 128, BAD_STATE = 256 };

/* A strided tensor; strides count elements. Of (batch, channel, -, step), or (batch, group, state, step) for B and C.
 * data is null where the tensor is absent. */
typedef struct {
    void *data;
    int64_t type;
    int64_t batch, row, state, step;
} Tensor;

typedef struct {
    int64_t batches, channels, length, states, groups;
    int64_t segments;      /* parts of a group's channels that are worked on apart */
    int64_t delta_softplus;
    const int64_t *lengths; /* a clip's own length; null when all are full */
    Tensor u, delta, z, B, C;
    /* Contiguous, of the type that sums are kept in: (channels, states), (channels), (channels), (batches, channels,
     * states); null where absent. */
    const void *A, *D, *delta_bias, *initial_state;
    void *kept; /* (batches, chunks, states, channels), the state before each chunk; null when none are kept */

    Tensor out;       /* forward */
    void *last_state; /* (batches, channels, states) */

    Tensor grad_out, grad_u, grad_delta, grad_z; /* backward */
    const void *grad_last_state;                 /* (batches, channels, states), or null */
    void *grad_initial_state;                    /* (batches, channels, states) */
    /* Sums that are finished in Python: (batches, channels, states); (batches, channels) twice; and
     * (batches, groups, segments, states, length) twice. */
    void *grad_A, *grad_D, *grad_delta_bias, *grad_B, *grad_C;
} Arguments;

#endif
