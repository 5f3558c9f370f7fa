/* Counting by place: place i of a row has a histogram of its own, so equal
 * experts of one row cannot meet, and rows follow each other k stores apart. */
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "size.h"
#include "topkstats.h"

int
topk_init(struct topk *t, uint32_t experts, uint32_t k)
{
	t->experts = experts;
	t->k = k;
	t->n_tokens = 0;
	t->n = calloc((size_t)experts * k + 1, sizeof *t->n);
	return t->n ? 0 : TR_ENOMEM;
}

void
topk_free(struct topk *t)
{
	free(t->n);
	t->n = NULL;
}

/* u8 ids, k known to the compiler: counters of 32 bits in a block of rows. */
static inline void
count8(struct topk *t, const uint8_t *p, uint64_t rows, uint32_t k)
{
	enum { BLOCK = 1 << 22, K = 16 };
	uint32_t h[K][256];

	for (uint64_t r = 0; r < rows;) {
		uint64_t end = MIN(rows, r + BLOCK);

		memset(h, 0, k * sizeof *h);
		for (; r < end; r++, p += k)
			for (uint32_t i = 0; i < k; i++)
				h[i][p[i]]++;
		for (uint32_t i = 0; i < k; i++)
			for (uint32_t e = 0; e < t->experts; e++)
				t->n[(size_t)i * t->experts + e] += h[i][e];
	}
}

void
topk_count(struct topk *t, const struct tr_ids *ids, const uint8_t *dropped)
{
	t->n_tokens += ids->rows;
	if (ids->u8 && !dropped) {
		switch (ids->k) {
		case 1:
			count8(t, ids->u8, ids->rows, 1);
			return;
		case 2:
			count8(t, ids->u8, ids->rows, 2);
			return;
		case 4:
			count8(t, ids->u8, ids->rows, 4);
			return;
		case 6:
			count8(t, ids->u8, ids->rows, 6);
			return;
		case 8:
			count8(t, ids->u8, ids->rows, 8);
			return;
		default:
			break;
		}
		if (ids->k <= 16) {
			count8(t, ids->u8, ids->rows, ids->k);
			return;
		}
	}
	for (uint64_t r = 0; r < ids->rows; r++)
		for (uint32_t i = 0; i < ids->k; i++) {
			uint32_t e = tr_id(ids, r * ids->k + i);

			if (e != UINT32_MAX && !(dropped && dropped[r * ids->k + i]))
				t->n[(size_t)i * t->experts + e]++;
		}
}

/* The number that "%.6f" prints, in millionths. */
static uint64_t
millionths(float w)
{
	char buf[64];
	size_t n = num_put_6f(buf, w);
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		if (buf[i] >= '0' && buf[i] <= '9')
			x = 10 * x + (uint64_t)(buf[i] - '0');
	return x;
}

int
topk_count_printed(struct topk *t, const struct tr_ids *ids, const float *w)
{
	uint64_t *q = malloc(ids->k * sizeof *q);
	uint32_t *e = malloc(ids->k * sizeof *e);
	char *taken = malloc(t->experts);

	if (!q || !e || !taken) {
		free(q);
		free(e);
		free(taken);
		return TR_ENOMEM;
	}
	t->n_tokens += ids->rows;
	for (uint64_t r = 0; r < ids->rows; r++) {
		uint32_t n = 0, zero = t->experts;

		memset(taken, 0, t->experts);
		for (uint32_t i = 0; i < ids->k; i++) {
			uint32_t id = tr_id(ids, r * ids->k + i), at = n;
			uint64_t x;

			if (id == UINT32_MAX || !(x = millionths(w[r * ids->k + i])))
				continue;
			for (; at > 0 && (q[at - 1] < x || (q[at - 1] == x && e[at - 1] < id));
			     at--) {
				q[at] = q[at - 1];
				e[at] = e[at - 1];
			}
			q[at] = x;
			e[at] = id;
			taken[id] = 1;
			n++;
		}
		for (uint32_t i = 0; i < t->k; i++) {
			uint32_t id;

			if (i < n) {
				id = e[i];
			} else { /* cells of zero, highest number first */
				while (zero > 0 && taken[zero - 1])
					zero--;
				if (!zero)
					break;
				id = --zero;
			}
			t->n[(size_t)i * t->experts + id]++;
		}
	}
	free(q);
	free(e);
	free(taken);
	return 0;
}

void
topk_sum(const struct topk *t, uint32_t k, uint64_t *to)
{
	memset(to, 0, t->experts * sizeof *to);
	for (uint32_t i = 0; i < MIN(k, t->k); i++)
		for (uint32_t e = 0; e < t->experts; e++)
			to[e] += t->n[(size_t)i * t->experts + e];
}
