/* The kernel for x86-64 with AVX2: 8 columns side by side. */
#if defined(__x86_64__)
#include "../../native/target_avx2.h"
#define LANES 8
#define ROWS 6
#define NAME(x) x##_avx2
#include "kernel.h"
#include "../../native/target_end.h"
#endif
