/* Lists of numbers as options and keys spell them: 0-3,7. */
#include <stdlib.h>
#include <string.h>

#include "moetrace.h"
#include "num.h"

static int
insert(struct tr_list *l, uint64_t lo, uint64_t hi)
{
	int i = 0, j;
	void *p = realloc(l->range, sizeof *l->range * (size_t)(l->n + 1));

	if (!p)
		return TR_ENOMEM;
	l->range = p;
	while (i < l->n && lo > 0 && l->range[i].hi < lo - 1)
		i++;
	/* ranges i .. j-1 touch the new one and join it */
	for (j = i; j < l->n && l->range[j].lo <= hi + (hi < UINT64_MAX); j++) {
		if (l->range[j].lo < lo)
			lo = l->range[j].lo;
		if (l->range[j].hi > hi)
			hi = l->range[j].hi;
	}
	memmove(l->range + i + 1, l->range + j, sizeof *l->range * (size_t)(l->n - j));
	l->n += 1 - (j - i);
	l->range[i].lo = lo;
	l->range[i].hi = hi;
	return 0;
}

int
tr_list_parse(struct tr_list *l, const char *s)
{
	struct tr_list new = {0};
	int r = TR_EVALUE;

	for (const char *end;; s = end + 1) {
		const char *dash;
		uint64_t lo, hi;

		end = s + strcspn(s, ",");
		dash = memchr(s, '-', (size_t)(end - s));
		if (num_u64n(s, dash ? dash : end, 0, INT64_MAX, &lo) < 0)
			break;
		hi = lo;
		if (dash && (num_u64n(dash + 1, end, 0, INT64_MAX, &hi) < 0 || hi < lo))
			break;
		if ((r = insert(&new, lo, hi)) < 0)
			break;
		r = TR_EVALUE;
		if (!*end) {
			tr_list_free(l);
			*l = new;
			return 0;
		}
	}
	tr_list_free(&new);
	return r;
}

int
tr_list_has(const struct tr_list *l, uint64_t n)
{
	return !l->n || tr_list_find(l, n) != TR_NONE;
}

uint64_t
tr_list_count(const struct tr_list *l)
{
	uint64_t n = 0;

	for (int i = 0; i < l->n; i++)
		n += l->range[i].hi - l->range[i].lo + 1;
	return n;
}

uint64_t
tr_list_at(const struct tr_list *l, uint64_t i)
{
	for (int k = 0; k < l->n; k++) {
		uint64_t n = l->range[k].hi - l->range[k].lo + 1;

		if (i < n)
			return l->range[k].lo + i;
		i -= n;
	}
	return TR_NONE;
}

uint64_t
tr_list_find(const struct tr_list *l, uint64_t n)
{
	uint64_t at = 0;

	for (int i = 0; i < l->n && n >= l->range[i].lo; i++) {
		if (n <= l->range[i].hi)
			return at + n - l->range[i].lo;
		at += l->range[i].hi - l->range[i].lo + 1;
	}
	return TR_NONE;
}

int
tr_list_add(struct tr_list *l, uint64_t n)
{
	return insert(l, n, n);
}

int
tr_list_text(const struct tr_list *l, char *buf, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < l->n; i++) {
		if (size - n < 2 * NUM_MAX)
			return TR_ELIMIT;
		if (i)
			buf[n++] = ',';
		n += num_put_u64(buf + n, l->range[i].lo);
		if (l->range[i].hi != l->range[i].lo) {
			buf[n++] = '-';
			n += num_put_u64(buf + n, l->range[i].hi);
		}
	}
	buf[n] = 0;
	return (int)n;
}

void
tr_list_free(struct tr_list *l)
{
	free(l->range);
	l->range = NULL;
	l->n = 0;
}
