#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"
#include "size.h"

struct runs {
	struct run *run;
	int n, cap;
};

int
runs_measured(const char *key)
{
	static const char *const keys[] = {"n",       "moved_bytes", "gbs",   "gibs",
					   "flops",   "tflops",      "check", "plain_gbs",
					   "bus_gbs", "ratio",       "mhz",   "memory_mhz",
					   "celsius", "device",      "driver"};
	size_t n = strlen(key);

	for (size_t i = 0; i < LEN(keys); i++)
		if (!strcmp(key, keys[i]))
			return 1;
	return !strncmp(key, "pct_", 4) || (n > 3 && !strcmp(key + n - 3, "_us"));
}

struct runs *
runs_new(void)
{
	return calloc(1, sizeof(struct runs));
}

static void
run_free(struct run *r)
{
	for (int i = 0; i < r->nkeys; i++) {
		free(r->key[i]);
		free(r->val[i]);
	}
	free(r->key);
	free(r->val);
	free(r->us);
}

void
runs_free(struct runs *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n; i++)
		run_free(&r->run[i]);
	free(r->run);
	free(r);
}

int
runs_count(const struct runs *r)
{
	return r->n;
}

const struct run *
runs_at(const struct runs *r, int i)
{
	return &r->run[i];
}

const char *
run_get(const struct run *r, const char *key)
{
	for (int i = 0; i < r->nkeys; i++)
		if (!strcmp(r->key[i], key))
			return r->val[i];
	return NULL;
}

/* 1: the same keys with the same values; both are by name. */
static int
alike(const struct run *a, const struct run *b)
{
	if (a->nkeys != b->nkeys)
		return 0;
	for (int i = 0; i < a->nkeys; i++)
		if (strcmp(a->key[i], b->key[i]) || strcmp(a->val[i], b->val[i]))
			return 0;
	return 1;
}

static struct run *
find(const struct runs *r, const struct run *like)
{
	for (int i = 0; i < r->n; i++)
		if (alike(&r->run[i], like))
			return &r->run[i];
	return NULL;
}

const struct run *
runs_find(const struct runs *r, const struct run *like)
{
	return find(r, like);
}

/* Put the key in its place by name. */
static int
add_key(struct run *r, const char *key, const char *val)
{
	char *k = strdup(key), *v = strdup(val);
	int i = r->nkeys;

	if (!k || !v) {
		free(k);
		free(v);
		return TR_ENOMEM;
	}
	for (; i > 0 && strcmp(r->key[i - 1], k) > 0; i--) {
		r->key[i] = r->key[i - 1];
		r->val[i] = r->val[i - 1];
	}
	r->key[i] = k;
	r->val[i] = v;
	r->nkeys++;
	return 0;
}

static int
identity(struct run *r, const struct tr_frame *f)
{
	char val[TR_HEADER_MAX];
	int e = 0;

	r->key = calloc((size_t)f->nkeys + 1, sizeof *r->key);
	r->val = calloc((size_t)f->nkeys + 1, sizeof *r->val);
	if (!r->key || !r->val)
		return TR_ENOMEM;
	for (int i = 0; i < f->nkeys && e >= 0; i++) {
		const char *key = f->text + f->keys[i].key;

		if (!runs_measured(key) && (e = tr_text(f, key, val, sizeof val)) >= 0)
			e = add_key(r, key, val);
	}
	return e < 0 ? e : 0;
}

static int
add_samples(struct run *r, const struct tr_col *c)
{
	size_t n = (size_t)c->rows * c->width;
	double *us = realloc(r->us, ((size_t)r->n + n + 1) * sizeof *us);
	int e;

	if (!us)
		return TR_ENOMEM;
	r->us = us;
	if ((e = col_f64(c, 0, n, us + r->n)) < 0)
		return e;
	for (size_t i = 0; i < n; i++)
		if (!(us[(size_t)r->n + i] > 0) || isinf(us[(size_t)r->n + i]))
			return TR_EVALUE;
	r->n += (int)n;
	return 0;
}

int
runs_add(struct runs *r, struct tr_frame *f)
{
	struct run new = {0}, *old;
	struct tr_col c;
	char val[64];
	int e = strcmp(f->kind, "bench") ? 0 : tr_col(f, "us", &c);

	if (e <= 0)
		return e;
	if (!c.rows)
		return 0;
	if ((e = identity(&new, f)) < 0) {
		run_free(&new);
		return e;
	}
	if (r->n == r->cap && !find(r, &new)) {
		struct run *p = realloc(r->run, (size_t)(2 * r->cap + 16) * sizeof *p);

		if (!p) {
			run_free(&new);
			return TR_ENOMEM;
		}
		r->run = p;
		r->cap = 2 * r->cap + 16;
	}
	if ((old = find(r, &new))) {
		run_free(&new);
	} else {
		new.place = r->n;
		r->run[r->n] = new;
		old = &r->run[r->n++];
	}
	if (tr_text(f, "moved_bytes", val, sizeof val) > 0)
		old->moved = strtod(val, NULL);
	e = add_samples(old, &c);
	return e < 0 ? e : 1;
}
