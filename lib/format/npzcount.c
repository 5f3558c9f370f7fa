/* Matrices of counts, see npzcount.h. */
#include "npzcount.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int __attribute__((format(printf, 3, 4)))
fail(struct npzsect *s, const struct npzfile *f, const char *fmt, ...)
{
	char why[NPZSECT_ERR / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	snprintf(s->err, sizeof s->err, "%s: %s", f->name, why);
	return -1;
}

/* The one matrix of the file. */
static const struct array *
matrix(struct npzsect *s, const struct npzfile *f, const struct array_list *l)
{
	const struct array *a = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (l->a[i].ndim != 2)
			continue;
		if (a) {
			fail(s, f, "two matrices, %s and %s: give one as NPY", a->path,
			     l->a[i].path);
			return NULL;
		}
		a = &l->a[i];
	}
	if (!a || !array_count(a))
		fail(s, f, "no counts of layers x experts in it");
	return a && array_count(a) ? a : NULL;
}

/* The trace frame; all files have the shape of the first. */
static int
begin(struct npzsect *s, const struct npzfile *f, const struct array *a, uint64_t k)
{
	struct tr_list map = {0};
	struct tr_frame head;
	int r = 0;

	if (s->layers)
		return a->dim[0] == s->layers && a->dim[1] == s->experts
			       ? 0
			       : fail(s, f,
				      "%" PRIu64 " x %" PRIu64 " counts, but %" PRIu64 " x %" PRIu64
				      " in the file before",
				      a->dim[0], a->dim[1], s->layers, s->experts);
	if (a->dim[0] > 65536 || a->dim[1] > TR_EXPERTS_MAX || k > a->dim[1])
		return fail(s, f,
			    "%" PRIu64 " layers of %" PRIu64 " experts, %" PRIu64 " picks a token",
			    a->dim[0], a->dim[1], k);
	s->layers = a->dim[0];
	s->experts = a->dim[1];
	for (uint64_t i = 0, n; (n = tr_list_at(&s->want, i)) != TR_NONE; i++)
		if (n < s->offset || n >= s->offset + s->layers)
			return fail(s, f,
				    "there is no layer %" PRIu64 ", only %" PRIu64 " to %" PRIu64,
				    n, s->offset, s->offset + s->layers - 1);
	for (uint64_t i = 0; i < s->layers && r == 0; i++)
		if (tr_list_has(&s->want, s->offset + i))
			r = tr_list_add(&map, s->offset + i);
	if (r == 0)
		r = tr_new_trace(&head, &map, s->experts, k);
	tr_list_free(&map);
	return r < 0 ? fail(s, f, "the layers do not fit a header") : s->put(s->arg, &head);
}

static int
put_layer(struct npzsect *s, const struct npzfile *f, const struct array *a, uint64_t i, int64_t *n,
	  uint64_t k)
{
	uint64_t picks = 0;
	struct tr_frame g;

	if (array_i64(a, i, 1, n) < 0)
		return fail(s, f, "row %" PRIu64 ": a value that is no count", i);
	for (uint64_t e = 0; e < s->experts; e++) {
		if (n[e] < 0)
			return fail(s, f,
				    "row %" PRIu64 ", column %" PRIu64 ": %" PRId64 " is no count",
				    i, e, n[e]);
		if (__builtin_add_overflow(picks, (uint64_t)n[e], &picks))
			return fail(s, f, "row %" PRIu64 ": more than 2^64 picks", i);
	}
	tr_new(&g, "count");
	tr_setu(&g, "layer", s->offset + i);
	tr_setu(&g, "n_tokens", picks / k + (picks % k > 0));
	tr_rows(&g, s->experts);
	tr_addcol(&g, "n", TR_U64, 1, n);
	return s->put(s->arg, &g);
}

int
npzcount_put(struct npzsect *s, const struct npzfile *f, uint64_t k)
{
	struct array_list l = {0};
	const struct array *a = NULL;
	int64_t *n = NULL;
	int r = -1;

	switch (array_sniff(f->p, f->n, l.err)) {
	case ARRAY_NPY:
	case ARRAY_NPZ:
		if (array_read(&l, f->p, f->n, &s->o) < 0)
			fail(s, f, "%s", l.err);
		else
			a = matrix(s, f, &l);
		break;
	default:
		fail(s, f, "%s", *l.err ? l.err : "no NPZ or NPY file: pt2trace reads it");
	}
	if (a)
		r = begin(s, f, a, k);
	if (r >= 0 && !(n = malloc(s->experts * sizeof *n)))
		r = fail(s, f, "no memory");
	for (uint64_t i = 0; r >= 0 && i < s->layers; i++)
		if (tr_list_has(&s->want, s->offset + i))
			r = put_layer(s, f, a, i, n, k);
	free(n);
	array_free(&l);
	return r < 0 ? -1 : 0;
}
