/* The functions that Python calls: choice of the instruction set, and how the work is cut into tasks. */
#include "../../native/processor.h"
#include "../../native/threads.h"
#include "arguments.h"

typedef struct {
    const char *name;
    TaskFunction positions_task, packing_task, convolution_task, attention_task;
    size_t (*positions_scratch)(const Positions *);
    size_t (*convolution_scratch)(const Convolution *);
    size_t (*attention_scratch)(const Attention *);
    int64_t (*convolution_room)(const Convolution *);
    int64_t (*packing_tasks)(const Convolution *);
    int64_t (*convolution_tasks)(const Convolution *);
    int lanes;
} Variant;

#define DECLARE(suffix, lanes)                                    \
    int positions_task_##suffix(const void *, int64_t, char *);   \
    int packing_task_##suffix(const void *, int64_t, char *);     \
    int convolution_task_##suffix(const void *, int64_t, char *); \
    int attention_task_##suffix(const void *, int64_t, char *);   \
    size_t positions_scratch_##suffix(const Positions *);         \
    size_t convolution_scratch_##suffix(const Convolution *);     \
    size_t attention_scratch_##suffix(const Attention *);         \
    int64_t convolution_room_##suffix(const Convolution *);       \
    int64_t packing_tasks_##suffix(const Convolution *);          \
    int64_t convolution_tasks_##suffix(const Convolution *);
#define VARIANT(suffix, lanes)                                                                              \
    {#suffix, positions_task_##suffix, packing_task_##suffix, convolution_task_##suffix,                    \
     attention_task_##suffix, positions_scratch_##suffix, convolution_scratch_##suffix,                     \
     attention_scratch_##suffix, convolution_room_##suffix, packing_tasks_##suffix,                         \
     convolution_tasks_##suffix, lanes},

EACH_VARIANT(DECLARE)
static const Variant variants[] = {EACH_VARIANT(VARIANT)};
TELL_VARIANTS(encoder)

int64_t encoder_positions(const Positions *positions, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    const size_t scratch = chosen->positions_scratch(positions);
    return run(chosen->positions_task, positions, scratch, positions->groups, num_threads);
}

int64_t encoder_convolution_room(const Convolution *convolution, int64_t variant) {
    return variants[variant].convolution_room(convolution);
}

int64_t encoder_convolution(const Convolution *convolution, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    const size_t scratch = chosen->convolution_scratch(convolution);
    const int64_t packing_tasks = chosen->packing_tasks(convolution), tasks = chosen->convolution_tasks(convolution);
    const int64_t answer = run(chosen->packing_task, convolution, scratch, packing_tasks, num_threads);
    return answer | run(chosen->convolution_task, convolution, scratch, tasks, num_threads);
}

/* Fewer queries are not worth the next cut: each part packs all keys and values anew. */
enum { FEW_QUERIES = 64 };

int64_t encoder_attention(const Attention *arguments, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    const int64_t heads = arguments->batches * arguments->heads;
    Attention attention = *arguments;
    attention.parts = 1;
    while (heads * attention.parts < 2 * num_threads && attention.frames > FEW_QUERIES * attention.parts)
        attention.parts++;
    const size_t scratch = chosen->attention_scratch(&attention);
    return run(chosen->attention_task, &attention, scratch, heads * attention.parts, num_threads);
}
