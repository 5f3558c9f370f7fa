/* Routed tokens of one layer, flat. */
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "rng.h"
#include "size.h"

int
tokens_init(struct tokens *t, uint32_t experts)
{
	memset(t, 0, sizeof *t);
	t->experts = experts;
	t->count = calloc(experts + 1, sizeof *t->count);
	return t->count ? 0 : TR_ENOMEM;
}

void
tokens_free(struct tokens *t)
{
	free(t->batch);
	free(t->first);
	free(t->pick);
	free(t->origin);
	free(t->count);
	free(t->order);
	memset(t, 0, sizeof *t);
}

static int
room(struct tokens *t, size_t tokens, size_t picks)
{
	void *p;

	if (t->nbatch + 2 > t->capbatch) {
		if (!(p = realloc(t->batch, (2 * t->capbatch + 64) * sizeof *t->batch)))
			return TR_ENOMEM;
		t->batch = p;
		t->capbatch = 2 * t->capbatch + 64;
	}
	if (t->ntoken + tokens + 1 > t->captoken) {
		size_t cap = MAX(2 * t->captoken, t->ntoken + tokens + 1);

		if (!(p = realloc(t->first, cap * sizeof *t->first)))
			return TR_ENOMEM;
		t->first = p;
		if (!(p = realloc(t->origin, cap * sizeof *t->origin)))
			return TR_ENOMEM;
		t->origin = p;
		t->captoken = cap;
	}
	if (t->npick + picks > t->cappick) {
		size_t cap = MAX(2 * t->cappick, t->npick + picks);

		if (!(p = realloc(t->pick, cap * sizeof *t->pick)))
			return TR_ENOMEM;
		t->pick = p;
		t->cappick = cap;
	}
	return 0;
}

/* The picks of a row, and the shared experts that it lacks. */
static void
add_row(struct tokens *t, const struct tr_ids *ids, uint64_t row, uint32_t shared)
{
	size_t at = t->npick;

	for (uint32_t s = 0; s < ids->k; s++) {
		uint32_t e = tr_id(ids, row * ids->k + s);

		if (e == UINT32_MAX)
			continue;
		for (size_t k = at; k < t->npick; k++)
			t->repeats |= t->pick[k] == e;
		t->pick[t->npick++] = (uint16_t)e;
		t->count[e]++;
	}
	for (uint32_t e = t->experts - shared; e < t->experts; e++) {
		size_t k = at;

		while (k < t->npick && t->pick[k] != e)
			k++;
		if (k < t->npick)
			continue;
		t->pick[t->npick++] = (uint16_t)e;
		t->count[e]++;
	}
	t->first[++t->ntoken] = t->npick;
}

struct score {
	float v;
	uint16_t expert;
};

/* Falling; of equals, and of those that are no numbers, the lowest expert first. */
static int
by_score(const void *a, const void *b)
{
	const struct score *x = a, *y = b;
	int nx = x->v != x->v, ny = y->v != y->v;

	if (nx != ny)
		return nx - ny;
	if (!nx && x->v != y->v)
		return x->v < y->v ? 1 : -1;
	return (x->expert > y->expert) - (x->expert < y->expert);
}

static int
add_order(struct tokens *t, const struct tr_frame *f, uint64_t rows)
{
	uint32_t n = t->routed;
	size_t need = (t->ntoken + rows) * n;
	struct score *score;
	struct tr_col c;
	float *v;
	int r = tr_col(f, "logit", &c);

	if (r <= 0)
		return r < 0 ? r : TR_EUSE;
	if (c.width != n)
		return TR_EUSE;
	if (need > t->caporder) {
		void *p = realloc(t->order, 2 * need * sizeof *t->order);

		if (!p)
			return TR_ENOMEM;
		t->order = p;
		t->caporder = 2 * need;
	}
	score = malloc(n * sizeof *score);
	v = malloc(n * sizeof *v);
	r = score && v ? 0 : TR_ENOMEM;
	for (uint64_t i = 0; i < rows && !r; i++) {
		r = col_f32(&c, i * n, n, v);
		for (uint32_t e = 0; e < n; e++)
			score[e] = (struct score){v[e], (uint16_t)e};
		qsort(score, n, sizeof *score, by_score);
		for (uint32_t e = 0; e < n; e++)
			t->order[(t->ntoken + i) * n + e] = score[e].expert;
	}
	free(score);
	free(v);
	return r;
}

int
tokens_add(struct tokens *t, const struct tr_frame *f, uint32_t shared, uint64_t max)
{
	uint64_t batch = tr_get(f, "batch", 0), rows = f->rows, have = 0;
	int r, new = !t->nbatch || batch != t->number;
	struct tr_ids ids;
	struct tr_col origin = {.data = NULL};

	if ((r = tr_ids(f, &ids)) <= 0)
		return r ? r : TR_ECOLS;
	if ((r = tr_col(f, "origin", &origin)) < 0)
		return r;
	if (r == 0)
		origin.data = NULL;
	else if (origin.type > TR_U64 || origin.width != 1)
		return TR_ECOLS;
	if (!new)
		have = t->ntoken - t->batch[t->nbatch - 1];
	if (max)
		rows = MIN(rows, max - MIN(have, max));
	if (room(t, rows, rows * (ids.k + shared)) < 0)
		return TR_ENOMEM;
	t->routed = t->experts - shared;
	if (t->scores && (r = add_order(t, f, rows)) < 0)
		return r;
	if (new) {
		t->batch[t->nbatch++] = t->ntoken;
		t->number = batch;
	}
	t->first[t->ntoken] = t->npick;
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t row = PLACE_NONE;

		if (origin.data && (col_u64(&origin, i, 1, &row) < 0 || row >= PLACE_NONE))
			return TR_EVALUE;
		t->origin[t->ntoken] = (uint16_t)row;
		add_row(t, &ids, i, shared);
	}
	t->batch[t->nbatch] = t->ntoken;
	return 0;
}

void
tokens_sample(struct tokens *t, double share, uint64_t seed)
{
	size_t token = 0, pick = 0;

	memset(t->count, 0, t->experts * sizeof *t->count);
	for (size_t b = 0; b < t->nbatch; b++) {
		size_t from = t->batch[b], n = t->batch[b + 1] - from;
		size_t m = (size_t)(share * (double)n), kept = 0;

		m = m < 1 ? MIN(n, (size_t)1) : m;
		t->batch[b] = token;
		for (size_t i = 0; i < n; i++) {
			size_t a = t->first[from + i], len = t->first[from + i + 1] - a;

			/* selection sampling: m - kept of the n - i that are left */
			if (rng_below(seed, UINT64_C(0x73616d) << 40 | b, i, n - i) >= m - kept)
				continue;
			kept++;
			memmove(t->pick + pick, t->pick + a, len * sizeof *t->pick);
			for (size_t k = 0; k < len; k++)
				t->count[t->pick[pick + k]]++;
			t->origin[token] = t->origin[from + i];
			if (t->order)
				memmove(t->order + token * t->routed,
					t->order + (from + i) * t->routed,
					t->routed * sizeof *t->order);
			t->first[token++] = pick;
			pick += len;
		}
	}
	t->batch[t->nbatch] = t->ntoken = token;
	t->npick = pick;
	t->first[token] = pick;
}

void
tokens_coact(const struct tokens *t, uint64_t *to)
{
	for (size_t k = 0; k < t->ntoken; k++)
		for (size_t i = t->first[k]; i < t->first[k + 1]; i++)
			for (size_t j = t->first[k]; j < i; j++) {
				to[(size_t)t->pick[i] * t->experts + t->pick[j]]++;
				if (t->pick[i] != t->pick[j])
					to[(size_t)t->pick[j] * t->experts + t->pick[i]]++;
			}
}

/* Room for that much, all of it exactly. */
static int
alloc(struct tokens *to, size_t batches, size_t tokens, size_t picks, uint32_t experts)
{
	memset(to, 0, sizeof *to);
	to->experts = experts;
	to->batch = malloc((batches + 1) * sizeof *to->batch);
	to->first = malloc((tokens + 1) * sizeof *to->first);
	to->origin = malloc((tokens + 1) * sizeof *to->origin);
	to->pick = malloc((picks + 1) * sizeof *to->pick);
	to->count = calloc(experts + 1, sizeof *to->count);
	if (to->batch && to->first && to->origin && to->pick && to->count)
		return 0;
	tokens_free(to);
	return TR_ENOMEM;
}

/* Batch b of t behind what is there; tokens that tell no row get that. */
static void
append(struct tokens *to, const struct tokens *t, size_t b, uint16_t row)
{
	to->batch[to->nbatch++] = to->ntoken;
	for (size_t k = t->batch[b]; k < t->batch[b + 1]; k++) {
		size_t n = t->first[k + 1] - t->first[k];

		to->origin[to->ntoken] = t->origin[k] == PLACE_NONE ? row : t->origin[k];
		to->first[to->ntoken++] = to->npick;
		memcpy(to->pick + to->npick, t->pick + t->first[k], n * sizeof *to->pick);
		for (size_t i = 0; i < n; i++)
			to->count[to->pick[to->npick + i]]++;
		to->npick += n;
	}
	to->batch[to->nbatch] = to->ntoken;
	to->first[to->ntoken] = to->npick;
}

int
tokens_part(struct tokens *part, const struct tokens *t, size_t from, size_t end)
{
	size_t tokens = t->batch[end] - t->batch[from];
	size_t picks = t->first[t->batch[end]] - t->first[t->batch[from]];

	if (alloc(part, end - from, tokens, picks, t->experts) < 0)
		return TR_ENOMEM;
	part->repeats = t->repeats;
	for (size_t b = from; b < end; b++)
		append(part, t, b, PLACE_NONE);
	if (t->order) {
		size_t size = tokens * t->routed * sizeof *t->order;

		if (!(part->order = malloc(size + 1))) {
			tokens_free(part);
			return TR_ENOMEM;
		}
		memcpy(part->order, t->order + t->batch[from] * t->routed, size);
		part->routed = t->routed;
	}
	return 0;
}

int
tokens_rows(struct tokens *to, const struct tokens *t, uint32_t rows)
{
	if (alloc(to, t->nbatch * rows, t->ntoken * rows, t->npick * rows, t->experts) < 0)
		return TR_ENOMEM;
	to->repeats = t->repeats;
	for (size_t b = 0; b < t->nbatch; b++)
		for (uint32_t r = 0; r < rows; r++)
			append(to, t, b, (uint16_t)r);
	return 0;
}
