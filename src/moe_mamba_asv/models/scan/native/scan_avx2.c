/* The kernel for x86-64 with AVX2 and FMA: 8 channels side by side. */
#if defined(__x86_64__)
#include "../../native/target_avx2.h"
#include <immintrin.h>
#define REAL float
#define LANES 8
#define NAME(x) x##_avx2
#include "kernel.h"
#include "../../native/target_end.h"
#endif
