#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "size.h"
#include "summary.h"

enum { BINS = 10 };

struct record { /* one batch at one layer */
	uint64_t section, batch, layer, tokens;
};

struct layer {
	uint64_t layer, *count;
};

struct summary {
	struct record *record;
	size_t n, cap;
	struct layer *layer; /* ascending */
	size_t nlayer;
	uint64_t section, experts;
	char *text;
	size_t ntext, captext;
	int nomem;
};

struct summary *
summary_new(void)
{
	return calloc(1, sizeof(struct summary));
}

void
summary_free(struct summary *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nlayer; i++)
		free(s->layer[i].count);
	free(s->layer);
	free(s->record);
	free(s);
}

void
summary_section(struct summary *s)
{
	s->section++;
}

static struct layer *
layer_of(struct summary *s, uint64_t number)
{
	size_t k = s->nlayer;
	void *p;

	while (k > 0 && s->layer[k - 1].layer > number)
		k--;
	if (k > 0 && s->layer[k - 1].layer == number)
		return &s->layer[k - 1];
	if (!(p = realloc(s->layer, (s->nlayer + 1) * sizeof *s->layer)))
		return NULL;
	s->layer = p;
	memmove(&s->layer[k + 1], &s->layer[k], (s->nlayer++ - k) * sizeof *s->layer);
	s->layer[k].layer = number;
	s->layer[k].count = calloc(s->experts + 1, sizeof(uint64_t));
	return s->layer[k].count ? &s->layer[k] : NULL;
}

int
summary_add(struct summary *s, const struct tr_frame *f, const struct tr_ids *ids, uint64_t experts)
{
	struct record r = {s->section, tr_get(f, "batch", 0), tr_get(f, "layer", 0), f->rows};
	struct record *last = s->n ? &s->record[s->n - 1] : NULL;
	struct layer *l;

	s->experts = experts;
	if (!(l = layer_of(s, r.layer)))
		return TR_ENOMEM;
	load_count(ids, ids->k, NULL, (uint32_t)experts, l->count);
	if (last && last->section == r.section && last->batch == r.batch &&
	    last->layer == r.layer) {
		last->tokens += r.tokens;
		return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		void *p = realloc(s->record, cap * sizeof *s->record);

		if (!p)
			return TR_ENOMEM;
		s->record = p;
		s->cap = cap;
	}
	s->record[s->n++] = r;
	return 0;
}

__attribute__((format(printf, 2, 3))) static void
say(struct summary *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (s->ntext + (size_t)n + 1 > s->captext) {
		size_t cap = 2 * s->captext + (size_t)n + 1024;
		char *p = realloc(s->text, cap);

		if (!p) {
			s->nomem = 1;
			return;
		}
		s->text = p;
		s->captext = cap;
	}
	va_start(ap, fmt);
	vsnprintf(s->text + s->ntext, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->ntext += (size_t)n;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Element round_half_even(p (n - 1)), from 0, of sorted values. */
static double
at(const double *v, size_t n, double p)
{
	return n ? v[(size_t)nearbyint(p * (double)(n - 1))] : 0;
}

static void
percentiles(struct summary *s, double *v, size_t n, const char *fmt)
{
	static const struct {
		const char *name;
		double p;
	} of[] = {{"min", 0}, {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};

	if (n)
		qsort(v, n, sizeof *v, by_value);
	for (size_t i = 0; i < LEN(of); i++) {
		char num[64];

		snprintf(num, sizeof num, fmt[0] == 'd' ? "%.0f" : "%.4f", at(v, n, of[i].p));
		say(s, "%s%s: %s", "  ", of[i].name, num);
	}
	say(s, "\n");
}

static int
by_sample(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return (x->batch > y->batch) - (x->batch < y->batch);
}

static size_t
samples(struct summary *s)
{
	const struct record **r = malloc((s->n + 1) * sizeof *r);
	size_t n = 0;

	if (!r) {
		s->nomem = 1;
		return 0;
	}
	for (size_t i = 0; i < s->n; i++)
		r[i] = &s->record[i];
	if (s->n)
		qsort(r, s->n, sizeof *r, by_sample);
	for (size_t i = 0; i < s->n; i++)
		n += !i || by_sample(&r[i - 1], &r[i]);
	free(r);
	return n;
}

static void
histogram(struct summary *s, const double *v, uint32_t copies, double lo, double hi)
{
	size_t n[BINS] = {0};
	double width = (hi - lo) / BINS, factor = (double)copies / 100;

	for (uint32_t e = 0; e < copies; e++) {
		size_t b = width > 0 ? (size_t)((v[e] - lo) / width) : 0;

		n[MIN(b, (size_t)BINS - 1)]++;
	}
	for (int b = 0; b < BINS; b++) {
		double x = lo + width * b, y = b + 1 < BINS ? lo + width * (b + 1) : hi;

		say(s, "%s[%.2f, %.2f) CF [%.2f, %.2f)=%zu", b ? " " : "", x, y, x * factor,
		    y * factor, n[b]);
	}
	say(s, "\n");
}

char *
summary_text(struct summary *s, const struct split *o)
{
	size_t room = s->experts + o->slots;
	double *v = malloc((MAX(s->n, s->nlayer * room) + 1) * sizeof *v);
	double *most = malloc((s->nlayer + 1) * sizeof *most), lo = INFINITY, hi = 0;
	uint32_t *expert = malloc((room + 1) * sizeof *expert), copies = 0;

	if (!v || !most || !expert) {
		free(v);
		free(most);
		free(expert);
		return NULL;
	}
	say(s, "trace summary\n  records: %zu\n  samples (unique request_id): %zu\n", s->n,
	    samples(s));
	say(s, "sequence length distribution\n");
	for (size_t i = 0; i < s->n; i++)
		v[i] = (double)s->record[i].tokens;
	percentiles(s, v, s->n, "d");
	say(s, "max expert frequency per layer (%%)\n");
	for (size_t i = 0; i < s->nlayer; i++) {
		double *x = v + i * room;

		copies = split_percent(o, s->layer[i].count, (uint32_t)s->experts, x, expert);
		most[i] = 0;
		for (uint32_t e = 0; e < copies; e++) {
			most[i] = MAX(most[i], x[e]);
			lo = MIN(lo, x[e]);
			hi = MAX(hi, x[e]);
		}
	}
	percentiles(s, most, s->nlayer, "f");
	say(s, "per-layer expert frequency histogram (%% of activations)\n");
	for (size_t i = 0; i < s->nlayer; i++) {
		say(s, "  layer %llu: ", (unsigned long long)s->layer[i].layer);
		histogram(s, v + i * room, copies, lo, hi);
	}
	free(v);
	free(most);
	free(expert);
	if (s->nomem) {
		free(s->text);
		s->text = NULL;
	}
	return s->text;
}
