#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "searchstate.h"
#include "size.h"

/* ---- tokens ---- */

struct way
search_way(const struct search *s, uint32_t a, uint32_t b)
{
	struct way w = {(uint8_t)a,
			(uint8_t)b,
			a % s->p.cols * 8,
			b % s->p.cols * 8,
			(lanes){0} + (uint8_t)a,
			(lanes){0} + (uint8_t)b,
			s->step +
				((size_t)(a / s->p.cols) * s->p.rows + b / s->p.cols) * s->p.rows};

	return w;
}

/* One pick of k goes that way. */
static void
token_move(struct token *k, const struct way *w)
{
	uint32_t n = 0;
	struct seen after = token_after(k, w);

	while (((uint8_t *)&k->dev)[n] != w->a)
		n++;
	((uint8_t *)&k->dev)[n] = w->b;
	k->counts = moved_counts(k, w->ca, w->cb);
	k->column += (UINT64_C(1) << w->cb) - (UINT64_C(1) << w->ca);
	k->hops += w->step[k->origin].hops;
	k->sum = (uint16_t)after.sum;
	k->devices = (uint8_t)after.devices;
}

static void
token_make(const struct search *s, struct token *k, const uint32_t *inst, uint32_t n,
	   uint32_t origin)
{
	uint8_t *lane = (uint8_t *)&k->dev;

	memset(k, 0, sizeof *k);
	memset(lane, 0xff, LANES);
	k->picks = (uint8_t)n;
	k->origin = (uint8_t)origin;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t d = s->p.dev[inst[i]], hop = cost_hop(d / s->p.cols, origin, s->p.rows);

		k->devices += !lane_bits(k->dev == (lanes){0} + (uint8_t)d);
		lane[i] = (uint8_t)d;
		k->column += UINT64_C(1) << d % s->p.cols * 8;
		k->hops += nibble(hop);
		k->sum = (uint16_t)(k->sum + hop);
	}
	for (uint32_t c = 0; c < s->p.cols; c++)
		k->counts += nibble(k->column >> 8 * c & 255);
}

/* ---- batches ---- */

static inline void
top_add(struct top *t, double v, uint32_t n)
{
	if (v == t->v[0]) {
		t->n[0] += n;
	} else if (v > t->v[0]) {
		t->v[1] = t->v[0];
		t->n[1] = t->n[0];
		t->v[0] = v;
		t->n[0] = n;
	} else if (v == t->v[1]) {
		t->n[1] += n;
	} else if (v > t->v[1]) {
		t->v[1] = v;
		t->n[1] = n;
	}
}

static void
top_remove(struct top *t, double v)
{
	if (v == t->v[0])
		t->n[0]--;
	else if (v == t->v[1])
		t->n[1]--; /* at 0 it says that nothing lies between it and v[0] */
}

static void
top_make(struct top *t, double (*v)[2], size_t n, int i)
{
	*t = (struct top){{-1, -1}, {0, 0}};
	for (size_t k = 0; k < n; k++)
		top_add(t, v[k][i], 1);
}

static double
objective(struct search *s, const double *latency)
{
	size_t n = s->t->nbatch;
	double sum = 0;

	if (s->objective == COST_MEAN) {
		for (size_t b = 0; b < n; b++)
			sum += latency[b];
		return n ? sum / (double)n : 0;
	}
	/* insertion sort: from one change to the next little moves */
	memcpy(s->sorted, latency, n * sizeof *latency);
	for (size_t i = 1; i < n; i++) {
		double v = s->sorted[i];
		size_t k = i;

		for (; k > 0 && s->sorted[k - 1] > v; k--)
			s->sorted[k] = s->sorted[k - 1];
		s->sorted[k] = v;
	}
	return n ? s->sorted[cost_rank(n, s->objective == COST_P95 ? 0.95 : 0.99)] : 0;
}

static uint16_t
busiest(const uint16_t *blocks, uint32_t n)
{
	uint16_t most = 0;

	for (uint32_t d = 0; d < n; d++)
		most = MAX(most, blocks[d]);
	return most;
}

static double
latency(const struct search *s, double dispatch, double combine, uint32_t blocks)
{
	return MAX(dispatch, 0) + blocks * s->m.block + MAX(combine, 0);
}

/* ---- opening ---- */

int
search_can_be_fast(const struct place *p, const struct tokens *t, const struct cost_model *m)
{
	if (p->cols > 8 || p->rows > 31 || t->repeats || m->distance || m->kind != COST_LINEAR ||
	    (m->routing != ROUTE_BALANCED && m->routing != ROUTE_ROBIN))
		return 0;
	for (size_t b = 0; b < t->nbatch; b++) /* blocks of a device are counted in 16 bits */
		if ((t->first[t->batch[b + 1]] - t->first[t->batch[b]]) / m->block_tokens + p->n >
		    UINT16_MAX)
			return 0;
	for (size_t k = 0; k < t->ntoken; k++)
		if (t->first[k + 1] - t->first[k] >= LANES ||
		    (t->origin[k] == PLACE_NONE && m->origin == ORIGIN_AVERAGE))
			return 0;
	return 1;
}

static int
open_batch(struct search *s, size_t b, uint16_t *origin, uint32_t *inst)
{
	const struct tokens *t = s->t;
	size_t from = t->batch[b], end = t->batch[b + 1], at = t->first[from];
	size_t nb = t->nbatch;
	uint32_t *load;

	for (size_t k = from; k < end; k++)
		origin[k - from] = cost_origin_of(t, &s->m, s->p.rows, b, k);
	if (cost_route(&s->p, t, b, &s->m, origin, inst) < 0 ||
	    !(load = calloc(s->p.n + 1, sizeof *load)))
		return -1;
	for (size_t k = from; k < end; k++) {
		uint32_t n = (uint32_t)(t->first[k + 1] - t->first[k]);

		token_make(s, &s->token[k], inst + t->first[k] - at, n, origin[k - from]);
		if (n)
			search_value(s, token_now(&s->token[k]), n, s->value[k]);
		for (uint32_t i = 0; i < n; i++)
			load[inst[t->first[k] - at + i]]++;
	}
	for (uint32_t i = 0; i < s->p.n; i++) {
		uint32_t x = (load[i] + s->m.block_tokens - 1) / s->m.block_tokens;

		s->load[i * nb + b] = (uint16_t)x;
		s->blocks[b * s->ndev + s->p.dev[i]] += (uint16_t)x;
		s->start[i * (nb + 1) + b] = load[i]; /* a number yet: invert adds them up */
	}
	/* instances of the batch's picks wait in `of` until all are counted */
	memcpy(s->of + at, inst, (t->first[end] - at) * sizeof *inst);
	free(load);
	for (int i = 0; i < 2; i++)
		top_make(&s->top[b][i], s->value + from, end - from, i);
	s->most[b] = busiest(s->blocks + b * s->ndev, s->ndev);
	s->latency[b] = latency(s, s->top[b][0].v[0], s->top[b][1].v[0], s->most[b]);
	return 0;
}

/* From the instance of each pick to the tokens of each instance. */
static int
invert(struct search *s)
{
	const struct tokens *t = s->t;
	uint32_t *inst = s->of, *at = malloc((s->p.n + 1) * sizeof *at), sum = 0;

	s->of = calloc(t->npick + AHEAD + 1, sizeof *s->of);
	if (!s->of || !at) {
		free(at);
		free(inst);
		return -1;
	}
	for (uint32_t i = 0; i < s->p.n; i++) {
		uint32_t *start = s->start + i * (t->nbatch + 1);

		at[i] = sum;
		for (size_t b = 0; b <= t->nbatch; b++) {
			uint32_t n = b < t->nbatch ? start[b] : 0;

			start[b] = sum;
			sum += n;
		}
	}
	for (size_t k = 0; k < t->ntoken; k++) {
		for (size_t i = t->first[k]; i < t->first[k + 1]; i++) {
			s->of[at[inst[i]]++] = (uint32_t)k;
			s->uses[inst[i] * s->words + k / 64] |= UINT64_C(1) << k % 64;
		}
	}
	free(at);
	free(inst);
	return 0;
}

static int
open_fast(struct search *s)
{
	const struct tokens *t = s->t;
	size_t nb = t->nbatch, most = 0, tokens = 0;
	uint32_t rows = s->p.rows;
	uint16_t *origin;
	uint32_t *inst;
	int r = 0;

	for (size_t b = 0; b < nb; b++) {
		most = MAX(most, t->first[t->batch[b + 1]] - t->first[t->batch[b]]);
		tokens = MAX(tokens, t->batch[b + 1] - t->batch[b]);
	}
	origin = malloc((tokens + 1) * sizeof *origin);
	inst = malloc((most + 1) * sizeof *inst);
	s->words = (t->ntoken + 63) / 64;
	s->start = calloc(s->p.n * (nb + 1) + 1, sizeof *s->start);
	s->of = malloc((t->npick + 1) * sizeof *s->of);
	s->uses = calloc((s->p.n + 1) * s->words + 1, sizeof *s->uses);
	s->token = aligned_alloc(64, (t->ntoken + 1) * sizeof *s->token);
	s->value = calloc(t->ntoken + 1, sizeof *s->value);
	s->step = malloc((size_t)rows * rows * rows * sizeof *s->step);
	s->blocks = calloc(nb * s->ndev + 1, sizeof *s->blocks);
	s->load = calloc(nb * s->p.n + 1, sizeof *s->load);
	s->top = malloc((nb + 1) * sizeof *s->top);
	s->most = malloc((nb + 1) * sizeof *s->most);
	s->newmost = malloc((nb + 1) * sizeof *s->newmost);
	if (!origin || !inst || !s->start || !s->of || !s->uses || !s->token || !s->value ||
	    !s->step || !s->blocks || !s->load || !s->top || !s->most || !s->newmost)
		r = -1;
	for (uint32_t i = 0; i < rows * rows * rows && !r; i++) {
		uint32_t from = cost_hop(i / rows / rows, i % rows, rows);
		uint32_t to = cost_hop(i / rows % rows, i % rows, rows);

		s->step[i] = (struct step){nibble(to) - nibble(from), (int32_t)(to - from)};
	}
	for (uint32_t n = 1; n < LANES; n++)
		for (uint32_t sum = 0; sum < SUMS; sum++)
			s->mean[n][sum] = (double)sum / n;
	for (size_t b = 0; b < nb && !r; b++)
		r = open_batch(s, b, origin, inst);
	free(origin);
	free(inst);
	return r < 0 ? r : invert(s);
}

static double
full_cost(struct search *s)
{
	struct cost_result r;
	double x = INFINITY;

	if (cost_eval(&s->p, s->t, &s->m, &r) == 0)
		x = cost_objective(&r, s->objective);
	cost_free(&r);
	return x;
}

struct search *
search_new(const struct place *p, const struct tokens *t, const struct cost_model *m,
	   enum cost_objective o, uint32_t per_device)
{
	struct search *s = aligned_alloc(64, size_align(sizeof *s, 64));

	if (!s)
		return NULL;
	memset(s, 0, sizeof *s);
	s->t = t;
	s->m = *m;
	s->objective = o;
	s->ndev = p->rows * p->cols;
	s->per_device = per_device;
	s->fast = (uint32_t)search_can_be_fast(p, t, m);
	s->used = calloc(s->ndev + 1, sizeof *s->used);
	s->latency = calloc(t->nbatch + 1, sizeof *s->latency);
	s->newlat = calloc(t->nbatch + 1, sizeof *s->newlat);
	s->sorted = calloc(t->nbatch + 1, sizeof *s->sorted);
	if (place_copy(&s->p, p) < 0 || !s->used || !s->latency || !s->newlat || !s->sorted ||
	    (s->fast && open_fast(s) < 0)) {
		search_free(s);
		return NULL;
	}
	for (uint32_t i = 0; i < p->n; i++)
		s->used[p->dev[i]]++;
	s->cost = s->fast ? objective(s, s->latency) : full_cost(s);
	return s;
}

void
search_free(struct search *s)
{
	if (!s)
		return;
	place_free(&s->p);
	place_free(&s->next);
	free(s->used);
	free(s->start);
	free(s->of);
	free(s->uses);
	free(s->token);
	free(s->value);
	free(s->step);
	free(s->blocks);
	free(s->load);
	free(s->top);
	free(s->most);
	free(s->newmost);
	free(s->latency);
	free(s->newlat);
	free(s->sorted);
	free(s->home);
	search_soft_free(s);
	free(s);
}

/* ---- changes ---- */

double
search_cost(const struct search *s)
{
	return s->cost;
}

const struct place *
search_place(const struct search *s)
{
	return &s->p;
}

int
search_fast(const struct search *s)
{
	return (int)s->fast;
}

/* Has the expert of instance i a copy on dev, i itself apart? */
static int
has_copy(const struct search *s, uint32_t i, uint32_t dev)
{
	uint32_t e = s->p.expert[i];

	for (uint32_t k = s->p.first[e]; k < s->p.first[e + 1]; k++)
		if (k != i && s->p.dev[k] == dev)
			return 1;
	return 0;
}

/* ---- how far from home ---- */

int
search_limit(struct search *s, const struct place *home, uint32_t max)
{
	s->home = calloc(((size_t)home->experts * s->ndev + 63) / 64 + 1, sizeof *s->home);
	if (!s->home)
		return TR_ENOMEM;
	for (uint32_t i = 0; i < home->n; i++) {
		size_t bit = (size_t)home->expert[i] * s->ndev + home->dev[i];

		s->home[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	s->maxmoved = max;
	s->moved = 0;
	for (uint32_t i = 0; i < s->p.n; i++)
		s->moved += search_away(s, s->p.expert[i], s->p.dev[i]);
	return s->moved > max ? TR_EVALUE : 0;
}

/* May a copy of e go from a device to another, and one of f back (f NOBODY: none)? */
static int
near(const struct search *s, uint32_t e, uint32_t f, uint32_t from, uint32_t to)
{
	uint32_t was, will;

	if (!s->home)
		return 1;
	was = search_away(s, e, from);
	will = search_away(s, e, to);
	if (f != NOBODY) {
		was += search_away(s, f, to);
		will += search_away(s, f, from);
	}
	return s->moved - was + will <= s->maxmoved;
}

int
search_may_swap(const struct search *s, uint32_t a, uint32_t b)
{
	uint32_t da = s->p.dev[a], db = s->p.dev[b];

	/* two copies of one expert change their order */
	return da != db &&
	       (s->p.expert[a] == s->p.expert[b] || (!has_copy(s, a, db) && !has_copy(s, b, da))) &&
	       near(s, s->p.expert[a], s->p.expert[b], da, db);
}

int
search_may_move(const struct search *s, uint32_t a, uint32_t dev)
{
	return s->p.dev[a] != dev && s->used[dev] < s->per_device && !has_copy(s, a, dev) &&
	       near(s, s->p.expert[a], NOBODY, s->p.dev[a], dev);
}

int
search_may_hand(const struct search *s, uint32_t a, uint32_t expert)
{
	uint32_t e = s->p.expert[a], dev = s->p.dev[a];

	if (e == expert || s->p.first[e + 1] - s->p.first[e] < 2 || place_holds(&s->p, expert, dev))
		return 0;
	return !s->home ||
	       s->moved - search_away(s, e, dev) + search_away(s, expert, dev) <= s->maxmoved;
}

/* What a batch's changed tokens do to its two largest values. */
struct tops {
	uint32_t gone[2][2]; /* tokens that had them */
	double most[2];      /* new values */
};

SEARCH_CLONES static void
look(const struct search *s, int side, size_t b, const struct way *way, struct tops *tops)
{
	const struct way w = *way; /* copies, which no store can change */
	const struct top dispatch = s->top[b][0], combine = s->top[b][1];
	const struct token *token = s->token;
	const uint64_t *other = search_bits(s, search_side(s, !side));
	const uint32_t *end, *at = search_tokens(s, search_side(s, side), b, &end);
	double(*value)[2] = s->value;
	struct tops x = *tops;

	for (; at < end; at++) {
		const struct token *k = &token[*at];
		const double *old = value[*at];
		double v[2];

		/* tokens of a copy lie anywhere: ask for those to come */
		__builtin_prefetch(&token[at[AHEAD]]);
		__builtin_prefetch(&value[at[AHEAD]]);
		__builtin_prefetch(&other[at[AHEAD] / 64]);
		if (search_bit(other, *at))
			continue;
		search_value(s, token_after(k, &w), k->picks, v);
		x.gone[0][0] += old[0] == dispatch.v[0];
		x.gone[0][1] += old[0] == dispatch.v[1];
		x.gone[1][0] += old[1] == combine.v[0];
		x.gone[1][1] += old[1] == combine.v[1];
		x.most[0] = MAX(x.most[0], v[0]);
		x.most[1] = MAX(x.most[1], v[1]);
	}
	*tops = x;
}

/* The largest value of a batch but for the changed tokens, where the two largest are gone. */
static double
rest(const struct search *s, size_t b, int i)
{
	const uint64_t *a = search_bits(s, s->a), *c = search_bits(s, s->b);
	double most = -1;

	for (size_t k = s->t->batch[b]; k < s->t->batch[b + 1]; k++)
		if (s->value[k][i] > most &&
		    search_bit(a, (uint32_t)k) == search_bit(c, (uint32_t)k))
			most = s->value[k][i];
	return most;
}

static double
largest(const struct search *s, size_t b, int i, const struct tops *x)
{
	const struct top *t = &s->top[b][i];
	double left = t->n[0] > x->gone[i][0]   ? t->v[0]
		      : t->n[1] > x->gone[i][1] ? t->v[1]
						: rest(s, b, i);

	return MAX(left, x->most[i]);
}

static void
change_blocks(struct search *s, size_t b)
{
	size_t nb = s->t->nbatch;
	uint16_t *blocks = s->blocks + b * s->ndev, oa = blocks[s->da], ob = blocks[s->db];
	int x = s->load[s->a * nb + b] - (s->b == NOBODY ? 0 : s->load[s->b * nb + b]);

	s->newmost[b] = s->most[b];
	if (!x)
		return;
	blocks[s->da] = (uint16_t)(oa - x);
	blocks[s->db] = (uint16_t)(ob + x);
	if (MAX(blocks[s->da], blocks[s->db]) >= s->most[b])
		s->newmost[b] = MAX(blocks[s->da], blocks[s->db]);
	else if (oa == s->most[b] || ob == s->most[b])
		s->newmost[b] = busiest(blocks, s->ndev);
	blocks[s->da] = oa;
	blocks[s->db] = ob;
}

double
search_exact(struct search *s)
{
	const struct way there = search_way(s, s->da, s->db), back = search_way(s, s->db, s->da);

	for (size_t b = 0; b < s->t->nbatch; b++) {
		struct tops x = {{{0, 0}, {0, 0}}, {-1, -1}};

		look(s, 0, b, &there, &x);
		if (s->b != NOBODY)
			look(s, 1, b, &back, &x);
		change_blocks(s, b);
		s->newlat[b] =
			latency(s, largest(s, b, 0, &x), largest(s, b, 1, &x), s->newmost[b]);
	}
	return s->newcost = objective(s, s->newlat);
}

static double
try_change(struct search *s)
{
	s->hand = 0;
	if (s->fast)
		return search_exact(s);
	s->p.dev[s->a] = (uint16_t)s->db;
	if (s->b != NOBODY)
		s->p.dev[s->b] = (uint16_t)s->da;
	s->newcost = full_cost(s);
	s->p.dev[s->a] = (uint16_t)s->da;
	if (s->b != NOBODY)
		s->p.dev[s->b] = (uint16_t)s->db;
	return s->newcost;
}

static int
hand_over(const struct search *s, uint32_t a, uint32_t expert, struct place *to)
{
	uint32_t *copies = malloc((s->p.experts + 1) * sizeof *copies), k = 0;
	int r = copies ? 0 : TR_ENOMEM;

	for (uint32_t e = 0; e < s->p.experts && !r; e++)
		copies[e] =
			s->p.first[e + 1] - s->p.first[e] + (e == expert) - (e == s->p.expert[a]);
	r = r ? r : place_init(to, s->p.rows, s->p.cols, s->p.experts, copies);
	free(copies);
	for (uint32_t i = 0; i < s->p.n && !r; i++) {
		if (i != a)
			to->dev[k++] = s->p.dev[i];
		if (i + 1 == s->p.first[expert + 1])
			to->dev[k++] = s->p.dev[a]; /* the last of its copies */
	}
	return r;
}

double
search_try_hand(struct search *s, uint32_t a, uint32_t expert)
{
	struct place old = s->p;

	place_free(&s->next);
	s->a = a;
	s->da = s->p.dev[a];
	s->b = expert;
	s->hand = 1;
	if (hand_over(s, a, expert, &s->next) < 0)
		return INFINITY;
	s->p = s->next;
	s->newcost = full_cost(s);
	s->p = old;
	return s->newcost;
}

double
search_try_swap(struct search *s, uint32_t a, uint32_t b)
{
	s->a = a;
	s->b = b;
	s->da = s->p.dev[a];
	s->db = s->p.dev[b];
	return try_change(s);
}

double
search_try_move(struct search *s, uint32_t a, uint32_t dev)
{
	s->a = a;
	s->b = NOBODY;
	s->da = s->p.dev[a];
	s->db = dev;
	return try_change(s);
}

/* The tokens of a side as they now are. */
static void
accept_side(struct search *s, int side, const struct way *w)
{
	const uint32_t *end, *at = search_tokens(s, search_side(s, side), 0, &end);
	const uint64_t *other = search_bits(s, search_side(s, !side));
	size_t b = 0;

	end = s->of + s->start[search_side(s, side) * (s->t->nbatch + 1) + s->t->nbatch];
	for (; at < end; at++) {
		struct token *k = &s->token[*at];
		double *v = s->value[*at];

		while (*at >= s->t->batch[b + 1])
			b++;
		if (search_bit(other, *at))
			continue;
		for (int i = 0; i < 2; i++)
			top_remove(&s->top[b][i], v[i]);
		token_move(k, w);
		search_value(s, token_now(k), k->picks, v);
		for (int i = 0; i < 2; i++)
			top_add(&s->top[b][i], v[i], 1);
	}
}

void
search_accept(struct search *s)
{
	size_t nb = s->t->nbatch;
	struct way there, back;

	if (s->hand) {
		s->moved += search_away(s, s->b, s->da) -
			    (uint32_t)search_away(s, s->p.expert[s->a], s->da);
		place_free(&s->p);
		s->p = s->next;
		memset(&s->next, 0, sizeof s->next);
		s->cost = s->newcost;
		return;
	}
	s->moved += search_away(s, s->p.expert[s->a], s->db) -
		    (uint32_t)search_away(s, s->p.expert[s->a], s->da);
	if (s->b != NOBODY)
		s->moved += search_away(s, s->p.expert[s->b], s->da) -
			    (uint32_t)search_away(s, s->p.expert[s->b], s->db);
	if (s->fast) {
		there = search_way(s, s->da, s->db);
		back = search_way(s, s->db, s->da);
		accept_side(s, 0, &there);
		if (s->b != NOBODY)
			accept_side(s, 1, &back);
	}
	s->p.dev[s->a] = (uint16_t)s->db;
	if (s->b != NOBODY) {
		s->p.dev[s->b] = (uint16_t)s->da;
	} else {
		s->used[s->da]--;
		s->used[s->db]++;
	}
	s->cost = s->newcost;
	for (size_t b = 0; b < nb && s->fast; b++) {
		size_t from = s->t->batch[b], n = s->t->batch[b + 1] - from;
		int x = s->load[s->a * nb + b] - (s->b == NOBODY ? 0 : s->load[s->b * nb + b]);

		s->blocks[b * s->ndev + s->da] = (uint16_t)(s->blocks[b * s->ndev + s->da] - x);
		s->blocks[b * s->ndev + s->db] = (uint16_t)(s->blocks[b * s->ndev + s->db] + x);
		for (int i = 0; i < 2; i++)
			if (!s->top[b][i].n[0] || !s->top[b][i].n[1])
				top_make(&s->top[b][i], s->value + from, n, i);
	}
	if (s->fast) {
		memcpy(s->most, s->newmost, nb * sizeof *s->most);
		memcpy(s->latency, s->newlat, nb * sizeof *s->latency);
	}
}
