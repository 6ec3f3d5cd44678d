/* The functions that Python calls: choice of the instruction set, and how the work is cut into tasks. */
#include "../../native/processor.h"
#include "../../native/threads.h"
#include "arguments.h"

typedef struct {
    const char *name;
    TaskFunction stem_task, block_task;
    size_t (*stem_scratch)(const Stem *);
    size_t (*block_scratch)(const Block *);
    int64_t (*stem_tasks)(const Stem *);
    int lanes;
} Variant;

#define DECLARE(suffix, lanes)                              \
    int stem_task_##suffix(const void *, int64_t, char *);  \
    int block_task_##suffix(const void *, int64_t, char *); \
    size_t stem_scratch_##suffix(const Stem *);             \
    size_t block_scratch_##suffix(const Block *);           \
    int64_t stem_tasks_##suffix(const Stem *);
#define VARIANT(suffix, lanes)                                                                        \
    {#suffix, stem_task_##suffix, block_task_##suffix, stem_scratch_##suffix, block_scratch_##suffix, \
     stem_tasks_##suffix, lanes},

EACH_VARIANT(DECLARE)
static const Variant variants[] = {EACH_VARIANT(VARIANT)};
TELL_VARIANTS(aasist)

int64_t aasist_stem(const Stem *stem, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    return run(chosen->stem_task, stem, chosen->stem_scratch(stem), chosen->stem_tasks(stem), num_threads);
}

/* Tiles of a chunk at most: the first convolution has one more. Fewer tiles or bands are not worth the next cut. */
enum { CHUNK = TILES - 1, FEW_TILES = 8, FEW_BANDS = 4 };

/* Chunks that fit the cache; where these are too few for the threads, smaller ones, then bands apart. A chunk or
 * segment costs a tile or band that its neighbour computes too. No answer depends on the cut. */
static void cut(Block *block, int64_t num_threads) {
    const int64_t tiles = (block->frames / POOLED + 1) / 2, clips = block->batches;
    int64_t chunks = (tiles + CHUNK - 1) / CHUNK;
    while (clips * chunks < 4 * num_threads && clips * chunks % num_threads && chunks * FEW_TILES < tiles) chunks++;
    int64_t segments = (num_threads + clips * chunks - 1) / (clips * chunks);
    if (segments > block->bands / FEW_BANDS) segments = block->bands / FEW_BANDS;
    block->chunks = chunks;
    block->segments = segments > 1 ? segments : 1;
}

int64_t aasist_block(const Block *arguments, int64_t variant, int64_t num_threads) {
    const Variant *chosen = &variants[variant];
    Block block = *arguments;
    cut(&block, num_threads);
    const int64_t tasks = block.batches * block.chunks * block.segments;
    return run(chosen->block_task, &block, chosen->block_scratch(&block), tasks, num_threads);
}
