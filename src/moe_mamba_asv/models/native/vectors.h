/* Vectors of LANES numbers, which a file that includes this one defines: as many as one register holds. */
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef float loose __attribute__((vector_size(LANES * sizeof(float)), may_alias, aligned(4)));
typedef int32_t ints __attribute__((vector_size(LANES * sizeof(float)), may_alias));

INLINE vec all(float value) { return value - (vec){0}; }
INLINE vec load(const float *at) { return *(const loose *)at; }
INLINE void store(float *at, vec value) { *(loose *)at = value; }
INLINE vec choose(ints mask, vec yes, vec no) { return (vec)(((ints)yes & mask) | ((ints)no & ~mask)); }
INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t round_up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

/* A vector of which only the first `count` numbers are there; the rest is zero. */
INLINE vec load_part(const float *at, int64_t count) {
    if (count >= LANES) return load(at);
    vec found = {0};
    memcpy(&found, at, count * sizeof(float));
    return found;
}
INLINE void store_part(float *at, vec value, int64_t count) {
    if (count >= LANES)
        store(at, value);
    else
        memcpy(at, &value, count * sizeof(float));
}

/* Larger of two, NaN where one is. */
INLINE vec larger(vec a, vec b) { return choose((a > b) | (a != a), a, b); }

/* exp(x) - 1 for x <= 0; its relative error is 2e-7 around zero too. */
INLINE vec exp_less_one(vec x) {
    /* Adding this number rounds to an integer n and leaves n + 127, the exponent of 2^n, in the lowest bits. */
    const float rounder = 12582912.0f + 127.0f;
    vec low = choose(x < -87.0f, all(-87.0f), x) * 1.4426950408889634f;
    vec shifted = low + rounder, power = (vec)((ints)shifted << 23);
    vec r = low - (shifted - rounder);
    /* (2^r - 1) / r for |r| <= 1/2: Taylor's series, the rest below 2e-8. */
    vec p = all(1.5252734e-5f);
    p = p * r + 1.5403530e-4f;
    p = p * r + 1.3333558e-3f;
    p = p * r + 9.6181291e-3f;
    p = p * r + 5.5504109e-2f;
    p = p * r + 2.4022651e-1f;
    p = p * r + 6.9314718e-1f;
    return p * r * power + (power - 1);
}
