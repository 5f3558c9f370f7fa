/* The f32 operations that a core can do. */
#ifndef FMA_H
#define FMA_H

#include <stdint.h>

/* n rounds of fused multiply-adds that do not wait for each other, by the widest vectors
 * of this processor; *sum keeps them from being left out.  How many operations it was. */
uint64_t fma_run(uint64_t n, float *sum);

#endif
