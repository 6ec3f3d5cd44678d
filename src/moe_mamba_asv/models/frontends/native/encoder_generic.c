/* The kernel for any processor: vectors of 16 bytes, which SSE2 and NEON have. */
#define LANES 4
#define ROWS 6
#define NAME(x) x##_generic
#include "kernel.h"
