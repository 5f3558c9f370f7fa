/* The shapes that count as routing, found by name, type and shape. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptroute.h"

static int err_set(struct gates *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
err_set(struct gates *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->err, sizeof g->err, fmt, ap);
	va_end(ap);
	return -1;
}

static int
is_float(const struct array *a)
{
	return a->type >= ARRAY_F16 && a->type <= ARRAY_F64;
}

static int
is_int(const struct array *a)
{
	return a->type > ARRAY_BOOL && a->type < ARRAY_F16;
}

static const char *
last_part(const char *path)
{
	const char *s = strrchr(path, '.');

	return s ? s + 1 : path;
}

static int
siblings(const struct array *a, const struct array *b)
{
	size_t n = (size_t)(last_part(a->path) - a->path);

	return n == (size_t)(last_part(b->path) - b->path) && !memcmp(a->path, b->path, n);
}

static int
is_pair(const struct array *w, const struct array *ids)
{
	const char *a = last_part(w->path), *b = last_part(ids->path);

	if (!siblings(w, ids) || !is_float(w) || !is_int(ids))
		return 0;
	return ((!strcmp(a, "scores") || !strcmp(a, "values")) && !strcmp(b, "indices")) ||
	       (!strcmp(a, "0") && !strcmp(b, "1"));
}

static struct gate *
add(struct gates *g)
{
	struct gate *q = realloc(g->g, (g->n + 1) * sizeof *q);

	if (!q) {
		err_set(g, "no memory");
		return NULL;
	}
	g->g = q;
	q = &g->g[g->n++];
	memset(q, 0, sizeof *q);
	return q;
}

/* The number that the path up to end closes with; or a "layer" beside it. */
static void
number(struct gate *q, const struct array_list *l, const char *path, size_t end, int pair)
{
	const struct array_scalar *s;
	char name[1100];
	size_t i = end;

	if (pair && end < sizeof name - 8) {
		snprintf(name, sizeof name, "%.*s%slayer", (int)end, path, end ? "." : "");
		if ((s = array_scalar(l, name)) && !s->is_text && s->i >= 0) {
			q->layer = (uint64_t)s->i;
			q->has_layer = 1;
			return;
		}
	}
	while (i && path[i - 1] >= '0' && path[i - 1] <= '9')
		i--;
	for (; i < end && end - i < 8; i++)
		q->layer = q->layer * 10 + (uint64_t)(path[i] - '0');
}

static int
pair(struct gates *g, const struct array_list *l, const struct array *w, const struct array *ids)
{
	const char *s = last_part(w->path);
	size_t end = (size_t)(s - w->path);
	struct gate *q;

	if (w->ndim != 2 || ids->ndim != 2 || w->dim[0] != ids->dim[0] || w->dim[1] != ids->dim[1])
		return err_set(g, "%s and %s are not both rows x k", w->path, ids->path);
	if (!(q = add(g)))
		return -1;
	q->kind = GATE_PAIR;
	q->rows = w->dim[0];
	q->width = w->dim[1];
	q->w = *w;
	q->ids = *ids;
	number(q, l, w->path, end ? end - 1 : 0, 1);
	return 0;
}

static int
alone(struct gates *g, const struct array_list *l, const struct array *a, int logits)
{
	uint64_t layers = a->ndim == 3 ? a->dim[1] : 1;
	struct gate *q;

	if (!(is_float(a) && a->ndim == 2) && !(is_int(a) && (a->ndim == 2 || a->ndim == 3)))
		return err_set(g, "%s: %s in %d dimensions is no routing", a->path, a->dtype,
			       a->ndim);
	if (layers > 65536)
		return err_set(g, "%s: %llu layers", a->path, (unsigned long long)layers);
	for (uint64_t i = 0; i < layers; i++) {
		if (!(q = add(g)))
			return -1;
		q->kind = is_int(a) ? GATE_IDS : logits ? GATE_LOGITS : GATE_DENSE;
		q->rows = a->dim[0];
		if (a->ndim == 2) {
			q->width = a->dim[1];
			q->w = q->ids = *a;
			number(q, l, a->path, strlen(a->path), 0);
			continue;
		}
		q->width = a->dim[2];
		q->layer = i;
		q->ids = *a;
		q->ids.ndim = 2;
		q->ids.dim[1] = a->dim[2];
		q->ids.stride[1] = a->stride[2];
		if (q->rows && q->width)
			q->ids.data += i * a->stride[1] * a->size;
	}
	return 0;
}

int
gates_find(struct gates *g, const struct array_list *l, int logits)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct array *a = &l->a[i], *b = NULL;
		size_t j;

		if (!strcmp(last_part(a->path), "samples") && is_int(a)) {
			g->samples = a;
			continue;
		}
		for (j = 0; j < l->n && !b; j++)
			if (is_pair(a, &l->a[j]))
				b = &l->a[j];
		if (b) {
			if (pair(g, l, a, b))
				return -1;
			continue;
		}
		for (j = 0; j < l->n && !b; j++)
			if (is_pair(&l->a[j], a))
				b = a;
		if (!b && alone(g, l, a, logits))
			return -1;
		if (g->n > 4096)
			return err_set(g, "more than 4096 layers");
	}
	return g->n ? 0 : err_set(g, "no routing in it (trace-info lists what there is)");
}

void
gates_free(struct gates *g)
{
	free(g->g);
}

struct array
array_rows(const struct array *a, uint64_t first, uint64_t step, uint64_t n)
{
	struct array v = *a;

	if (n)
		v.data += first * a->stride[0] * a->size;
	v.stride[0] *= step;
	v.dim[0] = n;
	return v;
}

int64_t
gate_pick(const float *row, uint64_t experts, uint64_t k, int64_t *id, float *w)
{
	int64_t found = 0;
	uint64_t n = 0, i;

	for (uint64_t e = 0; e < experts; e++) {
		float x = row[e];

		if (x == 0)
			continue;
		if (!(x > 0) || !isfinite(x))
			return -1 - (int64_t)e;
		found++;
		if (n == k && (!k || x <= w[n - 1]))
			continue;
		if (n < k)
			n++;
		for (i = n - 1; i && w[i - 1] < x; i--) {
			w[i] = w[i - 1];
			id[i] = id[i - 1];
		}
		w[i] = x;
		id[i] = (int64_t)e;
	}
	return found;
}
