/* What the files of Switch Transformers share: the weights of a checkpoint, and its run. */
#ifndef MODEL_SWITCHOWN_H
#define MODEL_SWITCHOWN_H

#include "model.h"

struct matrix {
	struct tensor tensor;
	struct weight weight;
};

struct attention {
	struct matrix norm, q, k, v, o;
};

struct block {
	struct attention self, cross;
	struct matrix norm;         /* before the feed-forward network */
	struct matrix in, out;      /* dense */
	struct matrix router, bias; /* sparse, router.tensor.rows 0: dense */
	struct tensor *part;        /* [2 * experts]; NULL: nobody asks what follows */
	struct weight ins, outs;    /* [experts] parts of it */
	struct weight **need;       /* [needs]: all of the above that are there */
	uint64_t needs, layer;
	int told;
	/* of sequences that go on: keys and values, em, of the block's own rows and of the
	 * source, and picks that each expert has had of each [n][experts] */
	struct cache kept;
	float *k, *v;
	uint64_t *taken;
};

struct stack {
	struct block *block;
	uint64_t n;         /* that are run */
	float *table;       /* [buckets][heads] */
	struct matrix norm; /* the last one, where it is run */
	int causal, normed; /* normed: it is */
	float *bias;        /* em, of distances up to nbias */
	uint64_t nbias;
};

struct sw {
	const struct model_opts *opts;
	struct engine *e;
	struct stack encoder, decoder;
	struct matrix shared, head; /* head: where the embedding is not */
	float *scaled;              /* the decoder's last norm, where it is */
	uint64_t vocab, d, dk, heads, ff, experts, buckets, distance, capacity, keep;
	double eps;
	int residual, wanted, tied; /* wanted: the head */
	int no_hidden;
	struct select select;
	/* of sequences that go on: how many there are, rows of their sources end to end */
	uint64_t n, *at; /* [n + 1] */
};

struct shape {
	uint64_t blocks, step;
};

/* Reads what the stacks need, of decoder no blocks where that is not asked for.  0, or -1 and
 * why; s is freed by the caller in any case. */
int switch_load(struct sw *s, struct tensors *t, const struct shape *encoder,
		const struct shape *decoder, int bias, const struct model_opts *o,
		struct model_info *info, char *why);
void switch_free(struct sw *s);

/* One batch; rows is the longer of source and target. */
struct run {
	struct sw *s;
	const struct model_batch *b;
	uint64_t rows;
	float *h, *q, *k, *v, *mix, *y, *score; /* em, [rows][d], or of inner, or of experts */
	float *logit, *hidden, *w, *patch;      /* host; patch: a dropped row and what it gets */
	uint16_t *ids, *kept;                   /* kept: SELECT_NONE where dropped */
	uint8_t *dropped;
	uint64_t *taken; /* [n][experts] */
	model_seen *seen;
	void *arg;
	char *why;
};

/* malloc of n x each x size bytes, room of n x each numbers: NULL and *failed set where there
 * is none; lent to the caller. */
void *switch_some(uint64_t n, uint64_t each, uint64_t size, int *failed);
float *switch_em(struct engine *e, uint64_t n, uint64_t each, int *failed);

/* A routed block's part of rows h into y; 1: nobody asks for it.  Else 0 or TR_E.... */
int switch_routed(struct run *r, struct block *b, const struct spans *s);
/* model_ops's run */
int switch_run(void *state, const struct model_batch *b, model_seen *seen, void *arg, char *why);

/* Memory of a run, r->rows and r->b set: 0 or TR_ENOMEM; switch_room_free in any case. */
int switch_room(struct run *r);
void switch_room_free(struct run *r);
/* Room for what is kept of the sequences of b, s->keep rows of each: 0 or TR_ENOMEM;
 * switch_forget in any case. */
int switch_remember(struct sw *s, const struct model_batch *b);
void switch_forget(struct sw *s);

#endif
