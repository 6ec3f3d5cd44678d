/* The functions that Python calls: choice of the instruction set, and threads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "arguments.h"

typedef int (*TaskFunction)(const Arguments *, int64_t, char *);

typedef struct {
    const char *name;
    TaskFunction forward, backward;
    size_t (*scratch_bytes)(const Arguments *);
    int lanes;
} Variant;

#define DECLARE(suffix)                                              \
    int forward_task_##suffix(const Arguments *, int64_t, char *);  \
    int backward_task_##suffix(const Arguments *, int64_t, char *); \
    size_t scratch_bytes_##suffix(const Arguments *);
#define VARIANT(suffix, lanes) {#suffix, forward_task_##suffix, backward_task_##suffix, scratch_bytes_##suffix, lanes}

DECLARE(generic)
DECLARE(double)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
#endif

/* In the order of preference among those in float32; "double" comes last and is asked for by name. */
static const Variant variants[] = {
#if defined(__x86_64__)
    VARIANT(avx512, 16),
    VARIANT(avx2, 8),
#endif
    VARIANT(generic, 4),
    VARIANT(double, 4),
};
enum { NUM_VARIANTS = sizeof variants / sizeof *variants };

int64_t scan_chunk(void) { return CHUNK; }

const char *scan_variant_name(int64_t index) { return index < NUM_VARIANTS ? variants[index].name : NULL; }

int64_t scan_variant_lanes(int64_t index) { return variants[index].lanes; }

int64_t scan_variant_runs_here(int64_t index) {
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

/* Ask for large pages under memory that is about to be written for the first time: a page fault for every 4 KiB costs
 * more than the scan itself. Only a hint; whole pages inside the range are meant. */
void scan_prefer_large_pages(char *start, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)start + bytes) & ~(page - 1);
    if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)start, (void)bytes;
#endif
}

typedef struct {
    const Arguments *arguments;
    TaskFunction task;
    size_t scratch_bytes;
    int64_t num_tasks;
    atomic_llong next;
    atomic_int answer;
} Work;

enum { OUT_OF_MEMORY = 1 << 30 };

static void work_on(void *pointer) {
    Work *work = pointer;
    char *memory = NULL;
#if defined(__x86_64__)
    /* A state that decays ends among the denormal numbers, which cost some processors a hundred cycles each. */
    const unsigned int control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);
#endif
    if (posix_memalign((void **)&memory, 64, work->scratch_bytes))
        atomic_fetch_or(&work->answer, OUT_OF_MEMORY);
    else
        for (int64_t index; (index = atomic_fetch_add(&work->next, 1)) < work->num_tasks;)
            atomic_fetch_or(&work->answer, work->task(work->arguments, index, memory));
    free(memory);
#if defined(__x86_64__)
    _mm_setcsr(control);
#endif
}

static void *work_in_thread(void *work) {
    work_on(work);
    return NULL;
}

/* Threads of the OpenMP runtime that PyTorch has loaded, where there is one: two pools that wait busily would take the
 * cores from each other. Otherwise threads of our own. */
static void run(Work *work, int64_t num_threads) {
    typedef void (*Parallel)(void (*)(void *), void *, unsigned, unsigned);
    if (num_threads > work->num_tasks) num_threads = work->num_tasks;
    if (num_threads < 2) {
        work_on(work);
        return;
    }
    Parallel parallel = (Parallel)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    if (parallel) {
        parallel(work_on, work, (unsigned)num_threads, 0);
        return;
    }
    pthread_t threads[64];
    int64_t started = 0;
    while (started < num_threads - 1 && started < 64 && !pthread_create(&threads[started], NULL, work_in_thread, work)) started++;
    work_on(work);
    while (started) pthread_join(threads[--started], NULL);
}

static int64_t run_pass(const Arguments *arguments, int64_t variant, int64_t num_threads, int backward) {
    Work work = {
        .arguments = arguments,
        .task = backward ? variants[variant].backward : variants[variant].forward,
        .scratch_bytes = variants[variant].scratch_bytes(arguments),
        .num_tasks = arguments->batches * arguments->groups * arguments->segments,
    };
    run(&work, num_threads);
    return work.answer;
}

int64_t scan_forward(const Arguments *arguments, int64_t variant, int64_t num_threads) {
    return run_pass(arguments, variant, num_threads, 0);
}

int64_t scan_backward(const Arguments *arguments, int64_t variant, int64_t num_threads) {
    return run_pass(arguments, variant, num_threads, 1);
}
