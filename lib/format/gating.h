/*
 * Lists of GatingDataPoints as pickles (collection.md 2): a Python list of dicts of numpy
 * arrays, a dict for what one layer did with one sample.
 */
#ifndef GATING_H
#define GATING_H

#include <stddef.h>
#include <stdint.h>

enum { GATING_ERR = 256 };

struct gating {
	uint64_t layer, rows, experts, topk, d; /* d: width of hidden, 0: none */
	int synthetic;
	const char *dataset, *sample; /* UTF-8, "": none */
	const float *routing;         /* [rows][experts], probabilities */
	const int64_t *ids;           /* [rows][topk], -1: no pick */
	const int64_t *tokens;        /* [rows], NULL: none */
	const float *hidden;          /* [rows][d] */
};

/* ---- reading ---- */

struct gating_list;

/* The list that the n bytes at p hold; they must outlive it.  NULL and why: another thing,
 * shapes that do not fit, or logs of those versions of Transformers that kept no logits: of one
 * expert, or all of whose picks are 0. */
struct gating_list *gating_read(const unsigned char *p, size_t n, char why[GATING_ERR]);
void gating_free(struct gating_list *l); /* NULL is fine */
size_t gating_count(const struct gating_list *l);
uint64_t gating_layer(const struct gating_list *l, size_t i);
/* Record i, its arrays lent until the next call: 0, or -1 and why. */
int gating_get(struct gating_list *l, size_t i, struct gating *g, char why[GATING_ERR]);

/* ---- writing ---- */

/* {0} at first; drain after each call takes the n bytes at p, then sets n to 0. */
struct gating_out {
	unsigned char *p;
	size_t n, cap;
	int begun;
	uint64_t memo; /* bits of what was written once */
};

/* Append a record, protocol 4.  Without tokens they are None, as hidden is.  0, or -1 no memory. */
int gating_put(struct gating_out *o, const struct gating *g);
int gating_end(struct gating_out *o); /* also of an empty list */
void gating_out_free(struct gating_out *o);

#endif
