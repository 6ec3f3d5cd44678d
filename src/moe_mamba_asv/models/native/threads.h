/* Tasks on several threads, for the compiled kernels. */
#ifndef THREADS_H
#define THREADS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Bit of an answer that no task gives. */
enum { OUT_OF_MEMORY = 1 << 30 };

/* One of a call's tasks, in scratch memory of its thread; answers bits that are added up over all tasks. */
typedef int (*TaskFunction)(const void *arguments, int64_t index, char *scratch);

typedef struct {
    const void *arguments;
    TaskFunction task;
    size_t scratch_bytes;
    int64_t num_tasks;
    atomic_llong next;
    atomic_int answer;
} Work;

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
    while (started < num_threads - 1 && started < 64 &&
           !pthread_create(&threads[started], NULL, work_in_thread, work))
        started++;
    work_on(work);
    while (started) pthread_join(threads[--started], NULL);
}

#endif
