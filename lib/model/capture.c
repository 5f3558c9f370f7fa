/* Batches through a model, see capture.h. */
#include "capture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "caprun.h"
#include "size.h"

struct capture {
	struct model *m;
	struct capture_opts opts;
	struct caproute routes;
	struct capseq seqs;
	struct caprun run;

	/* the frame that is run */
	struct tr_frame tok, out;
	capture_put *put; /* layers go out at once; NULL: they wait */
	void *arg;
	void *mem; /* of out */
};

static int
put_layer(struct capture *c, uint64_t i)
{
	struct tr_frame f;
	int r = caproute_frame(&c->routes, i, &c->seqs, &c->tok, &f);

	return r > 0 ? c->put(c->arg, &f) : r;
}

/* What the routers of a layer did: a model_seen. */
static int
take(void *arg, const struct model_route *r)
{
	struct capture *c = arg;
	const int side = caproute_side(&c->routes, r->layer);
	const uint64_t i = tr_list_find(&c->m->info.routed, r->layer);
	int e = caproute_take(&c->routes, r, c->run.to[side], c->seqs.side[side].rows);

	if (e == 0 && c->put && (e = put_layer(c, i)) == 0)
		caproute_drop(&c->routes, i);
	return e;
}

struct capture *
capture_new(struct model *m, const struct capture_opts *o)
{
	struct capture *c = calloc(1, sizeof *c);

	if (c && caproute_open(&c->routes, m, o->flags) < 0) {
		free(c);
		return NULL;
	}
	if (c) {
		c->m = m;
		c->opts = *o;
		c->run = (struct caprun){
			.m = m, .seqs = &c->seqs, .generate = o->generate, .seen = take, .arg = c};
	}
	return c;
}

void
capture_free(struct capture *c)
{
	if (!c)
		return;
	caproute_free(&c->routes);
	capseq_free(&c->seqs);
	free(c->run.loss);
	free(c->mem);
	free(c);
}

/* ---- what a trace line says ---- */

/* A key whose number is 0 is none. */
static int
set_number(struct tr_frame *f, const char *key, uint64_t n)
{
	if (n)
		return tr_setu(f, key, n);
	tr_unset(f, key);
	return 0;
}

static int
set_word(struct tr_frame *f, const char *key, const char *word)
{
	if (word)
		return tr_set(f, key, word);
	tr_unset(f, key);
	return 0;
}

int
capture_trace(const struct capture *c, struct tr_frame *trace)
{
	const struct model_info *i = &c->m->info;
	const int drops = (i->flags & MODEL_DROPS) && i->capacity != MODEL_FREE;
	const char *score = i->score == RULES_NONE      ? NULL
			    : i->score == RULES_SIGMOID ? "sigmoid"
							: "softmax";
	int e = tr_set_layers(trace, &i->routed);

	if (e < 0 || (e = tr_setu(trace, "experts", i->experts)) < 0 ||
	    (e = tr_setu(trace, "topk", i->topk)) < 0 ||
	    (e = tr_set(trace, "model", c->m->name)) < 0 ||
	    (e = set_number(trace, "shared", i->shared)) < 0 ||
	    (e = set_word(trace, "score", score)) < 0 ||
	    (e = set_number(trace, "renorm", i->renorm || i->score == RULES_AFTER)) < 0 ||
	    (e = tr_set(trace, "order", "batch,layer")) < 0 ||
	    (e = set_number(trace, "capacity", drops ? i->capacity : 0)) < 0)
		return e;
	return set_word(trace, "dropped",
			!drops                ? NULL
			: c->m->opts.residual ? "residual"
					      : "zero");
}

/* ---- running ---- */

/* The first sequence that no longer runs with first. */
static uint64_t
piece_end(const struct capture *c, uint64_t first)
{
	const struct capseq_side *s = c->seqs.side;
	uint64_t end = first + 1;

	if (!c->opts.rows)
		return c->seqs.n;
	while (end < c->seqs.n && s[0].at[end + 1] - s[0].at[first] <= c->opts.rows &&
	       s[1].at[end + 1] - s[1].at[first] <= c->opts.rows)
		end++;
	return end;
}

int
capture_run(struct capture *c, const struct tr_frame *tok, capture_put *put, void *arg, char *why)
{
	const struct capseq_rule rule = {(c->m->info.flags & MODEL_DECODER) != 0,
					 c->m->opts.decoder,
					 c->opts.generate ? c->m->info.start : MODEL_NOID};
	int r = capseq_read(&c->seqs, tok, &rule, why);

	if (r < 0)
		return r;
	c->tok = *tok;
	free(c->run.loss);
	c->run.loss = NULL;
	if (c->opts.loss && !(c->run.loss = calloc(c->seqs.n + 1, sizeof *c->run.loss)))
		return model_why(why, "no memory"), TR_ENOMEM;
	for (uint64_t i = 0; i < c->routes.n; i++)
		caproute_drop(&c->routes, i);
	c->put = NULL;
	c->arg = arg;
	if (c->seqs.n && piece_end(c, 0) == c->seqs.n && !c->opts.loss && !c->opts.generate) {
		if ((r = put(arg, tok)) < 0)
			return r;
		c->put = put;
		return caprun(&c->run, 0, c->seqs.n, why);
	}
	for (uint64_t i = 0, end; i < c->seqs.n && r == 0; i = end)
		r = caprun(&c->run, i, end = piece_end(c, i), why);
	c->put = put;
	if (r == 0 && c->seqs.nadded && (r = capseq_tok(&c->seqs, tok, &c->out, &c->mem)) < 0)
		model_why(why, "the tok frame grows above the limits");
	if (r == 0)
		r = put(arg, c->seqs.nadded ? &c->out : tok);
	for (uint64_t i = 0; i < c->routes.n && r == 0; i++)
		r = put_layer(c, i);
	return r;
}

int
capture_seq(const struct capture *c, uint64_t i, uint64_t *seq, uint64_t *tokens, double *loss)
{
	const uint64_t *at;

	if (i >= c->seqs.n)
		return 0;
	at = c->seqs.side[CAPSEQ_SOURCE].at;
	*seq = c->seqs.seq[i];
	*tokens = at[i + 1] - at[i];
	*loss = c->run.loss ? c->run.loss[i] : NAN;
	return 1;
}
