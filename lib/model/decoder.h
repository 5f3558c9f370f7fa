/*
 * Decoder-only models with routed experts: DeepSeek-V2, Qwen3-MoE, Qwen2-MoE, OLMoE,
 * Mixtral.  One skeleton, x += attention(norm(x)), then x += ffn(norm(x)), with switches
 * that config.json sets.  models.md sections 3 to 5 have the mathematics and the names.
 */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "model.h"

extern const struct model_ops decoder_ops;

/* ---- the rest is for decoder*.c and yarn.c ---- */

/* Stretched rotation; factor 0: plain. */
struct yarn {
	double factor, fast, slow, original;
	double mscale, mscale_all; /* 0: 1 */
	double attention;          /* of cosine and sine; 0: what the mscales make */
};

/* Frequencies freq [pairs], radians a position, of rotations of 2 * pairs numbers. */
void yarn_freq(const struct yarn *y, double theta, uint64_t pairs, float *freq);
/* What cosine and sine are multiplied with; 1 of a plain one. */
double yarn_scale(const struct yarn *y);
/* What q.k is multiplied with besides, of MLA; 1 of a plain one. */
double yarn_squared(const struct yarn *y);

enum decoder_norm { NORM_NONE, NORM_HEAD, NORM_FULL }; /* of q and k: none, each head, whole */

/* What config.json says. */
struct decoder_shape {
	uint64_t vocab, d, layers, heads, kv_heads, dk, dv;
	uint64_t mla, q_rank, kv_rank, nope, rope; /* q_rank 0: q is one product */
	uint64_t experts, topk, hidden;            /* hidden: of an expert */
	uint64_t dense, shared;                    /* hidden of dense and of shared networks */
	uint64_t nshared;
	uint64_t first, step, after;  /* layer l routes: l >= first, (l + after) % step == 0, */
	struct tr_list plain;         /* and not among these */
	uint64_t groups, topk_groups; /* 0: none */
	uint64_t positions, window;   /* 0: no limit */
	uint32_t bos, eos;            /* MODEL_NOID: none */
	enum decoder_norm qk_norm;
	int bias_qkv, bias_o, gated_shared, renorm, tied;
	double eps, theta, clip, scaling; /* clip 0: none; scaling: of weights */
	struct yarn yarn;
};

/* 0, or -1 and why.  h->plain is the caller's after 0, for tr_list_free. */
int decoder_shape(struct decoder_shape *h, const struct config *c, char *why);
int decoder_routes(const struct decoder_shape *h, uint64_t layer);

/* A weight and its one part; w.rows 0: there is none. */
struct one {
	struct tensor t;
	struct weight w;
};

enum { LAYER_WEIGHTS = 32 };

struct decoder_layer {
	struct one norm, after; /* before attention, before the network */
	struct one q, k, v, o, bq, bk, bv, bo, qn, kn;
	struct one qa, ba, qan, kva, bkva, kvan, kvb; /* MLA: down, bias, norm, up */
	struct one gate, shared_gate;
	struct ffns dense, experts, shared;
	struct weight ffn[6];              /* theirs */
	struct tensor *part;               /* and the parts */
	struct weight *all[LAYER_WEIGHTS]; /* that are held */
	uint64_t nall;
	struct cache cache;
	int routed, told;
};

struct decoder {
	struct decoder_shape shape;
	struct engine *e;
	char *file; /* config.json */
	struct decoder_layer *layer;
	uint64_t n, told; /* layers that can be run; up to the last whose router is told */
	struct one embed, norm, head;
	struct rope rope;
	float *freq;
	struct select select;
	int whole; /* the head may be wanted */
	const struct model_opts *opts;
	uint64_t cached, kept; /* sequences, and rows of each, that caches have room for */
};

/* Tensors of layers [0, m->n) into m->layer, and what stands before and behind them; why is
 * said.  The caller frees by decoder_unload, after -1, too. */
int decoder_load(struct decoder *m, struct tensors *t, char *why);
void decoder_unload(struct decoder *m);

/* Memory of a run, em. */
struct decoder_room {
	uint64_t rows;
	float *x, *h, *y;         /* [rows][d] */
	float *q, *k, *v, *mix;   /* [rows] of all heads */
	float *low, *normed, *kv; /* MLA */
	float *logit, *gate;      /* [rows][experts], [rows][1] */
};

/* x += attention of x, rows of s.  0 or TR_E..., the engine says why. */
int decoder_attend(struct decoder *m, struct decoder_layer *l, const struct spans *s,
		   struct decoder_room *r);

/* As model_ops has it. */
int decoder_run(void *state, const struct model_batch *b, model_seen *seen, void *arg, char *why);

#endif
