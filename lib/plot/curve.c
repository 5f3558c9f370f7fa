#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curve.h"
#include "moetrace.h"
#include "size.h"

enum { KEYS = 64 };

int
curve_add(struct curve *c, double x, double y)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		double *p;

		if (!(p = realloc(c->x, cap * sizeof *p)))
			return TR_ENOMEM;
		c->x = p;
		if (!(p = realloc(c->y, cap * sizeof *p)))
			return TR_ENOMEM;
		c->y = p;
		c->cap = cap;
	}
	c->x[c->n] = x;
	c->y[c->n++] = y;
	return 0;
}

void
curve_tag(struct curve *c, const char *key, const char *val, int inner, int plain)
{
	struct curve_tag *tag;

	if (c->ntag == CURVE_TAGS)
		return;
	tag = &c->tag[c->ntag++];
	snprintf(tag->key, sizeof tag->key, "%s", key);
	snprintf(tag->val, sizeof tag->val, "%s", val);
	tag->inner = inner;
	tag->plain = plain;
}

void
curve_free(struct curve *c)
{
	free(c->x);
	free(c->y);
	memset(c, 0, sizeof *c);
}

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
falling_too(const void *a, const void *b)
{
	return rising(b, a);
}

void
curve_sort(struct curve *c, int falling)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->y[i] - c->y[i] == 0)
			c->y[n++] = c->y[i];
	c->n = n;
	if (n)
		qsort(c->y, n, sizeof *c->y, falling ? falling_too : rising);
	for (size_t i = 0; i < n; i++)
		c->x[i] = (double)(i + 1);
}

static double
sum_of(const struct curve *c)
{
	double sum = 0;

	for (size_t i = 0; i < c->n; i++)
		sum += c->y[i] - c->y[i] == 0 ? c->y[i] : 0;
	return sum;
}

void
curve_share(struct curve *c)
{
	double sum = sum_of(c);

	for (size_t i = 0; i < c->n; i++)
		c->y[i] = sum > 0 ? 100 * c->y[i] / sum : 0 * c->y[i];
}

void
curve_cumulate(struct curve *c)
{
	double sum = sum_of(c), so_far = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->y[i] - c->y[i] != 0)
			continue;
		so_far += c->y[i];
		c->y[i] = sum > 0 ? 100 * so_far / sum : 0;
	}
}

double
curve_at(const struct curve *c, double x)
{
	double y = 0;

	for (size_t i = 0; i < c->n && c->x[i] <= x; i++)
		y = c->y[i];
	return y;
}

static const struct curve_tag *
find(const struct curve *c, const char *key)
{
	for (int i = 0; i < c->ntag; i++)
		if (!strcmp(c->tag[i].key, key))
			return &c->tag[i];
	return NULL;
}

static int
alike(const struct curve *a, const struct curve *b, const char *key)
{
	const struct curve_tag *x = find(a, key), *y = find(b, key);

	return x && y ? !strcmp(x->val, y->val) : x == y;
}

static int
differs(const struct curve *c, size_t n, const char *key)
{
	size_t i = 1;

	while (i < n && alike(&c[0], &c[i], key))
		i++;
	return i < n;
}

/* Are there two files of the same model and part? */
static int
need_file(const struct curve *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (!alike(&c[i], &c[j], "file") && alike(&c[i], &c[j], "model") &&
			    alike(&c[i], &c[j], "run") && alike(&c[i], &c[j], "part"))
				return 1;
	return 0;
}

/* The keys of all, in the order they come; their number. */
static size_t
all_keys(const struct curve *c, size_t n, const char **key)
{
	size_t nkey = 0, k;

	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < c[i].ntag; j++) {
			for (k = 0; k < nkey && strcmp(key[k], c[i].tag[j].key) != 0; k++)
				;
			if (k == nkey && nkey < KEYS)
				key[nkey++] = c[i].tag[j].key;
		}
	return nkey;
}

static void
join(char *to, size_t size, const struct curve_tag *tag)
{
	size_t n = strlen(to);

	snprintf(to + n, size - n, "%s%s%s%s", n ? " " : "", tag->plain ? "" : tag->key,
		 tag->plain ? "" : "=", tag->val);
}

void
curve_names(struct curve *c, size_t n)
{
	const char *key[KEYS];
	size_t nkey = all_keys(c, n, key);

	for (size_t k = 0; k < nkey; k++) {
		if (!differs(c, n, key[k]) || (!strcmp(key[k], "file") && !need_file(c, n)))
			continue;
		for (size_t i = 0; i < n; i++) {
			const struct curve_tag *tag = find(&c[i], key[k]);

			if (tag && tag->inner)
				join(c[i].name, sizeof c[i].name, tag);
			else if (tag)
				join(c[i].group_name, sizeof c[i].group_name, tag);
		}
	}
}
