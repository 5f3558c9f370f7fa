/* Lists of sizes: "4K-1G,512M". */
#ifndef SIZES_H
#define SIZES_H

#include <stdint.h>

enum { SIZES_MAX = 64 };

/* Parse a list of sizes (num_size) and ranges, which go from the lower end by factors of 4
 * to the upper, each lo <= size <= hi, into to, in the order given.  Their number, or -1. */
int sizes_parse(const char *s, uint64_t lo, uint64_t hi, uint64_t to[SIZES_MAX]);

#endif
