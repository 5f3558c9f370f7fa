#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hists.h"
#include "num.h"
#include "size.h"

/* All numbers of a column, or of the key that stands for it: 1, and *v is the
 * caller's; 0 neither; TR_E.... */
static int
numbers(struct tr_frame *f, const char *name, double **v, uint32_t *width)
{
	const char *text;
	struct tr_col c;
	size_t n;
	int r = tr_col(f, name, &c);

	*v = NULL;
	*width = 1;
	if (r < 0)
		return r;
	if (!r && tr_key(f, name, &text) <= 0)
		return 0;
	if (r)
		*width = c.width;
	if (size_mul(f->rows, *width, &n) < 0 || !(*v = calloc(n + 1, sizeof **v)))
		return TR_ENOMEM;
	if (r)
		return (r = col_f64(&c, 0, n, *v)) < 0 ? r : 1;
	for (size_t i = 0; i < n || !i; i++)
		if ((r = num_f64(text, text + strlen(text), &(*v)[i])) < 0)
			return TR_EVALUE;
	return 1;
}

static uint64_t
number(const double *v, uint64_t row)
{
	return v && v[row] >= 0 ? (uint64_t)v[row] : TR_NONE;
}

enum { N, LO, HI, X, Y, LAW, EXPERT, K, RANK, COLUMNS };

struct columns {
	double *v[COLUMNS];
	uint32_t width[COLUMNS];
};

void
hists_set(const struct tr_frame *f, char *set, size_t size)
{
	if (tr_text(f, "dataset", set, size) <= 0)
		tr_text(f, "part", set, size);
}

static void
head(struct panel *p, const struct tr_frame *f)
{
	p->facts = (struct facts){.layer = tr_get(f, "layer", TR_NONE),
				  .trim = tr_get(f, "trim", 0),
				  .expert = TR_NONE,
				  .k = TR_NONE,
				  .rank = TR_NONE};
	tr_text(f, "of", p->facts.of, sizeof p->facts.of);
	tr_text(f, "by", p->by, sizeof p->by);
	hists_set(f, p->set, sizeof p->set);
	tr_text(f, "dataset", p->facts.dataset, sizeof p->facts.dataset);
	tr_text(f, "model", p->facts.model, sizeof p->facts.model);
	snprintf(p->x, sizeof p->x, "%s", *p->facts.of ? p->facts.of : "value");
}

/* "layer 3 rank 2 expert 17" */
static void
name(struct panel *p)
{
	const struct {
		const char *what;
		uint64_t n;
	} part[] = {{"layer", p->facts.layer},
		    {"k", p->facts.k},
		    {"rank", p->facts.rank},
		    {"expert", p->facts.expert},
		    {"trim", p->facts.trim ? p->facts.trim : TR_NONE}};
	size_t n = 0;

	for (size_t i = 0; i < LEN(part); i++)
		if (part[i].n != TR_NONE)
			n += (size_t)snprintf(p->title + n, sizeof p->title - n, "%s%s %llu",
					      n ? " " : "", part[i].what,
					      (unsigned long long)part[i].n);
	if (!n)
		snprintf(p->title, sizeof p->title, "all layers");
}

static double *
copy(const double *v, size_t n)
{
	double *to = malloc((n + 1) * sizeof *to);

	return to ? memcpy(to, v, n * sizeof *to) : NULL;
}

static int
row(struct panel *p, const struct columns *c, uint64_t r, size_t bins)
{
	double hi = c->v[HI][r];

	p->facts.expert = number(c->v[EXPERT], r);
	p->facts.k = number(c->v[K], r);
	p->facts.rank = number(c->v[RANK], r);
	p->v = copy(c->v[N] + r * bins, bins);
	p->bars = (struct bars){.n = bins,
				.v = p->v,
				.from = c->v[LO][r],
				.width = (hi - c->v[LO][r]) / (double)bins};
	if (!p->v)
		return TR_ENOMEM;
	if (c->v[LAW] && !(p->bars.law = p->law = copy(c->v[LAW] + r * bins, bins)))
		return TR_ENOMEM;
	if (c->v[X] && c->v[Y]) {
		size_t n = c->width[X];

		p->bars.cx = p->cx = copy(c->v[X] + r * n, n);
		p->bars.cy = p->cy = copy(c->v[Y] + r * n, n);
		if (!p->cx || !p->cy)
			return TR_ENOMEM;
		p->bars.ncurve = p->cx[0] == p->cx[0] ? n : 0;
	}
	return 0;
}

/* Frames without by have a row a bin, or an expert. */
static int
shape(struct tr_frame *f, struct columns *c, char why[NAMING_ERR])
{
	static const char *const column[] = {"n",   "lo",     "hi", "x",   "y",
					     "law", "expert", "k",  "rank"};
	int r = 0;

	for (int i = 0; i < COLUMNS && r >= 0; i++)
		if ((r = numbers(f, column[i], &c->v[i], &c->width[i])) < 0)
			snprintf(why, NAMING_ERR, "@hist: %s is no numbers", column[i]);
	if (r < 0)
		return r;
	snprintf(why, NAMING_ERR, "@hist: its columns do not go together");
	if (!c->v[N] || !c->v[LO] || !c->v[HI] || c->width[X] != c->width[Y])
		return TR_EVALUE;
	for (int i = EXPERT; i < COLUMNS; i++)
		if (c->width[i] != 1)
			return TR_EVALUE;
	if (c->v[LAW] && c->width[LAW] != c->width[N])
		return TR_EVALUE;
	for (uint64_t i = 0; i < f->rows; i++)
		if (!(c->v[LO][i] < c->v[HI][i]))
			return TR_EVALUE;
	return 0;
}

int
hists_read(struct tr_frame *f, struct panel **panel, size_t *n, char why[NAMING_ERR])
{
	struct columns c = {0};
	int r = shape(f, &c, why), single = 0;
	uint64_t rows = 0;
	const char *by;

	if (!r && f->rows) {
		single = c.width[N] == 1 && tr_key(f, "by", &by) <= 0;
		rows = single ? 1 : f->rows;
	}
	if (rows) {
		struct panel *p = realloc(*panel, (*n + rows) * sizeof *p);

		*panel = p ? p : *panel;
		r = p ? 0 : TR_ENOMEM;
	}
	for (uint64_t i = 0; !r && i < rows; i++) {
		struct panel *p = memset(*panel + (*n)++, 0, sizeof *p);

		head(p, f);
		r = row(p, &c, i, single ? f->rows : c.width[N]);
		if (!single && !*p->by) /* --experts */
			p->facts.expert = tr_get(f, "row0", 0) + i;
		name(p);
	}
	for (int i = 0; i < COLUMNS; i++)
		free(c.v[i]);
	return r;
}

int
hists_alike(const struct panel *a, const struct panel *b)
{
	const struct facts *f = &a->facts, *g = &b->facts;

	return f->layer == g->layer && f->expert == g->expert && f->k == g->k &&
	       f->rank == g->rank && f->trim == g->trim && !strcmp(f->of, g->of) &&
	       !strcmp(a->by, b->by);
}

void
panel_free(struct panel *p)
{
	free(p->v);
	free(p->cx);
	free(p->cy);
	free(p->law);
	free(p->label);
}
