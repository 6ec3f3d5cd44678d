/* The instruction sets that kernels are compiled for, in the order of preference: index 0 and 1 of a table of variants
 * on x86-64, where "generic" comes next; elsewhere that is the first. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include <stdint.h>

static int64_t runs_here(int64_t index) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (index == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (index == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)index;
    return 1;
}

#endif
