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

/* Scratch memory that a thread keeps until it ends: to fetch fresh pages for each call costs more than it seems. */
typedef struct {
    char *memory;
    size_t bytes;
} Scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void drop_scratch(void *pointer) {
    free(((Scratch *)pointer)->memory);
    free(pointer);
}

static void make_scratch_key(void) { pthread_key_create(&scratch_key, drop_scratch); }

static char *own_scratch(size_t bytes) {
    pthread_once(&scratch_once, make_scratch_key);
    Scratch *scratch = pthread_getspecific(scratch_key);
    if (!scratch) {
        scratch = calloc(1, sizeof *scratch);
        if (!scratch || pthread_setspecific(scratch_key, scratch)) {
            free(scratch);
            return NULL;
        }
    }
    if (scratch->bytes < bytes) {
        free(scratch->memory);
        void *memory = NULL;
        scratch->bytes = posix_memalign(&memory, 64, bytes) ? 0 : bytes;
        scratch->memory = memory;
    }
    return scratch->memory;
}

static void work_on(void *pointer) {
    Work *work = pointer;
#if defined(__x86_64__)
    /* A state that decays ends among the denormal numbers, which cost some processors a hundred cycles each. */
    const unsigned int control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);
#endif
    char *memory = own_scratch(work->scratch_bytes);
    if (!memory)
        atomic_fetch_or(&work->answer, OUT_OF_MEMORY);
    else
        for (int64_t index; (index = atomic_fetch_add(&work->next, 1)) < work->num_tasks;)
            atomic_fetch_or(&work->answer, work->task(work->arguments, index, memory));
#if defined(__x86_64__)
    _mm_setcsr(control);
#endif
}

static void *work_in_thread(void *work) {
    work_on(work);
    return NULL;
}

/* All tasks of a call, on threads of the OpenMP runtime that PyTorch has loaded, where there is one: two pools that wait
 * busily would take the cores from each other. Otherwise on threads of our own. Answers all bits of their answers. */
static int64_t run(
    TaskFunction task, const void *arguments, size_t scratch_bytes, int64_t num_tasks, int64_t num_threads
) {
    typedef void (*Parallel)(void (*)(void *), void *, unsigned, unsigned);
    Work work = {.arguments = arguments, .task = task, .scratch_bytes = scratch_bytes, .num_tasks = num_tasks};
    if (num_threads > num_tasks) num_threads = num_tasks;
    if (num_threads < 2) {
        work_on(&work);
        return work.answer;
    }
    Parallel parallel = (Parallel)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    if (parallel) {
        parallel(work_on, &work, (unsigned)num_threads, 0);
        return work.answer;
    }
    pthread_t threads[64];
    int64_t started = 0;
    while (started < num_threads - 1 && started < 64 &&
           !pthread_create(&threads[started], NULL, work_in_thread, &work))
        started++;
    work_on(&work);
    while (started) pthread_join(threads[--started], NULL);
    return work.answer;
}

#endif
