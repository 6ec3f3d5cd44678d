/* The instruction sets that kernels are compiled for. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include <stdint.h>

/* each(name, lanes) for every instruction set, in the order of preference: the first rows of a table of variants. */
#if defined(__x86_64__)
#define EACH_VARIANT(each) each(avx512, 16) each(avx2, 8) each(generic, 4)
#else
#define EACH_VARIANT(each) each(generic, 4)
#endif

/* Whether this processor runs the variant of such a row; those of rows behind need nothing of it. */
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

/* What Python asks of a table `variants` whose rows have a name and a number of lanes. */
#define TELL_VARIANTS(prefix)                                                                          \
    const char *prefix##_variant_name(int64_t index) {                                                 \
        return index < (int64_t)(sizeof variants / sizeof *variants) ? variants[index].name : (void *)0; \
    }                                                                                                  \
    int64_t prefix##_variant_lanes(int64_t index) { return variants[index].lanes; }                    \
    int64_t prefix##_variant_runs_here(int64_t index) { return runs_here(index); }

#endif
