/* The functions that Python calls: choice of the instruction set, and how the work is cut into tasks. */
#include "../../native/processor.h"
#include "../../native/threads.h"
#include "arguments.h"

typedef struct {
    const char *name;
    TaskFunction positions_task, packing_task, convolution_task, gelu_task, attention_task;
    size_t (*positions_scratch)(const Positions *);
    size_t (*convolution_scratch)(const Convolution *);
    size_t (*attention_scratch)(const Attention *);
    int64_t (*convolution_room)(const Convolution *);
    int64_t (*packing_tasks)(const Convolution *);
    int64_t (*convolution_tasks)(const Convolution *);
    int64_t (*gelu_tasks)(const Gelu *);
    int lanes;
} Variant;

#define DECLARE(suffix)                                           \
    int positions_task_##suffix(const void *, int64_t, char *);   \
    int packing_task_##suffix(const void *, int64_t, char *);     \
    int convolution_task_##suffix(const void *, int64_t, char *); \
    int gelu_task_##suffix(const void *, int64_t, char *);        \
    int attention_task_##suffix(const void *, int64_t, char *);   \
    size_t positions_scratch_##suffix(const Positions *);         \
    size_t convolution_scratch_##suffix(const Convolution *);     \
    size_t attention_scratch_##suffix(const Attention *);         \
    int64_t convolution_room_##suffix(const Convolution *);       \
    int64_t packing_tasks_##suffix(const Convolution *);          \
    int64_t convolution_tasks_##suffix(const Convolution *);      \
    int64_t gelu_tasks_##suffix(const Gelu *);
#define VARIANT(suffix, lanes)                                                                            \
    {#suffix, positions_task_##suffix, packing_task_##suffix, convolution_task_##suffix,                  \
     gelu_task_##suffix, attention_task_##suffix, positions_scratch_##suffix, convolution_scratch_##suffix, \
     attention_scratch_##suffix, convolution_room_##suffix, packing_tasks_##suffix,                       \
     convolution_tasks_##suffix, gelu_tasks_##suffix, lanes}

DECLARE(generic)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
#endif

/* In the order of preference. */
static const Variant variants[] = {
#if defined(__x86_64__)
    VARIANT(avx512, 16),
    VARIANT(avx2, 8),
#endif
    VARIANT(generic, 4),
};
TELL_VARIANTS(encoder)

int64_t encoder_positions(const Positions *positions, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    Work work = {
        .arguments = positions,
        .task = chosen->positions_task,
        .scratch_bytes = chosen->positions_scratch(positions),
        .num_tasks = positions->groups,
    };
    run(&work, num_threads);
    return work.answer;
}

int64_t encoder_convolution_room(const Convolution *convolution, int64_t variant) {
    return variants[variant].convolution_room(convolution);
}

int64_t encoder_convolution(const Convolution *convolution, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    Work packing = {
        .arguments = convolution,
        .task = chosen->packing_task,
        .scratch_bytes = chosen->convolution_scratch(convolution),
        .num_tasks = chosen->packing_tasks(convolution),
    };
    run(&packing, num_threads);
    Work work = {
        .arguments = convolution,
        .task = chosen->convolution_task,
        .scratch_bytes = chosen->convolution_scratch(convolution),
        .num_tasks = chosen->convolution_tasks(convolution),
    };
    run(&work, num_threads);
    return packing.answer | work.answer;
}

int64_t encoder_gelu(const Gelu *arguments, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    Work work = {
        .arguments = arguments,
        .task = chosen->gelu_task,
        .scratch_bytes = 64,
        .num_tasks = chosen->gelu_tasks(arguments),
    };
    run(&work, num_threads);
    return work.answer;
}

/* Fewer queries are not worth the next cut: each part packs all keys and values anew. */
enum { FEW_QUERIES = 64 };

int64_t encoder_attention(const Attention *arguments, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    Attention attention = *arguments;
    attention.parts = 1;
    while (attention.batches * attention.heads * attention.parts < 2 * num_threads &&
           attention.frames > FEW_QUERIES * attention.parts)
        attention.parts++;
    Work work = {
        .arguments = &attention,
        .task = chosen->attention_task,
        .scratch_bytes = chosen->attention_scratch(&attention),
        .num_tasks = attention.batches * attention.heads * attention.parts,
    };
    run(&work, num_threads);
    return work.answer;
}
