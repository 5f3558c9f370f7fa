#include <stdlib.h>
#include <string.h>

#include "moetrace.h"
#include "predict.h"
#include "size.h"

enum { BLOCK = 64 }; /* rows whose slots are fetched together */

struct slot {
	uint64_t key; /* + 1; 0: free */
	uint64_t n;
};

struct table { /* open addressing */
	struct slot *slot;
	uint64_t used;
	int bits;
};

/*
 * A key has a field of bits an expert: the last layer's is the highest, the
 * oldest's next to the lowest, which is the expert that followed.  Contexts of
 * one beginning are runs of sorted keys.  A field of all ones is no expert:
 * shorter contexts, as keys of nodes.
 */
struct predict {
	uint32_t experts, context, top;
	int bits;
	uint64_t total;             /* of the matrices put in */
	struct table counts, nodes; /* nodes: n is a number of best */
	struct slot *sorted;        /* [nsorted] */
	uint64_t nsorted, nbest, capbest;
	uint16_t *best;  /* [nbest][top] */
	double *p;       /* [context + 1][experts] while nodes are built */
	uint64_t *n;     /* [experts] */
	uint16_t *heard; /* [experts] */
	uint16_t *order; /* [2][experts] as predict_next goes; the place of each in it */
};

static inline uint64_t
home(const struct table *t, uint64_t key)
{
	return key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - t->bits);
}

static inline struct slot *
find(const struct table *t, uint64_t key)
{
	uint64_t i = home(t, key), mask = (UINT64_C(1) << t->bits) - 1;

	while (t->slot[i].key && t->slot[i].key != key + 1)
		i = (i + 1) & mask;
	return &t->slot[i];
}

/* Room for n keys more. */
static int
table_room(struct table *t, uint64_t n)
{
	struct table new = {NULL, t->used, t->bits ? t->bits : 10};

	while ((t->used + n) * 2 > UINT64_C(1) << new.bits)
		new.bits++;
	if (t->slot && new.bits == t->bits)
		return 0;
	if (!(new.slot = calloc((size_t)1 << new.bits, sizeof *new.slot)))
		return TR_ENOMEM;
	for (uint64_t i = 0; t->slot && i >> t->bits == 0; i++)
		if (t->slot[i].key)
			*find(&new, t->slot[i].key - 1) = t->slot[i];
	free(t->slot);
	*t = new;
	return 0;
}

static void
table_add(struct table *t, uint64_t key, uint64_t n)
{
	struct slot *s = find(t, key);

	if (!s->key) {
		s->key = key + 1;
		t->used++;
	}
	s->n += n;
}

struct predict *
predict_new(uint32_t experts, uint32_t context)
{
	struct predict *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->experts = experts;
	p->context = context;
	while (experts >> p->bits)
		p->bits++;
	if (context > PREDICT_CONTEXT || (uint32_t)p->bits * (context + 1) > 64 ||
	    table_room(&p->counts, BLOCK) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void
predict_free(struct predict *p)
{
	if (!p)
		return;
	free(p->counts.slot);
	free(p->nodes.slot);
	free(p->sorted);
	free(p->best);
	free(p->p);
	free(p->n);
	free(p->heard);
	free(p->order);
	free(p);
}

/* 1 and *key of row i without what followed, or 0: it lacks a pick. */
static inline int
context_key(uint32_t context, int bits, const uint16_t *const *from, uint64_t i, uint64_t *key)
{
	uint64_t k = 0;

	for (uint32_t l = context; l-- > 0;) {
		if (from[l][i] == PREDICT_NONE)
			return 0;
		k = k << bits | from[l][i];
	}
	*key = k;
	return 1;
}

int
predict_count(struct predict *p, const uint16_t *const *from, const uint16_t *to, uint64_t rows)
{
	uint64_t key[BLOCK], k;

	for (uint64_t at = 0; at < rows; at += BLOCK) {
		uint64_t end = MIN(rows, at + BLOCK);
		int n = 0;

		if (table_room(&p->counts, BLOCK) < 0)
			return TR_ENOMEM;
		for (uint64_t i = at; i < end; i++) {
			if (to[i] == PREDICT_NONE || !context_key(p->context, p->bits, from, i, &k))
				continue;
			key[n] = k << p->bits | to[i];
			__builtin_prefetch(&p->counts.slot[home(&p->counts, key[n++])], 1);
		}
		for (int i = 0; i < n; i++)
			table_add(&p->counts, key[i], 1);
	}
	return 0;
}

/* ---- matrices ---- */

int
predict_put(struct predict *p, const uint16_t *before, const uint64_t *n)
{
	uint32_t rows = p->context ? p->experts : 1;
	uint64_t older = 0;

	for (uint32_t l = p->context; l-- > 1;)
		older = older << p->bits | before[l - 1];
	for (uint64_t i = 0; i < rows; i++)
		for (uint64_t e = 0; e < p->experts; e++) {
			uint64_t key = p->context > 1
					       ? i << (uint32_t)p->bits * (p->context - 1) | older
					       : i;
			int r;

			if (!n[i * p->experts + e])
				continue;
			if (__builtin_add_overflow(p->total, n[i * p->experts + e], &p->total) ||
			    p->total > INT64_MAX)
				return TR_ELIMIT;
			if ((r = table_room(&p->counts, 1)) < 0)
				return r;
			table_add(&p->counts, key << p->bits | e, n[i * p->experts + e]);
		}
	return 0;
}

/* By key, least digits first. */
static int
radix_sort(struct slot **a, uint64_t n, int bits)
{
	struct slot *from = *a, *to = malloc((n + 1) * sizeof *to);
	uint64_t start[257];

	if (!to)
		return TR_ENOMEM;
	for (int shift = 0; shift < bits; shift += 8) {
		struct slot *old = from;

		memset(start, 0, sizeof start);
		for (uint64_t i = 0; i < n; i++)
			start[(from[i].key >> shift & 255) + 1]++;
		for (int d = 0; d < 256; d++)
			start[d + 1] += start[d];
		for (uint64_t i = 0; i < n; i++)
			to[start[from[i].key >> shift & 255]++] = from[i];
		from = to;
		to = old;
	}
	*a = from;
	free(to);
	return 0;
}

/* Lists of experts are in the order of their text, "0,10" before "0,2"; one alone by number. */
static int
set_order(struct predict *p)
{
	const uint32_t last = p->experts - 1;
	uint32_t e = 0;

	if (!p->order && !(p->order = malloc(2 * (size_t)p->experts * sizeof *p->order)))
		return TR_ENOMEM;
	for (uint32_t i = 0; i <= last; i++) {
		p->order[i] = (uint16_t)e;
		p->order[p->experts + e] = (uint16_t)i;
		if (p->context > 2 && e && e * 10 <= last) {
			e *= 10;
			continue;
		}
		while (p->context > 2 && (e % 10 == 9 || (e == last && e > 9)))
			e /= 10;
		e++;
	}
	return 0;
}

/* The counts in order; older: by the older layers first, else by the last one. */
static int
sort(struct predict *p, int older)
{
	const int bits = p->bits * ((int)p->context + 1);
	const uint64_t mask = (UINT64_C(1) << p->bits) - 1;

	free(p->sorted);
	p->nsorted = 0;
	if (older && set_order(p) < 0)
		return TR_ENOMEM;
	if (!(p->sorted = malloc((p->counts.used + 1) * sizeof *p->sorted)))
		return TR_ENOMEM;
	for (uint64_t i = 0; i >> p->counts.bits == 0; i++) {
		struct slot s = p->counts.slot[i];

		if (!s.key--)
			continue;
		if (older && p->context > 1) { /* older fields, oldest first, last, followed */
			const uint16_t *place = p->order + p->experts;
			uint64_t k = 0;

			for (int f = 1; f < (int)p->context; f++)
				k = k << p->bits | place[s.key >> f * p->bits & mask];
			k = k << p->bits | (s.key >> (int)p->context * p->bits & mask);
			s.key = k << p->bits | (s.key & mask);
		}
		p->sorted[p->nsorted++] = s;
	}
	return radix_sort(&p->sorted, p->nsorted, bits);
}

int
predict_next(struct predict *p, uint64_t *at, uint16_t *before, uint64_t *n)
{
	const uint32_t rows = p->context ? p->experts : 1;
	const uint32_t inner = (uint32_t)p->bits * (p->context ? 2 : 1);
	const uint64_t mask = (UINT64_C(1) << p->bits) - 1;
	uint64_t head;
	int r;

	if (!*at && (r = sort(p, 1)) < 0)
		return r;
	if (*at >= p->nsorted)
		return 0;
	memset(n, 0, (size_t)rows * p->experts * sizeof *n);
	head = p->context > 1 ? p->sorted[*at].key >> inner : 0;
	for (uint32_t l = p->context; l-- > 1;)
		before[l - 1] = p->order[head >> (uint32_t)p->bits * (p->context - 1 - l) & mask];
	for (; *at < p->nsorted; ++*at) {
		const struct slot *s = &p->sorted[*at];

		if (p->context > 1 && s->key >> inner != head)
			break;
		n[(p->context ? s->key >> p->bits & mask : 0) * p->experts + (s->key & mask)] =
			s->n;
	}
	return 1;
}

/* ---- what is told ---- */

/* Keep e among the best, those more likely first, of equals the lower one. */
static uint32_t
insert(uint16_t *best, uint32_t n, uint32_t top, const double *prob, uint16_t e)
{
	uint32_t k = n < top ? n : top;

	while (k > 0 &&
	       (prob[best[k - 1]] < prob[e] || (prob[best[k - 1]] == prob[e] && best[k - 1] > e)))
		k--;
	if (k == top)
		return n;
	n = MIN(n + 1, top);
	memmove(best + k + 1, best + k, (n - k - 1) * sizeof *best);
	best[k] = e;
	return n;
}

/*
 * The node of sorted[lo .. hi-1], whose first depth fields are one context, and
 * those below it.  What did not follow here keeps its order, so that the best
 * are among what did and the best of the shorter context, number parent.
 */
static int
build(struct predict *p, uint64_t lo, uint64_t hi, uint32_t depth, uint64_t parent)
{
	const uint64_t mask = (UINT64_C(1) << p->bits) - 1, node = p->nbest;
	const uint32_t shift = (uint32_t)p->bits * (p->context - depth + 1);
	const double *up = p->p + (depth ? depth - 1 : 0) * (size_t)p->experts;
	double *prob = p->p + depth * (size_t)p->experts;
	uint64_t total = 0, key;
	uint32_t nheard = 0, n = 0;
	uint16_t *best, *old;
	int r = 0;

	if (p->nbest == p->capbest) {
		size_t size;
		void *to;

		if (size_mul(2 * p->capbest + 64, p->top * sizeof *p->best, &size) < 0 ||
		    !(to = realloc(p->best, size)))
			return TR_ENOMEM;
		p->best = to;
		p->capbest = 2 * p->capbest + 64;
	}
	p->nbest++;
	for (uint64_t i = lo; i < hi; i++) {
		uint16_t e = p->sorted[i].key & mask;

		if (!p->n[e])
			p->heard[nheard++] = e;
		p->n[e] += p->sorted[i].n;
		total += p->sorted[i].n;
	}
	/* Below no count at all, all are equally likely. */
	for (uint32_t e = 0; e < p->experts; e++)
		prob[e] = (depth ? up[e] : 1.0 / p->experts) *
			  (total ? (double)nheard / (double)(total + nheard) : 1);
	for (uint32_t i = 0; i < nheard; i++)
		prob[p->heard[i]] += (double)p->n[p->heard[i]] / (double)(total + nheard);
	best = p->best + node * p->top;
	old = p->best + parent * p->top;
	for (uint32_t i = 0; i < nheard; i++)
		n = insert(best, n, p->top, prob, p->heard[i]);
	for (uint32_t i = 0; i < (depth ? p->top : p->experts); i++) {
		uint16_t e = depth ? old[i] : (uint16_t)i;

		if (!p->n[e])
			n = insert(best, n, p->top, prob, e);
	}
	for (uint32_t i = 0; i < nheard; i++)
		p->n[p->heard[i]] = 0;
	if (depth) {
		key = p->sorted[lo].key >> shift << shift | ((UINT64_C(1) << shift) - 1);
		if ((r = table_room(&p->nodes, 1)) < 0)
			return r;
		table_add(&p->nodes, key, node);
	}
	for (uint64_t i = lo, j; depth < p->context && i < hi && r == 0; i = j) {
		const uint32_t next = shift - (uint32_t)p->bits;

		for (j = i + 1; j < hi && p->sorted[i].key >> next == p->sorted[j].key >> next;)
			j++;
		r = build(p, i, j, depth + 1, node);
	}
	return r;
}

int
predict_build(struct predict *p, uint32_t top)
{
	int r;

	p->top = MIN(top, p->experts);
	p->p = calloc((p->context + 1) * (size_t)p->experts, sizeof *p->p);
	p->n = calloc(p->experts, sizeof *p->n);
	p->heard = calloc(p->experts, sizeof *p->heard);
	if (!p->p || !p->n || !p->heard)
		return TR_ENOMEM;
	if ((r = sort(p, 0)) < 0 || (r = table_room(&p->nodes, 1)) < 0)
		return r;
	r = build(p, 0, p->nsorted, 0, 0);
	free(p->sorted);
	p->sorted = NULL;
	return r;
}

static void
judge(const uint16_t *best, uint32_t top, uint16_t e, struct predict_hits *hits)
{
	for (uint32_t k = 0; k < top; k++)
		if (best[k] == e) {
			hits->rank[k]++;
			return;
		}
}

void
predict_score(const struct predict *p, const uint16_t *const *from, const uint16_t *to,
	      uint64_t rows, struct predict_hits *hits, struct predict_hits *popular)
{
	uint64_t key[BLOCK], k;
	uint16_t is[BLOCK];

	for (uint64_t at = 0; at < rows; at += BLOCK) {
		uint64_t end = MIN(rows, at + BLOCK);
		int n = 0;

		for (uint64_t i = at; i < end; i++) {
			if (to[i] == PREDICT_NONE || !context_key(p->context, p->bits, from, i, &k))
				continue;
			is[n] = to[i];
			key[n] = k << p->bits | ((UINT64_C(1) << p->bits) - 1);
			__builtin_prefetch(&p->nodes.slot[home(&p->nodes, key[n++])]);
		}
		for (int i = 0; i < n; i++) {
			const struct slot *s = NULL;
			uint32_t depth = p->context;

			for (; depth > 0; depth--) {
				uint32_t shift = (uint32_t)p->bits * (p->context - depth + 1);

				s = find(&p->nodes, key[i] | ((UINT64_C(1) << shift) - 1));
				if (s->key)
					break;
			}
			hits->seen += depth == p->context && p->counts.used;
			judge(p->best + (depth ? s->n : 0) * p->top, p->top, is[i], hits);
			popular->seen += p->counts.used > 0;
			judge(p->best, p->top, is[i], popular);
		}
		hits->n += (uint64_t)n;
		popular->n += (uint64_t)n;
	}
}

void
predict_recent(uint32_t context, uint32_t top, const uint16_t *const *from, const uint16_t *to,
	       uint64_t rows, struct predict_hits *hits)
{
	uint16_t list[PREDICT_TOP];
	uint32_t used = 0, k;
	uint64_t key;

	for (uint64_t i = 0; i < rows; i++) {
		if (to[i] == PREDICT_NONE)
			continue;
		for (k = 0; k < used && list[k] != to[i];)
			k++;
		if (context_key(context, 0, from, i, &key)) {
			hits->n++;
			hits->seen += used > 0;
			if (k < used)
				hits->rank[k]++;
		}
		if (k == used && used < top)
			used++;
		memmove(list + 1, list, MIN(k, used - 1) * sizeof *list);
		list[0] = to[i];
	}
}

void
predict_hits_add(struct predict_hits *to, const struct predict_hits *from, uint32_t top)
{
	to->n += from->n;
	to->seen += from->seen;
	for (uint32_t rank = 0; rank < top; rank++)
		to->rank[rank] += from->rank[rank];
}
