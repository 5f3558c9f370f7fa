/*
 * Histograms of ids.  Four of them side by side, so that two equal ids in a
 * row do not wait for each other's store; 32 bits a counter, emptied before
 * they can overflow.
 */
#include <string.h>

#include "load.h"
#include "size.h"

enum {
	WAYS = 4,
	BLOCK = 1 << 20, /* ids between two emptyings, far below 2^32 */
	FEW = 1024,      /* ids that emptying and adding up would cost more than */
};

/* All picks of u8 ids: the empty slot has a counter of its own, 255. */
static void
count8(const uint8_t *p, uint64_t n, uint32_t experts, uint64_t *to)
{
	uint32_t h[WAYS][256];

	while (n) {
		uint64_t len = MIN(n, (uint64_t)BLOCK), i = 0;

		memset(h, 0, sizeof h);
		for (; i + 8 <= len; i += 8) {
			uint64_t x;

			memcpy(&x, p + i, 8);
			h[0][x & 255]++;
			h[1][x >> 8 & 255]++;
			h[2][x >> 16 & 255]++;
			h[3][x >> 24 & 255]++;
			h[0][x >> 32 & 255]++;
			h[1][x >> 40 & 255]++;
			h[2][x >> 48 & 255]++;
			h[3][x >> 56]++;
		}
		for (; i < len; i++)
			h[0][p[i]]++;
		for (uint32_t e = 0; e < experts; e++)
			to[e] += (uint64_t)h[0][e] + h[1][e] + h[2][e] + h[3][e];
		p += len;
		n -= len;
	}
}

void
load_count(const struct tr_ids *ids, uint32_t k, const uint8_t *dropped, uint32_t experts,
	   uint64_t *n)
{
	uint64_t all = ids->rows * ids->k;

	if (ids->u8 && k >= ids->k && !dropped && all >= FEW) {
		count8(ids->u8, all, experts, n);
		return;
	}
	if (ids->u8 && k >= ids->k && !dropped) {
		for (uint64_t i = 0; i < all; i++)
			if (ids->u8[i] != UINT8_MAX)
				n[ids->u8[i]]++;
		return;
	}
	for (uint64_t r = 0; r < ids->rows; r++)
		for (uint32_t i = 0; i < MIN(k, ids->k); i++) {
			uint64_t at = r * ids->k + i;
			uint32_t e = tr_id(ids, at);

			if (e != UINT32_MAX && !(dropped && dropped[at]))
				n[e]++;
		}
}

int
load_picked(const struct tr_ids *ids, uint64_t i, const struct tr_list *any,
	    const struct tr_list *all)
{
	int found = !any->n;
	uint64_t n = 0;

	for (uint32_t s = 0; s < ids->k; s++) {
		uint32_t e = tr_id(ids, i * ids->k + s);

		if (e == UINT32_MAX)
			continue;
		found |= tr_list_has(any, e);
		if (all->n && tr_list_has(all, e)) {
			uint32_t k = 0; /* an id that repeats counts once */

			while (k < s && tr_id(ids, i * ids->k + k) != e)
				k++;
			n += k == s;
		}
	}
	return found && (!all->n || n == tr_list_count(all));
}
