/*
 * What the parts of the search share: a placement, its routed tokens turned
 * round, so that a change of one or two instances touches their tokens alone.
 */
#ifndef SEARCHSTATE_H
#define SEARCHSTATE_H

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "search.h"
#include "size.h"

enum { LANES = 16, AHEAD = 12, NOBODY = UINT32_MAX, HOPS = 16, SUMS = LANES * HOPS };

typedef uint8_t lanes __attribute__((vector_size(LANES)));

/* A token's picks: counts by device, column and hop; one cache line. */
struct token {
	double weight[2]; /* of the soft objective: dispatch, combine */
	lanes dev;        /* of each pick, unused lanes 0xff */
	uint64_t column;  /* a byte a column: picks in it */
	uint64_t counts;  /* a nibble n: columns with n picks */
	uint64_t hops;    /* a nibble h: picks h hops away */
	uint16_t sum;     /* of hops */
	uint8_t picks, devices, origin;
} __attribute__((aligned(64)));

struct top { /* the two largest values of a batch, and how many tokens have them */
	double v[2];
	uint32_t n[2];
};

struct search {
	struct place p;
	const struct tokens *t;
	struct cost_model m;
	enum cost_objective objective;
	uint32_t ndev, per_device, fast;
	uint32_t *used; /* [devices] copies */
	double cost;

	uint32_t *start, *of; /* [instances][batches + 1]: tokens of an instance in a batch */
	uint64_t *uses;       /* [instances + 1][words] a bit a token; the last is nobody's */
	size_t words;
	struct token *token;
	double (*value)[2];       /* [tokens] dispatch, combine */
	struct step *step;        /* [rows][rows][rows] from a row to another, for each origin */
	double mean[LANES][SUMS]; /* [picks][sum of hops] */
	uint16_t *blocks, *load;  /* [batch][devices], [instances][batch] */
	struct top (*top)[2];     /* [batch] of dispatch, of combine */
	double *latency;          /* [batch] */
	uint16_t *most;           /* [batch] blocks of the busiest device */

	/* the soft objective: log-sum-exp over the tokens of a batch instead of the
	 * largest, so that each token near the top counts; weights of tokens are products of
	 * what columns or devices weigh and what hops weigh */
	double soft, tau;
	double xe[LANES], xu[LANES + 1];
	double (*xhop)[SUMS][HOPS][2];  /* [picks][sum][largest] */
	double (*sum)[2], (*newsum)[2]; /* [batch] of dispatch, of combine */
	double newsoft;
	uint16_t *mload, *mblocks, *mtarget; /* [instances], [devices], [] of drawn batches */

	/* the change that was tried last */
	uint32_t a, b, da, db;
	double *newlat, *sorted, newcost;
	uint16_t *newmost;
	struct place next; /* of a copy handed over: all of it */
	int hand;

	uint64_t *home;           /* [experts][devices] bits: there was one; NULL: no limit */
	uint32_t moved, maxmoved; /* copies that have none there */
};

/* What a pick's hops become on its way: added to token.hops and token.sum. */
struct step {
	uint64_t hops;
	int32_t sum;
};

/* From device a to b: what is the same for all tokens of a change. */
struct way {
	uint8_t a, b;
	uint32_t ca, cb;         /* bits of their columns in token.column */
	lanes la, lb;            /* a and b in all lanes */
	const struct step *step; /* [rows] of origins */
};

struct seen { /* what the cost of a token hangs on */
	uint32_t column, devices, sum, far;
};

static inline uint32_t
top_nibble(uint64_t x)
{
	return x ? (63 - (uint32_t)__builtin_clzll(x)) / 4 : 0;
}

static inline struct seen
token_now(const struct token *k)
{
	return (struct seen){top_nibble(k->counts), k->devices, k->sum, top_nibble(k->hops)};
}

/* The inner loops shift by what they load, so newer instructions of the same results help. */
#if defined __x86_64__ && !defined __clang__ && __GNUC__ >= 12 && !defined __SANITIZE_ADDRESS__
#define SEARCH_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define SEARCH_CLONES
#endif

/* A bit a lane that is set, in no order that matters. */
static inline uint64_t
lane_bits(lanes d)
{
#ifdef __SSE2__
	return (uint32_t)_mm_movemask_epi8((__m128i)d);
#else
	uint64_t m[2];

	memcpy(m, &d, sizeof m);
	return (m[0] & UINT64_C(0x0101010101010101)) | (m[1] & UINT64_C(0x0202020202020202));
#endif
}

static inline uint64_t
nibble(uint32_t n)
{
	return UINT64_C(1) << 4 * n;
}

/* Columns by picks, when one goes from ca to cb. */
static inline uint64_t
moved_counts(const struct token *k, uint32_t ca, uint32_t cb)
{
	uint32_t na = k->column >> ca & 255, nb = k->column >> cb & 255;

	/* (1 << 4 (n + 1)) - (1 << 4 n) is 15 << 4 n */
	return ca == cb ? k->counts
			: k->counts + (UINT64_C(15) << 4 * nb) - (UINT64_C(15) << 4 * (na - 1));
}

/* The same once one of its picks went that way. */
static inline struct seen
token_after(const struct token *k, const struct way *w)
{
	uint64_t from = lane_bits(k->dev == w->la), there = lane_bits(k->dev == w->lb);
	struct step step = w->step[k->origin];

	return (struct seen){top_nibble(moved_counts(k, w->ca, w->cb)),
			     k->devices - ((from & (from - 1)) == 0) + (there == 0),
			     k->sum + (uint32_t)step.sum, top_nibble(k->hops + step.hops)};
}

/* Its dispatch and combine, as cost_eval has them. */
static inline void
search_value(const struct search *s, struct seen k, uint32_t picks, double value[2])
{
	const double *a = s->m.dispatch, *b = s->m.combine;
	double mean = s->mean[picks][k.sum], far = k.far;

	value[0] = a[0] + a[1] * k.column + a[2] * mean + a[3] * far;
	value[1] = b[0] + b[1] * k.devices + b[2] * mean + b[3] * far;
}

/* The instances of the last change: side 0 is a on its way to db, side 1 b on its to da. */
static inline uint32_t
search_side(const struct search *s, int side)
{
	return side ? s->b : s->a;
}

/* Which tokens use an instance: a bit each.  A token that uses both of a change stays as it is. */
static inline const uint64_t *
search_bits(const struct search *s, uint32_t instance)
{
	return s->uses + (instance == NOBODY ? s->p.n : instance) * s->words;
}

static inline int
search_bit(const uint64_t *bits, uint32_t token)
{
	return bits[token / 64] >> token % 64 & 1;
}

/* Tokens of an instance in a batch: of[*end of the one before] .. */
static inline const uint32_t *
search_tokens(const struct search *s, uint32_t instance, size_t batch, const uint32_t **end)
{
	const uint32_t *at = s->start + instance * (s->t->nbatch + 1) + batch;

	*end = s->of + at[1];
	return s->of + at[0];
}

/* Was there no copy of that expert on that device? */
static inline uint32_t
search_away(const struct search *s, uint32_t expert, uint32_t dev)
{
	size_t bit = (size_t)expert * s->ndev + dev;

	return s->home && !(s->home[bit / 64] >> bit % 64 & 1);
}

struct way search_way(const struct search *s, uint32_t a, uint32_t b);
/* The true cost of the change a, b, da, db of s. */
double search_exact(struct search *s);
int search_soft_open(struct search *s, double tau);
/* The soft objective after a and b changed, INFINITY where compute rises. */
double search_try_soft(struct search *s, uint32_t a, uint32_t b, uint32_t dev);
/* Make it. */
void search_accept_soft(struct search *s);
void search_soft_free(struct search *s);

#endif
