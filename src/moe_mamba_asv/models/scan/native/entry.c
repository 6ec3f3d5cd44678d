/* The functions that Python calls: choice of the instruction set, and tasks. */
#include "../../native/threads.h"

#include <sys/mman.h>

#include "../../native/processor.h"
#include "arguments.h"

typedef struct {
    const char *name;
    TaskFunction forward, backward;
    size_t (*scratch_bytes)(const Arguments *);
    int lanes;
} Variant;

#define DECLARE(suffix, lanes)                                       \
    int forward_task_##suffix(const void *, int64_t, char *);        \
    int backward_task_##suffix(const void *, int64_t, char *);       \
    size_t scratch_bytes_##suffix(const Arguments *);
#define VARIANT(suffix, lanes) {#suffix, forward_task_##suffix, backward_task_##suffix, scratch_bytes_##suffix, lanes},

EACH_VARIANT(DECLARE)
DECLARE(double, 4)
/* "double" comes last and is asked for by name. */
static const Variant variants[] = {EACH_VARIANT(VARIANT) VARIANT(double, 4)};
int64_t scan_chunk(void) { return CHUNK; }

TELL_VARIANTS(scan)

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

static int64_t run_pass(const Arguments *arguments, int64_t variant, int64_t num_threads, int backward) {
    const Variant *chosen = &variants[variant];
    const int64_t tasks = arguments->batches * arguments->groups * arguments->segments;
    const TaskFunction task = backward ? chosen->backward : chosen->forward;
    return run(task, arguments, chosen->scratch_bytes(arguments), tasks, num_threads);
}

int64_t scan_forward(const Arguments *arguments, int64_t variant, int64_t num_threads) {
    return run_pass(arguments, variant, num_threads, 0);
}

int64_t scan_backward(const Arguments *arguments, int64_t variant, int64_t num_threads) {
    return run_pass(arguments, variant, num_threads, 1);
}
