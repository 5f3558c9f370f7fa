/*
 * The steps of a forward pass, on a device with its own memory: the processor, or a GPU.
 * A family of models says which steps, in order; arithmetic on rows is here alone.
 *
 * Rows are f32, row-major, in engine memory ("em"), which a family never reads or writes
 * itself.  Steps happen in the order of the calls.  Each returns 0, or a negative TR_E...
 * with e->why set ("no memory for 1024 x 2048 numbers on the GPU").  The processor's results
 * do not depend on opts.jobs.
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include "../route/select.h"
#include "tensors.h"

struct engine_opts {
	enum tr_type type; /* what goes into products: TR_F32; TR_BF16: both sides rounded to
			    * it; sums are f32 in any case */
	int jobs;          /* threads of the processor */
	int gpu;           /* device; -1: the processor */
	int stream;        /* of a GPU: weights are brought layer by layer, none stays */
};

/* Matrices of the same shape, one below the other: one, or one an expert.  part [parts] is
 * the family's and stays; held is the engine's. */
struct weight {
	const struct tensor *part;
	uint64_t parts, rows, cols; /* rows and cols of one part; a vector: rows 1 */
	void *held;
};

/* Rotary embedding of the last 2 * pairs numbers of each head. */
struct rope {
	uint64_t pairs;
	const float *freq; /* [pairs], host: radians a position */
	float scale;       /* of cosine and sine */
	int interleaved;   /* pairs are (2j, 2j + 1), else (j, j + pairs) */
};

/* Sequences that lie end to end: seq i has rows at[i] .. at[i + 1], the first of which is
 * its position past[i] (past NULL: 0).  Host memory, the caller's. */
struct spans {
	uint64_t n;
	const uint64_t *at;   /* [n + 1] */
	const uint64_t *past; /* [n] */
};

/* Keys and values of a layer that stay: of seq i rows [i * cap, i * cap + cap). */
struct cache {
	float *k, *v; /* em, [n * cap][kv_heads * dk], [n * cap][kv_heads * dv] */
	uint64_t cap;
};

struct heads {
	uint64_t heads, kv_heads; /* kv_heads divides heads */
	uint64_t dk, dv;
	float scale; /* of q.k */
	int causal;  /* position i sees 0 .. i */
	/* added to the scaled q.k: bias[head][key - query + nbias], em, [heads][2 * nbias + 1];
	 * NULL: nothing */
	const float *bias;
	uint64_t nbias;
};

/* Feed-forward networks: SwiGLU (w1 gate, w3 up, w2 down), or with relu w1 and w2 alone. */
struct ffns {
	uint64_t experts, d, hidden;
	int relu;
	struct weight *w1, *w3, *w2; /* [experts] parts of [hidden][d], w2 [d][hidden] */
};

struct engine {
	char why[MODEL_WHY];
	struct engine_opts opts;

	/* em of n floats: NULL and why.  Lent until drop or close. */
	float *(*room)(struct engine *e, uint64_t n);
	void (*drop)(struct engine *e, float *p); /* NULL is fine */
	int (*put)(struct engine *e, float *to, const float *host, uint64_t n);
	int (*get)(struct engine *e, float *host, const float *from, uint64_t n);

	/* Sets w->held, before any step has w; parts stay mapped.  unhold: held NULL is fine. */
	int (*hold)(struct engine *e, struct weight *w);
	void (*unhold)(struct engine *e, struct weight *w);
	/* Those n weights are needed now, before the steps of a layer; those that next named
	 * before are not: after many rows the processor lets go of their pages, where they are
	 * mapped (struct tensor).  What followed them the last time is brought meanwhile, what is
	 * used unnamed is waited for. */
	int (*next)(struct engine *e, struct weight *const *w, uint64_t n);

	/* x [rows][w->cols]: rows ids [rows], host, of w. */
	int (*embed)(struct engine *e, const struct weight *w, const uint32_t *ids, uint64_t rows,
		     float *x);
	/* to [rows][d] = rms_norm of x, whose rows are ldx numbers apart; to may be x where ldx
	 * is d.  w: a vector of d. */
	int (*norm)(struct engine *e, const struct weight *w, double eps, const float *x,
		    uint64_t ldx, uint64_t rows, float *to);
	/* y [rows][w->rows] = x [rows][w->cols] w^T, + bias, a vector, where that is not NULL;
	 * w has one part. */
	int (*linear)(struct engine *e, const struct weight *w, const struct weight *bias,
		      const float *x, float *y, uint64_t rows);
	/* x += y */
	int (*add)(struct engine *e, float *x, const float *y, uint64_t n);
	/* x [i] = min(max(x[i], -by), by) */
	int (*clip)(struct engine *e, float *x, uint64_t n, float by);
	/* In place, of x [rows][heads][d], rows ldx numbers apart. */
	int (*rope)(struct engine *e, const struct rope *r, const struct spans *s, float *x,
		    uint64_t ldx, uint64_t heads, uint64_t d);
	/* n numbers of each of heads of each row, to[row * ldto + head * hto] from
	 * from[row * ldfrom + head * hfrom]; hfrom 0: the same for all heads. */
	int (*copy)(struct engine *e, float *to, uint64_t ldto, uint64_t hto, const float *from,
		    uint64_t ldfrom, uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n);
	/* Rows of sequences to their places, past[i] and on, in the cache. */
	int (*keep)(struct engine *e, const struct heads *h, const struct spans *s, const float *k,
		    const float *v, const struct cache *c);
	/* out [rows][heads * dv] of q [rows][heads * dk] of s, keys and values k, v of sk, or,
	 * where c is not NULL, those of the cache, as many as past and rows make. */
	int (*attend)(struct engine *e, const struct heads *h, const struct spans *s,
		      const float *q, const struct spans *sk, const float *k, const float *v,
		      const struct cache *c, float *out);
	/* logit [rows][experts] em; ids and w [rows][k]: host. */
	int (*select)(struct engine *e, const struct select *s, const float *logit, uint64_t rows,
		      uint16_t *ids, float *w);
	/* y [rows][d] = sum over the picks of a row, ids and w [rows][k] host, of w times the
	 * expert's network of x; SELECT_NONE adds nothing. */
	int (*experts)(struct engine *e, const struct ffns *f, const float *x, const uint16_t *ids,
		       const float *w, uint64_t rows, uint64_t k, float *y);
	/* y [rows][d] of the one network f, all rows. */
	int (*ffn)(struct engine *e, const struct ffns *f, const float *x, uint64_t rows, float *y);
	/* nll [rows], host: ln sum exp(logit) - logit[ids[row]], of logit [rows][vocab]. */
	int (*nll)(struct engine *e, const float *logit, uint64_t vocab, const uint32_t *ids,
		   uint64_t rows, float *nll);

	void (*close)(struct engine *e);
};

enum { ENGINE_ABSENT = -50 }; /* built without, no driver, no such device */

/* *e is the caller's, for e->close.  0; -1 or ENGINE_ABSENT and why [MODEL_WHY]. */
int engine_open(struct engine **e, const struct engine_opts *o, char *why);

#endif
