/* The assignment problem. */
#ifndef ASSIGN_H
#define ASSIGN_H

#include <stdint.h>

/* to [n]: the column of each row, each column once, so that the sum of gain [n][n] is the most.
 * 0 or TR_ENOMEM. */
int assign_most(const int32_t *gain, uint32_t n, uint32_t *to);

#endif
