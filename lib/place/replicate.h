/* How many copies each expert gets (placement.md 5). */
#ifndef REPLICATE_H
#define REPLICATE_H

#include <stdint.h>

/* Is the load of a copy, one of so many that share count, greater than that of the other's?
 * Exactly, without division. */
static inline int
replicate_heavier(uint64_t count, uint32_t copies, uint64_t count2, uint32_t copies2)
{
	return (unsigned __int128)count * copies2 > (unsigned __int128)count2 * copies;
}

/* All fill copies [experts] from count [experts]; the last `shared` experts get
 * shared_copies each where that is not 0, else they are like any other.  0,
 * TR_EVALUE: slots do not suffice for one copy each, or TR_ENOMEM. */

/* One each, then one more for the most picked, in turn (the reference). */
int replicate_one_each(const uint64_t *count, uint32_t experts, uint32_t shared,
		       uint32_t shared_copies, uint32_t slots, uint32_t *copies);
/* Each further slot to the expert whose copies carry most, load shared evenly, and which has
 * fewer than limit, where one has: more than devices are no use. */
int replicate_minmax(const uint64_t *count, uint32_t experts, uint32_t shared,
		     uint32_t shared_copies, uint32_t slots, uint32_t limit, uint32_t *copies);
/* Each further slot halves the copy that carries most: halves, not equal shares. */
int replicate_split(const uint64_t *count, uint32_t experts, uint32_t shared,
		    uint32_t shared_copies, uint32_t slots, uint32_t *copies);

/* By blocks: a copy with t tokens of a batch computes ceil(t / block) of them, load shared
 * evenly.  The largest such number is the least that slots allow, then as few copies have it as
 * can be, and so on downward; what is left goes as in minmax.  batch: batches over which count is,
 * so that one has count / batch picks. */
int replicate_blocks(const uint64_t *count, uint32_t experts, uint32_t shared,
		     uint32_t shared_copies, uint32_t slots, uint32_t limit, double batch,
		     uint32_t block, uint32_t *copies);

#endif
