#include <stdlib.h>
#include <string.h>

#include "../../lib/model/sampleset.h"
#include "crc32c.h"
#include "rng.h"
#include "size.h"

enum { STREAM_ORDER = 1 }; /* what no set has: theirs are above 2^32 */

/* Above: by key, then, since keys may be equal, by row. */
static int
above(const struct sample *a, const struct sample *b)
{
	return a->key != b->key ? a->key > b->key : a->row > b->row;
}

static void
sink_down(struct sample *s, size_t n, size_t i)
{
	struct sample t = s[i];
	size_t c;

	for (; (c = 2 * i + 1) < n; i = c) {
		if (c + 1 < n && above(&s[c + 1], &s[c]))
			c++;
		if (!above(&s[c], &t))
			break;
		s[i] = s[c];
	}
	s[i] = t;
}

static void
lift(struct sample *s, size_t i)
{
	struct sample t = s[i];

	for (; i && above(&t, &s[(i - 1) / 2]); i = (i - 1) / 2)
		s[i] = s[(i - 1) / 2];
	s[i] = t;
}

int
sampleset_open(struct sampleset *x, const char *name, uint64_t most)
{
	size_t n = x->nset;
	void *p = realloc(x->set, (n + 1) * sizeof *x->set);

	if (!p)
		return -1;
	x->set = p;
	memset(&x->set[n], 0, sizeof *x->set);
	x->set[n].stream = (uint64_t)1 << 32 | crc32c(0, name, strlen(name));
	x->set[n].most = most;
	x->nset++;
	return 0;
}

static uint64_t
draw(uint64_t seed, uint64_t stream, uint64_t index)
{
	uint32_t r[4];

	rng_u32x4(seed, stream, index, r);
	return (uint64_t)r[1] << 32 | r[0];
}

int
sampleset_offer(struct sampleset *x, uint64_t row, const char *text, size_t n)
{
	uint32_t set = (uint32_t)x->nset - 1;
	struct sample s = {draw(x->seed, x->set[set].stream, row), row, set, NULL, n};
	int full = x->set[set].n >= x->set[set].most;

	if (!x->set[set].most || (full && !above(&x->set[set].s[0], &s)))
		return 0;
	if (!(s.text = malloc(n ? n : 1)))
		return -1;
	memcpy(s.text, text, n);
	if (full) {
		free(x->set[set].s[0].text);
		x->set[set].s[0] = s;
		sink_down(x->set[set].s, x->set[set].n, 0);
		return 0;
	}
	if (x->set[set].n == x->set[set].cap) {
		size_t cap = 2 * x->set[set].cap + 64;
		struct sample *q = realloc(x->set[set].s, cap * sizeof *q);

		if (!q) {
			free(s.text);
			return -1;
		}
		x->set[set].s = q;
		x->set[set].cap = cap;
	}
	x->set[set].s[x->set[set].n] = s;
	lift(x->set[set].s, x->set[set].n++);
	return 0;
}

void
sampleset_even(struct sampleset *x, uint64_t total)
{
	uint64_t level = 0, left = total, over;

	for (;;) { /* raise the level by what all sets that are above it share */
		uint64_t open = 0, step = UINT64_MAX;

		for (size_t i = 0; i < x->nset; i++)
			if (x->set[i].n > level) {
				open++;
				step = MIN(step, x->set[i].n - level);
			}
		if (!open || left < open)
			break;
		step = MIN(step, left / open);
		level += step;
		left -= step * open;
	}
	over = left;
	for (size_t i = 0; i < x->nset; i++) {
		uint64_t most = level;

		if (x->set[i].n > level && over)
			most++, over--;
		while (x->set[i].n > most) {
			free(x->set[i].s[0].text);
			x->set[i].s[0] = x->set[i].s[--x->set[i].n];
			sink_down(x->set[i].s, x->set[i].n, 0);
		}
	}
}

static int
by_key(const void *a, const void *b)
{
	const struct sample *s = a, *t = b;

	if (above(s, t) || above(t, s))
		return above(s, t) ? 1 : -1;
	return s->set < t->set ? -1 : s->set > t->set;
}

long long
sampleset_order(struct sampleset *x, int shuffle, struct sample **all)
{
	size_t n = 0, m = 0, i, k;

	for (i = 0; i < x->nset; i++)
		n += x->set[i].n;
	if (!(*all = malloc((n ? n : 1) * sizeof **all)))
		return -1;
	for (i = 0; i < x->nset; i++)
		if (x->set[i].n)
			qsort(x->set[i].s, x->set[i].n, sizeof *x->set[i].s, by_key);
	for (k = 0; m < n; k++)
		for (i = 0; i < x->nset; i++)
			if (k < x->set[i].n)
				(*all)[m++] = x->set[i].s[k];
	for (i = n; shuffle && i > 1; i--) { /* Fisher and Yates */
		size_t j = (size_t)rng_below(x->seed, STREAM_ORDER, i, i);
		struct sample t = (*all)[i - 1];

		(*all)[i - 1] = (*all)[j];
		(*all)[j] = t;
	}
	return (long long)n;
}

void
sampleset_free(struct sampleset *x)
{
	for (size_t i = 0; i < x->nset; i++) {
		for (size_t k = 0; k < x->set[i].n; k++)
			free(x->set[i].s[k].text);
		free(x->set[i].s);
	}
	free(x->set);
	*x = (struct sampleset){0};
}
