#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rng.h"
#include "search.h"
#include "size.h"

enum { LANES = 16, AHEAD = 12, NOBODY = UINT32_MAX };

typedef uint8_t lanes __attribute__((vector_size(LANES)));

/* A token's picks: counts by device, column and hop. */
struct token {
	lanes dev;       /* of each pick, unused lanes 0xff when picks < 16 */
	uint64_t column; /* a byte a column: picks in it */
	uint64_t counts; /* a nibble n: columns with n picks */
	uint64_t hops;   /* a nibble h: picks h hops away */
	uint16_t sum;    /* of hops */
	uint8_t picks, devices, origin;
};

struct top { /* the two largest values of a batch, and how many tokens have them */
	double v[2];
	uint32_t n[2];
};

struct change {               /* of one token, not yet made */
	uint32_t token, back; /* back: it is b that moves */
	double dispatch, combine;
};

struct search {
	struct place p;
	const struct tokens *t;
	struct cost_model m;
	enum cost_objective objective;
	uint32_t ndev, per_device, fast;
	uint32_t *used; /* [devices] copies */
	double cost;

	uint32_t *first, *of; /* tokens of an instance: of[first[i]] .. */
	struct token *token;
	double *dispatch, *combine;     /* [tokens] */
	uint32_t *batch;                /* [tokens] */
	uint8_t *hop;                   /* [rows][devices] */
	double mean[LANES][LANES * 16]; /* [picks][sum of hops] */
	uint16_t *blocks, *load;        /* [batch][devices], [instances][batch] */
	struct top *topd, *topc;        /* [batch] */
	double *latency;                /* [batch] */
	uint16_t *most;                 /* [batch] blocks of the busiest device */

	/* the soft objective: log-sum-exp over the tokens of a batch instead of the
	 * largest, so that each token near the top counts; products of these */
	double soft, tau;
	double xe[LANES], xu[LANES + 1], xfar[2][LANES], xmean[2][LANES][LANES * 16];
	double *wd, *wc;                /* [tokens] */
	double (*sum)[2], (*newsum)[2]; /* [batch] of dispatch, of combine */
	double newsoft;
	uint16_t *mload, *mblocks, *mtarget; /* [instances], [devices], [] of drawn batches */

	/* the change that was tried last */
	uint32_t a, b, da, db;
	struct change *change;
	size_t nchange;
	double *newlat, *sorted, newcost;
	struct top *newd, *newc;
	uint16_t *newmost;
};

/* ---- tokens ---- */

/* How many lanes of a comparison are set. */
static inline uint32_t
count_mask(const uint64_t m[2])
{
	uint64_t n = (m[0] & UINT64_C(0x0101010101010101)) + (m[1] & UINT64_C(0x0101010101010101));

	return (uint32_t)(n * UINT64_C(0x0101010101010101) >> 56);
}

/* How many lanes of v are those of x. */
static inline uint32_t
count_lanes(lanes v, lanes x)
{
	lanes d = v == x;
	uint64_t m[2];

	memcpy(m, &d, sizeof m);
	return count_mask(m);
}

static inline uint32_t
top_nibble(uint64_t x)
{
	return x ? (63 - (uint32_t)__builtin_clzll(x)) / 4 : 0;
}

static inline void
token_cost(const struct search *s, const struct token *k, double *dispatch, double *combine)
{
	const double *a = s->m.dispatch, *b = s->m.combine;
	double mean = s->mean[k->picks][k->sum], far = top_nibble(k->hops);

	*dispatch = a[0] + a[1] * top_nibble(k->counts) + a[2] * mean + a[3] * far;
	*combine = b[0] + b[1] * k->devices + b[2] * mean + b[3] * far;
}

/* From device a to b: what is the same for all tokens of a change. */
struct way {
	uint8_t a, b;
	uint32_t ca, cb;        /* bits of their columns in token.column */
	lanes la, lb;           /* a and b in all lanes */
	const uint8_t *ha, *hb; /* hops from each row */
};

static struct way
way(const struct search *s, uint32_t a, uint32_t b)
{
	struct way w = {(uint8_t)a,
			(uint8_t)b,
			a % s->p.cols * 8,
			b % s->p.cols * 8,
			(lanes){0} + (uint8_t)a,
			(lanes){0} + (uint8_t)b,
			s->hop + a * s->p.rows,
			s->hop + b * s->p.rows};

	return w;
}

/* One pick of k goes that way. */
static inline void
token_move(struct token *k, const struct way *w)
{
	uint32_t ha = w->ha[k->origin], hb = w->hb[k->origin], n;
	lanes from = k->dev == w->la;
	uint64_t m[2];

	memcpy(m, &from, sizeof m);
	n = (uint32_t)__builtin_ctzll(m[0] ? m[0] : m[1]) / 8 + (m[0] ? 0 : 8);
	k->devices =
		(uint8_t)(k->devices - (count_mask(m) == 1) + (count_lanes(k->dev, w->lb) == 0));
	((uint8_t *)&k->dev)[n] = w->b;
	if (w->ca != w->cb) {
		n = k->column >> w->ca & 255;
		k->counts += (UINT64_C(1) << 4 * (n - 1)) - (UINT64_C(1) << 4 * n);
		n = k->column >> w->cb & 255;
		k->counts += (UINT64_C(1) << 4 * (n + 1)) - (UINT64_C(1) << 4 * n);
		k->column += (UINT64_C(1) << w->cb) - (UINT64_C(1) << w->ca);
	}
	k->hops += (UINT64_C(1) << 4 * hb) - (UINT64_C(1) << 4 * ha);
	k->sum = (uint16_t)(k->sum + hb - ha);
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
		uint32_t d = s->p.dev[inst[i]], hop = s->hop[d * s->p.rows + origin];

		k->devices += count_lanes(k->dev, (lanes){0} + (uint8_t)d) == 0;
		lane[i] = (uint8_t)d;
		k->column += UINT64_C(1) << d % s->p.cols * 8;
		k->hops += UINT64_C(1) << 4 * hop;
		k->sum = (uint16_t)(k->sum + hop);
	}
	for (uint32_t c = 0; c < s->p.cols; c++)
		k->counts += UINT64_C(1) << 4 * (k->column >> 8 * c & 255);
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
top_make(struct top *t, const double *v, size_t n)
{
	*t = (struct top){{-1, -1}, {0, 0}};
	for (size_t i = 0; i < n; i++)
		top_add(t, v[i], 1);
}

static double
objective(struct search *s, const double *latency)
{
	size_t n = s->t->nbatch, at;
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
	at = (size_t)ceil((s->objective == COST_P95 ? 0.95 : 0.99) * (double)n);
	return n ? s->sorted[MIN(n, MAX(at, (size_t)1)) - 1] : 0;
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

static int
may_be_fast(const struct place *p, const struct tokens *t, const struct cost_model *m)
{
	if (p->cols > 8 || p->rows > 31 || p->rows * p->cols > 255 || t->repeats ||
	    (m->routing != ROUTE_BALANCED && m->routing != ROUTE_ROBIN))
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

	for (size_t k = from; k < end; k++) {
		uint32_t o = t->origin[k];

		if (o == PLACE_NONE && s->m.origin == ORIGIN_RANDOM)
			o = (uint32_t)rng_below(s->m.seed, b, k - from, s->p.rows);
		else if (o == PLACE_NONE)
			o = (uint32_t)((k - from) % s->p.rows);
		origin[k - from] = (uint16_t)o;
	}
	if (cost_route(&s->p, t, b, &s->m, origin, inst) < 0 ||
	    !(load = calloc(s->p.n + 1, sizeof *load)))
		return -1;
	for (size_t k = from; k < end; k++) {
		uint32_t n = (uint32_t)(t->first[k + 1] - t->first[k]);

		s->batch[k] = (uint32_t)b;
		token_make(s, &s->token[k], inst + t->first[k] - at, n, origin[k - from]);
		if (n)
			token_cost(s, &s->token[k], &s->dispatch[k], &s->combine[k]);
		for (uint32_t i = 0; i < n; i++) {
			s->first[inst[t->first[k] - at + i] + 1]++;
			load[inst[t->first[k] - at + i]]++;
		}
	}
	for (uint32_t i = 0; i < s->p.n; i++) {
		uint32_t x = (load[i] + s->m.block_tokens - 1) / s->m.block_tokens;

		s->load[i * nb + b] = (uint16_t)x;
		s->blocks[b * s->ndev + s->p.dev[i]] += (uint16_t)x;
	}
	/* instances of the batch's picks wait in `of` until all are counted */
	memcpy(s->of + at, inst, (t->first[end] - at) * sizeof *inst);
	free(load);
	top_make(&s->topd[b], s->dispatch + from, end - from);
	top_make(&s->topc[b], s->combine + from, end - from);
	s->most[b] = busiest(s->blocks + b * s->ndev, s->ndev);
	s->latency[b] = latency(s, s->topd[b].v[0], s->topc[b].v[0], s->most[b]);
	return 0;
}

/* From the instance of each pick to the tokens of each instance. */
static int
invert(struct search *s)
{
	const struct tokens *t = s->t;
	uint32_t *inst = s->of, *at = malloc((s->p.n + 1) * sizeof *at);

	s->of = calloc(t->npick + 1, sizeof *s->of);
	if (!s->of || !at) {
		free(at);
		free(inst);
		return -1;
	}
	for (uint32_t i = 0; i < s->p.n; i++)
		s->first[i + 1] += s->first[i];
	memcpy(at, s->first, s->p.n * sizeof *at);
	for (size_t k = 0; k < t->ntoken; k++)
		for (size_t i = t->first[k]; i < t->first[k + 1]; i++)
			s->of[at[inst[i]]++] = (uint32_t)k;
	free(at);
	free(inst);
	return 0;
}

static int
open_fast(struct search *s)
{
	const struct tokens *t = s->t;
	size_t nb = t->nbatch, most = 0, tokens = 0;
	uint16_t *origin;
	uint32_t *inst;
	int r = 0;

	for (size_t b = 0; b < nb; b++) {
		most = MAX(most, t->first[t->batch[b + 1]] - t->first[t->batch[b]]);
		tokens = MAX(tokens, t->batch[b + 1] - t->batch[b]);
	}
	origin = malloc((tokens + 1) * sizeof *origin);
	inst = malloc((most + 1) * sizeof *inst);
	s->first = calloc(s->p.n + 2, sizeof *s->first);
	s->of = malloc((t->npick + 1) * sizeof *s->of);
	s->token = aligned_alloc(16, (t->ntoken + 1) * sizeof *s->token);
	s->dispatch = calloc(t->ntoken + 1, sizeof *s->dispatch);
	s->combine = calloc(t->ntoken + 1, sizeof *s->combine);
	s->batch = malloc((t->ntoken + 1) * sizeof *s->batch);
	s->hop = malloc(s->p.rows * s->ndev);
	s->blocks = calloc(nb * s->ndev + 1, sizeof *s->blocks);
	s->load = calloc(nb * s->p.n + 1, sizeof *s->load);
	s->topd = malloc((nb + 1) * sizeof *s->topd);
	s->topc = malloc((nb + 1) * sizeof *s->topc);
	s->newd = malloc((nb + 1) * sizeof *s->newd);
	s->newc = malloc((nb + 1) * sizeof *s->newc);
	s->most = malloc((nb + 1) * sizeof *s->most);
	s->newmost = malloc((nb + 1) * sizeof *s->newmost);
	s->change = malloc((t->ntoken + 1) * sizeof *s->change);
	if (!origin || !inst || !s->first || !s->of || !s->token || !s->dispatch || !s->combine ||
	    !s->batch || !s->hop || !s->blocks || !s->load || !s->topd || !s->topc || !s->newd ||
	    !s->newc || !s->most || !s->newmost || !s->change)
		r = -1;
	for (uint32_t o = 0; o < s->p.rows && !r; o++)
		for (uint32_t d = 0; d < s->ndev; d++)
			s->hop[d * s->p.rows + o] = (uint8_t)cost_hop(d / s->p.cols, o, s->p.rows);
	for (uint32_t n = 1; n < LANES; n++)
		for (uint32_t sum = 0; sum < LANES * 16; sum++)
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
	double x = NAN;

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
	s->fast = (uint32_t)may_be_fast(p, t, m);
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
	free(s->used);
	free(s->first);
	free(s->of);
	free(s->token);
	free(s->dispatch);
	free(s->combine);
	free(s->batch);
	free(s->hop);
	free(s->blocks);
	free(s->load);
	free(s->topd);
	free(s->topc);
	free(s->newd);
	free(s->newc);
	free(s->most);
	free(s->newmost);
	free(s->latency);
	free(s->newlat);
	free(s->sorted);
	free(s->change);
	free(s->mload);
	free(s->mblocks);
	free(s->mtarget);
	free(s->wd);
	free(s->wc);
	free(s->sum);
	free(s->newsum);
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

int
search_may_swap(const struct search *s, uint32_t a, uint32_t b)
{
	uint32_t da = s->p.dev[a], db = s->p.dev[b];

	return da != db && s->p.expert[a] != s->p.expert[b] && !has_copy(s, a, db) &&
	       !has_copy(s, b, da);
}

int
search_may_move(const struct search *s, uint32_t a, uint32_t dev)
{
	return s->p.dev[a] != dev && s->used[dev] < s->per_device && !has_copy(s, a, dev);
}

/* The tops of a batch, all its changed tokens taken out and in again as they
 * would be; scanned anew only where neither of the two largest is left. */
static void
change_top(const struct search *s, struct top *t, const double *v, size_t batch,
	   const struct change *from, const struct change *end, int combine)
{
	uint32_t gone[2] = {0, 0};

	for (const struct change *c = from; c < end; c++) {
		gone[0] += v[c->token] == t->v[0];
		gone[1] += v[c->token] == t->v[1];
	}
	t->n[0] -= gone[0];
	t->n[1] -= gone[1];
	if (!t->n[0] && !t->n[1]) {
		size_t first = s->t->batch[batch], last = s->t->batch[batch + 1];
		const struct change *c = from;

		*t = (struct top){{-1, -1}, {0, 0}};
		for (size_t k = first; k < last; k++) {
			if (c < end && c->token == k)
				c++;
			else
				top_add(t, v[k], 1);
		}
	} else if (!t->n[0]) {
		t->v[0] = t->v[1];
		t->n[0] = t->n[1];
		t->n[1] = 0;
	}
	if (!t->n[1])
		t->v[1] = -1; /* below it we know nothing: the next scan will tell */
	for (const struct change *c = from; c < end; c++) {
		double x = combine ? c->combine : c->dispatch;

		if (t->n[1] || x >= t->v[0])
			top_add(t, x, 1);
	}
}

static double
try_fast(struct search *s)
{
	size_t nb = s->t->nbatch;
	const uint32_t *pa = s->of + s->first[s->a], *ea = s->of + s->first[s->a + 1];
	const uint32_t *pb = pa, *eb = pa;
	const struct way there = way(s, s->da, s->db), back = way(s, s->db, s->da);
	size_t n = 0, i = 0;

	if (s->b != NOBODY) {
		pb = s->of + s->first[s->b];
		eb = s->of + s->first[s->b + 1];
	}
	while (pa < ea || pb < eb) {
		uint32_t ka = pa < ea ? *pa : UINT32_MAX, kb = pb < eb ? *pb : UINT32_MAX;
		struct change *c = &s->change[n];
		struct token k;

		if (ka == kb) { /* it uses both: nothing changes for it */
			pa++;
			pb++;
			continue;
		}
		c->token = MIN(ka, kb);
		c->back = kb < ka;
		k = s->token[c->token];
		token_move(&k, c->back ? &back : &there);
		token_cost(s, &k, &c->dispatch, &c->combine);
		pa += !c->back;
		pb += c->back;
		/* tokens of a copy lie anywhere: ask for those to come */
		__builtin_prefetch(
			&s->token[c->back ? *MIN(pb + AHEAD, eb) : *MIN(pa + AHEAD, ea)]);
		n++;
	}
	s->nchange = n;
	for (size_t b = 0; b < nb; b++) {
		uint16_t *blocks = s->blocks + b * s->ndev, oa = blocks[s->da], ob = blocks[s->db];
		size_t from = i;
		int x = s->load[s->a * nb + b] - (s->b == NOBODY ? 0 : s->load[s->b * nb + b]);

		s->newd[b] = s->topd[b];
		s->newc[b] = s->topc[b];
		s->newmost[b] = s->most[b];
		while (i < n && s->batch[s->change[i].token] == b)
			i++;
		if (x) {
			blocks[s->da] = (uint16_t)(oa - x);
			blocks[s->db] = (uint16_t)(ob + x);
			if (MAX(blocks[s->da], blocks[s->db]) >= s->most[b])
				s->newmost[b] = MAX(blocks[s->da], blocks[s->db]);
			else if (oa == s->most[b] || ob == s->most[b])
				s->newmost[b] = busiest(blocks, s->ndev);
			blocks[s->da] = oa;
			blocks[s->db] = ob;
		}
		if (i > from) {
			change_top(s, &s->newd[b], s->dispatch, b, s->change + from, s->change + i,
				   0);
			change_top(s, &s->newc[b], s->combine, b, s->change + from, s->change + i,
				   1);
		}
		s->newlat[b] = latency(s, s->newd[b].v[0], s->newc[b].v[0], s->newmost[b]);
	}
	return s->newcost = objective(s, s->newlat);
}

/* ---- the soft objective ---- */

static inline void
token_weight(const struct search *s, const struct token *k, double *dispatch, double *combine)
{
	uint32_t far = top_nibble(k->hops);

	*dispatch = s->xe[top_nibble(k->counts)] * s->xmean[0][k->picks][k->sum] * s->xfar[0][far];
	*combine = s->xu[k->devices] * s->xmean[1][k->picks][k->sum] * s->xfar[1][far];
}

static double
soft_sum(const struct search *s, double (*sum)[2])
{
	double x = 0;

	for (size_t b = 0; b < s->t->nbatch; b++)
		x += log(sum[b][0] > 0 ? sum[b][0] : 1) + log(sum[b][1] > 0 ? sum[b][1] : 1);
	return x * s->tau / (double)MAX(s->t->nbatch, (size_t)1);
}

/* Weights of all tokens at that temperature of the sum; costs are taken relative
 * to what a token of one column and no hop has, so that nothing overflows. */
static int
soft_open(struct search *s, double tau)
{
	const struct tokens *t = s->t;
	const double *a[2] = {s->m.dispatch, s->m.combine};

	s->tau = tau;
	if (!s->wd) {
		s->wd = calloc(t->ntoken + 1, sizeof *s->wd);
		s->wc = calloc(t->ntoken + 1, sizeof *s->wc);
		s->sum = calloc(t->nbatch + 1, sizeof *s->sum);
		s->newsum = calloc(t->nbatch + 1, sizeof *s->newsum);
	}
	if (!s->wd || !s->wc || !s->sum || !s->newsum)
		return -1;
	for (uint32_t n = 0; n <= LANES; n++) {
		if (n < LANES)
			s->xe[n] = exp(a[0][1] * (n - 8.0) / tau);
		s->xu[n] = exp(a[1][1] * (n - 8.0) / tau);
	}
	for (int i = 0; i < 2; i++) {
		for (uint32_t far = 0; far < LANES; far++)
			s->xfar[i][far] = exp(a[i][3] * (far - 8.0) / tau);
		for (uint32_t n = 1; n < LANES; n++)
			for (uint32_t h = 0; h < LANES * 16; h++)
				s->xmean[i][n][h] = exp(a[i][2] * (s->mean[n][h] - 4) / tau);
	}
	memset(s->sum, 0, t->nbatch * sizeof *s->sum);
	for (size_t k = 0; k < t->ntoken; k++) {
		if (!s->token[k].picks)
			continue;
		token_weight(s, &s->token[k], &s->wd[k], &s->wc[k]);
		s->sum[s->batch[k]][0] += s->wd[k];
		s->sum[s->batch[k]][1] += s->wc[k];
	}
	s->soft = soft_sum(s, s->sum);
	return 0;
}

/* Would the change give a device more blocks than the busiest of a batch has? */
static int
more_blocks(const struct search *s, const uint16_t *load, const uint16_t *blocks,
	    const uint16_t *most)
{
	size_t nb = s->t->nbatch;
	const uint16_t *la = load + s->a * nb, *lb = load + s->b * nb;

	for (size_t b = 0; b < nb; b++, blocks += s->ndev) {
		int x = la[b] - lb[b];

		if (blocks[s->da] - x > most[b] || blocks[s->db] + x > most[b])
			return 1;
	}
	return 0;
}

/* Would it give the two devices more above what must be, in the drawn batches? */
static int
more_excess(const struct search *s)
{
	const uint16_t *la = s->mload + s->a * SEARCH_DRAWN, *lb = s->mload + s->b * SEARCH_DRAWN;
	const uint16_t *da = s->mblocks + s->da * SEARCH_DRAWN;
	const uint16_t *db = s->mblocks + s->db * SEARCH_DRAWN;
	int rise = 0;

	for (int b = 0; b < SEARCH_DRAWN; b++) {
		int x = la[b] - lb[b], oa = da[b] - s->mtarget[b], ob = db[b] - s->mtarget[b];

		rise += MAX(oa - x, 0) + MAX(ob + x, 0) - MAX(oa, 0) - MAX(ob, 0);
	}
	return rise > 0;
}

int
search_margin(struct search *s, double margin, uint64_t seed)
{
	int r;

	if (!s->fast || !(margin > 0))
		return 0;
	s->mload = calloc((size_t)s->p.n * SEARCH_DRAWN + 1, sizeof *s->mload);
	s->mblocks = calloc((size_t)s->ndev * SEARCH_DRAWN + 1, sizeof *s->mblocks);
	s->mtarget = calloc(SEARCH_DRAWN, sizeof *s->mtarget);
	if (!s->mload || !s->mblocks || !s->mtarget)
		return TR_ENOMEM;
	if ((r = search_drawn(&s->p, s->t, &s->m, margin, seed, s->mload, s->mtarget)) < 0)
		return r;
	for (uint32_t i = 0; i < s->p.n; i++)
		for (uint32_t b = 0; b < SEARCH_DRAWN; b++)
			s->mblocks[(size_t)s->p.dev[i] * SEARCH_DRAWN + b] +=
				s->mload[(size_t)i * SEARCH_DRAWN + b];
	return 0;
}

/* The soft objective after the swap of a and b, or INFINITY where compute rises. */
static double
try_soft(struct search *s, uint32_t a, uint32_t b)
{
	const uint32_t *pa = s->of + s->first[a], *ea = s->of + s->first[a + 1];
	const uint32_t *pb = s->of + s->first[b], *eb = s->of + s->first[b + 1];
	struct way there, back;
	size_t n = 0;

	s->a = a;
	s->b = b;
	s->da = s->p.dev[a];
	s->db = s->p.dev[b];
	if (more_blocks(s, s->load, s->blocks, s->most) || (s->mload && more_excess(s)))
		return INFINITY;
	there = way(s, s->da, s->db);
	back = way(s, s->db, s->da);
	memcpy(s->newsum, s->sum, s->t->nbatch * sizeof *s->sum);
	while (pa < ea || pb < eb) {
		uint32_t ka = pa < ea ? *pa : UINT32_MAX, kb = pb < eb ? *pb : UINT32_MAX;
		struct change *c = &s->change[n];
		struct token k;
		double *sum;

		if (ka == kb) {
			pa++;
			pb++;
			continue;
		}
		c->token = MIN(ka, kb);
		c->back = kb < ka;
		k = s->token[c->token];
		token_move(&k, c->back ? &back : &there);
		token_weight(s, &k, &c->dispatch, &c->combine);
		sum = s->newsum[s->batch[c->token]];
		sum[0] += c->dispatch - s->wd[c->token];
		sum[1] += c->combine - s->wc[c->token];
		pa += !c->back;
		pb += c->back;
		__builtin_prefetch(
			&s->token[c->back ? *MIN(pb + AHEAD, eb) : *MIN(pa + AHEAD, ea)]);
		n++;
	}
	s->nchange = n;
	return s->newsoft = soft_sum(s, s->newsum);
}

/* Make the change of try_soft: its weights, then all the rest by its true cost. */
static void
soft_accept(struct search *s)
{
	for (size_t i = 0; i < s->nchange; i++) {
		s->wd[s->change[i].token] = s->change[i].dispatch;
		s->wc[s->change[i].token] = s->change[i].combine;
	}
	memcpy(s->sum, s->newsum, s->t->nbatch * sizeof *s->sum);
	s->soft = s->newsoft;
	for (uint32_t b = 0; s->mload && b < SEARCH_DRAWN; b++) {
		int x = s->mload[s->a * SEARCH_DRAWN + b] - s->mload[s->b * SEARCH_DRAWN + b];
		uint16_t *da = &s->mblocks[s->da * SEARCH_DRAWN + b];
		uint16_t *db = &s->mblocks[s->db * SEARCH_DRAWN + b];

		*da = (uint16_t)(*da - x);
		*db = (uint16_t)(*db + x);
	}
	try_fast(s);
	search_accept(s);
}

static double
try_change(struct search *s)
{
	if (s->fast)
		return try_fast(s);
	s->p.dev[s->a] = (uint16_t)s->db;
	if (s->b != NOBODY)
		s->p.dev[s->b] = (uint16_t)s->da;
	s->newcost = full_cost(s);
	s->p.dev[s->a] = (uint16_t)s->da;
	if (s->b != NOBODY)
		s->p.dev[s->b] = (uint16_t)s->db;
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

void
search_accept(struct search *s)
{
	size_t nb = s->t->nbatch;
	struct way there, back;

	if (s->fast) {
		there = way(s, s->da, s->db);
		back = way(s, s->db, s->da);
	}
	s->p.dev[s->a] = (uint16_t)s->db;
	if (s->b != NOBODY) {
		s->p.dev[s->b] = (uint16_t)s->da;
	} else {
		s->used[s->da]--;
		s->used[s->db]++;
	}
	s->cost = s->newcost;
	if (!s->fast)
		return;
	for (size_t i = 0; i < s->nchange; i++) {
		const struct change *c = &s->change[i];

		token_move(&s->token[c->token], c->back ? &back : &there);
		s->dispatch[c->token] = c->dispatch;
		s->combine[c->token] = c->combine;
	}
	for (size_t b = 0; b < nb; b++) {
		int x = s->load[s->a * nb + b] - (s->b == NOBODY ? 0 : s->load[s->b * nb + b]);

		s->blocks[b * s->ndev + s->da] = (uint16_t)(s->blocks[b * s->ndev + s->da] - x);
		s->blocks[b * s->ndev + s->db] = (uint16_t)(s->blocks[b * s->ndev + s->db] + x);
	}
	memcpy(s->topd, s->newd, nb * sizeof *s->topd);
	memcpy(s->topc, s->newc, nb * sizeof *s->topc);
	memcpy(s->most, s->newmost, nb * sizeof *s->most);
	memcpy(s->latency, s->newlat, nb * sizeof *s->latency);
}

/* ---- annealing ---- */

struct draws {
	uint64_t seed, stream, at;
};

static uint32_t
below(struct draws *d, uint32_t n)
{
	return (uint32_t)rng_below(d->seed, d->stream, d->at++, n);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A legal change, tried; NAN where the draw is none. */
static double
draw(struct search *s, struct draws *d)
{
	uint32_t a = below(d, s->p.n), b = below(d, s->p.n), dev;

	if (s->p.n < s->ndev * s->per_device && below(d, 4) == 0) {
		dev = below(d, s->ndev);
		return search_may_move(s, a, dev) ? search_try_move(s, a, dev) : NAN;
	}
	return search_may_swap(s, a, b) ? search_try_swap(s, a, b) : NAN;
}

/* The mean rise of a hundred sampled changes that are worse. */
static double
calibrate(struct search *s, struct draws *d)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < 400 && n < 100; i++) {
		double rise = draw(s, d) - s->cost;

		if (rise > 0) {
			sum += rise;
			n++;
		}
	}
	return n ? sum / n : 1;
}

/* Swaps by the soft objective that never give a device more blocks than the
 * busiest has.  What is kept is the best by the true one. */
static double
draw_soft(struct search *s, struct draws *d)
{
	uint32_t a = below(d, s->p.n), b = below(d, s->p.n);

	return search_may_swap(s, a, b) ? try_soft(s, a, b) : INFINITY;
}

static double
calibrate_soft(struct search *s, struct draws *d)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < 2000 && n < 100; i++) {
		double rise = draw_soft(s, d) - s->soft;

		if (rise > 0 && rise < 1e9) {
			sum += rise;
			n++;
		}
	}
	return n ? sum / n : 1;
}

double
search_anneal(struct search *s, struct anneal *a)
{
	struct draws d = {a->seed, UINT64_C(0x616e) << 48 | a->stream, 0};
	uint16_t *best = malloc((s->p.n + 1) * sizeof *best);
	double least = s->cost, start = now(), t0 = a->t0, t1 = a->t1, temperature = 0;
	double seconds = 0, told = 0;
	int soft;
	uint64_t i = 0, limit = a->iters ? a->iters : UINT64_MAX;

	if (!best)
		return least;
	memcpy(best, s->p.dev, s->p.n * sizeof *best);
	soft = s->fast && !a->local && a->tau > 0 && soft_open(s, a->tau) == 0;
	if (t0 < 0 && !a->local) {
		t0 = 0.35 * (soft ? calibrate_soft(s, &d) : calibrate(s, &d));
		t1 = t1 < 0 ? t0 / 300 : t1;
	}
	for (; i < limit; i++) {
		double cost, share;

		if (i % 64 == 0) {
			seconds = now() - start;
			if (a->seconds > 0 && seconds >= a->seconds)
				break;
			share = a->iters ? (double)i / (double)MAX(a->iters - 1, (uint64_t)1) : 0;
			if (a->seconds > 0)
				share = MAX(share, seconds / a->seconds);
			temperature = t0 > 0 ? t0 * pow(t1 / t0, share) : 0;
			if (a->tell && (seconds - told >= 0.05 || i == 0)) {
				told = seconds;
				if (a->tell(a->arg, seconds, i, s->cost, least))
					break;
			}
		}
		if (soft) {
			cost = draw_soft(s, &d);
			if (cost > s->soft &&
			    rng_f64(d.seed, d.stream, d.at++) >=
				    exp((s->soft - cost) / MAX(1e-9, temperature)))
				continue;
			soft_accept(s);
			if (s->cost < least) {
				least = s->cost;
				memcpy(best, s->p.dev, s->p.n * sizeof *best);
			}
			continue;
		}
		cost = draw(s, &d);
		if (cost != cost)
			continue;
		if (a->local ? cost >= s->cost
			     : cost > s->cost &&
				       rng_f64(d.seed, d.stream, d.at++) >=
					       exp((s->cost - cost) / MAX(1e-9, temperature)))
			continue;
		search_accept(s);
		if (s->cost < least) {
			least = s->cost;
			memcpy(best, s->p.dev, s->p.n * sizeof *best);
		}
	}
	a->done = i;
	memcpy(s->p.dev, best, s->p.n * sizeof *best);
	free(best);
	if (a->tell)
		a->tell(a->arg, now() - start, i, least, least);
	return least;
}
