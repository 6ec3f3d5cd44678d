/* The kernel for x86-64 with AVX-512: 16 columns side by side. */
#if defined(__x86_64__)
#include "../../native/target_avx512.h"
#define LANES 16
#define ROWS 14
#define NAME(x) x##_avx512
#include "kernel.h"
#include "../../native/target_end.h"
#endif
