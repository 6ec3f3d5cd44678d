/* The kernel in double precision, for any processor: it checks the mathematics of the others, and is not fast. */
#define REAL double
#define REAL_IS_DOUBLE
#define LANES 4
#define NAME(x) x##_double
#include "kernel.h"
