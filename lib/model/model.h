/*
 * Checkpoints that run: what their routers do with a sequence of tokens.  A family of
 * models is a struct model_ops beside this file, listed in model.c.
 *
 *	struct model_opts o = {.engine = {.type = TR_F32, .jobs = 2, .gpu = -1}};
 *	struct model m;
 *
 *	if (model_open(&m, dir, &o, why) < 0)
 *		die("%s", why);
 *	if (model_run(&m, &batch, seen, arg, why) < 0)
 *		die("%s", why);
 *	model_close(&m);
 */
#ifndef MODEL_H
#define MODEL_H

#include "../core/moetrace.h"
#include "../route/rules.h"
#include "config.h"
#include "engine.h"
#include "tensors.h"

#define MODEL_FREE UINT64_MAX /* a capacity without bound */
#define MODEL_NOID UINT32_MAX /* no id */

struct model_opts {
	uint64_t capacity;            /* picks an expert takes of a sequence; 0: config.json's */
	int residual;                 /* a dropped token keeps weight times input, not 0 */
	int decoder;                  /* of encoder-decoder models: the decoder, too */
	const struct tr_list *layers; /* those whose routers are told; NULL or empty: all */
	int head;                     /* what a batch may want of the head */
	uint64_t keep;                /* rows of a sequence whose keys and values stay; 0: none.
				       * m->opts.keep may be set anew before a run without past */
	int no_hidden;                /* of routes, hidden is not wanted: it is NULL */
	struct engine_opts engine;    /* where it runs, and in which numbers */
};

/* What open found.  Lists are the model's, lent until model_close. */
struct model_info {
	uint64_t vocab;         /* ids are below it */
	uint64_t positions;     /* the longest sequence; 0: no limit */
	uint64_t experts, topk; /* of each router */
	uint64_t shared;        /* experts that all tokens pass */
	uint64_t d;             /* numbers of a router's input */
	uint64_t capacity;      /* in use; MODEL_FREE: nothing is dropped */
	enum rules_score score; /* what makes weights */
	int renorm;             /* and they are divided by their sum */
	int flags;              /* MODEL_... */
	struct tr_list routed;  /* layers that route, those of opts->layers alone */
	uint32_t start, eos;    /* ids of config.json; MODEL_NOID: it has none */
	struct tr_list second;  /* those of them that see target, not source; none: empty */
};
enum model_flags {
	MODEL_DROPS = 1,   /* there is a capacity: struct model_route has dropped */
	MODEL_DECODER = 2, /* opts->decoder means something */
};

/* Sequences that run together, each by itself.  Ids lie end to end, those of sequence i
 * from at[i] up to at[i + 1].  source: what a decoder-only model, or an encoder, reads;
 * target: what the decoder behind an encoder reads, its start token first.  All are below
 * vocab, checked by model_run; memory is the caller's. */
struct model_ids {
	const uint32_t *ids;
	const uint64_t *at; /* [n + 1] */
};
struct model_batch {
	uint64_t n;                      /* sequences */
	struct model_ids source, target; /* target.at NULL: none */
	/* With opts->keep: of each sequence, the rows that runs before had of it, whose keys and
	 * values are kept, so that source, or target where there is one, goes on after them; n is
	 * as it was, and the source of a run with target is as it was and not run again.  A
	 * sequence that is over has no rows then, and its next is left alone.  NULL: all begin. */
	const uint64_t *past;
	/* Wanted of the head where not NULL, with opts->head: [n][vocab], the logits after the
	 * last row of each; and [rows] of source, or of target where there is one, -ln p of the
	 * token after each, 0 after the last. */
	float *next, *nll;
};

/* What the router of one layer did with the rows of source, or of target, of the batch, in
 * order.  Lent until the callback returns. */
struct model_route {
	uint64_t layer;         /* the model's number; decoders behind encoders go on counting */
	uint64_t rows;          /* all of source, or of target */
	const float *logit;     /* [rows][experts] */
	const uint16_t *ids;    /* [rows][topk], best first */
	const float *w;         /* [rows][topk] */
	const uint8_t *dropped; /* [rows][topk], 1: the expert was full; NULL: none can be */
	const float *hidden;    /* [rows][d]: the router's input */
};
/* Called layer by layer, ascending, in the thread of model_run: 0, or a negative TR_E...
 * that model_run returns. */
typedef int model_seen(void *arg, const struct model_route *r);

struct model_ops {
	const char *types; /* values of model_type: "qwen3_moe|olmoe" */
	/* Reads sizes out of c, finds and checks all tensors that the layers up to the last of
	 * o->layers need, fills *info.  *state is the family's own.  c does not outlive the
	 * call; t, e and o do until close.  0, or -1 and why; then it has freed what it made. */
	int (*open)(void **state, const struct config *c, struct tensors *t, struct engine *e,
		    const struct model_opts *o, struct model_info *info, char *why);
	/* 0; TR_ENOMEM; TR_EVALUE with why set where logits of a router, told or not, are not
	 * finite (model_finite); or what seen returned. */
	int (*run)(void *state, const struct model_batch *b, model_seen *seen, void *arg,
		   char *why);
	void (*close)(void *state); /* NULL is fine */
};

struct model {
	const struct model_ops *ops;
	struct tensors *tensors;
	struct engine *engine;
	struct model_opts opts;
	struct model_info info;
	char type[64];  /* model_type */
	char name[256]; /* last part of the directory */
	void *state;
};

/* dir: config.json with safetensors beside it.  why [MODEL_WHY]: one line that names file,
 * tensor and shape.  o is copied, the list in it is lent; *m stays in its place
 * until model_close.  0; -1, or ENGINE_ABSENT, and why. */
int model_open(struct model *m, const char *dir, const struct model_opts *o, char *why);
/* 0, or a negative TR_E... and why. */
int model_run(struct model *m, const struct model_batch *b, model_seen *seen, void *arg, char *why);
void model_close(struct model *m);

/* For families.  TR_EVALUE and why where one of logits [rows][experts] is NaN or infinite:
 * "layer 3: logits of token 17 are not finite".  model_run then looks for the tensor. */
int model_finite(const float *logits, uint64_t rows, uint64_t experts, uint64_t layer, char *why);

#endif
