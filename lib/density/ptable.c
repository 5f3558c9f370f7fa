/* p-values from a table; router-analysis.md section 3. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expd.h"
#include "num.h"
#include "ptable.h"
#include "size.h"
#include "vectors.h"

enum { STENCIL = 6 };

/* Logarithms of a gaussian's tails, above a grid's end and below its start: so fine that a
 * polynomial through STENCIL of them has the digits that they have. */
struct ptail {
	struct ptail *next;
	uint64_t layer, trim;
	double h, scale; /* the bandwidth; points per unit */
	uint64_t n[2];   /* points before what is no normal number */
	double *ln[2];
};

/* How far rounding may lift a survival, or lower a cdf, from point to point. */
static const double slack = 1e-9;

static int
column(struct tr_frame *f, const char *name, double **to)
{
	struct tr_col c;
	int r = tr_col(f, name, &c);

	if (r < 0)
		return r;
	if (r == 0 || c.width != 1)
		return TR_ECOLS;
	if (!(*to = malloc((c.rows + 1) * sizeof **to)))
		return TR_ENOMEM;
	return col_f64(&c, 0, c.rows, *to) < 0 ? TR_EVALUE : 0;
}

static const char *
wrong(const struct ptable *t)
{
	double sign = t->interp ? 1 : -1;

	if (t->n < 2)
		return "fewer than two points";
	for (uint64_t i = 0; i < t->n; i++) {
		if (!isfinite(t->x[i]) || (i && !(t->x[i] > t->x[i - 1])))
			return "x does not ascend";
		if (!(t->y[i] >= 0 && t->y[i] <= 1 + slack))
			return "a probability beyond 0 and 1";
		if (i && sign * (t->y[i] - t->y[i - 1]) < -slack)
			return t->interp ? "cdf falls" : "sf rises";
	}
	return isfinite(t->x[t->n - 1] - t->x[0]) ? NULL : "x spans too much";
}

/* Cells per unit of x, or 0 where a point is further from an even grid than slack of a cell. */
static double
even(const double *x, uint64_t n, double slack)
{
	double step = (x[n - 1] - x[0]) / (double)(n - 1);

	for (uint64_t i = 0; i < n; i++)
		if (!(fabs(x[i] - x[0] - step * (double)i) < slack * step))
			return 0;
	return 1 / step;
}

/* The bandwidth of a gaussian frame, or 0. */
static double
bandwidth(const struct tr_frame *f)
{
	char kernel[16] = "", text[40] = "", *end;
	double h;

	if (tr_text(f, "kernel", kernel, sizeof kernel) <= 0 || strcmp(kernel, "gaussian") ||
	    tr_text(f, "bandwidth", text, sizeof text) <= 0)
		return 0;
	h = strtod(text, &end);
	return !*end && h > 0 ? h : 0;
}

/* Of the logarithm, where the frame tells the density; and how a gaussian tail goes on. */
static int
slopes(struct ptable *t, struct tr_frame *f)
{
	int r = column(f, "pdf", &t->fall);

	if (r == TR_ECOLS)
		return 0;
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < t->n; i++) {
		if (!(t->fall[i] >= 0 && t->fall[i] - t->fall[i] == 0))
			return TR_EVALUE;
		t->fall[i] = t->y[i] > 0 ? t->fall[i] / t->y[i] : 0;
	}
	t->h = bandwidth(f);
	t->bend = t->h > 0 ? 1 / (t->h * t->h) : 0;
	return 0;
}

/* ln y in each cell: with the slopes of its ends, or straight. */
static int
cubics(struct ptable *t)
{
	uint64_t n = t->n - 1;

	if (!(t->cubic = malloc(n * sizeof *t->cubic)))
		return TR_ENOMEM;
	for (uint64_t i = 0; i < n; i++) {
		double w = t->x[i + 1] - t->x[i], rise = t->ln[i + 1] - t->ln[i];
		double p = t->fall ? -t->fall[i] * w : rise,
		       q = t->fall ? -t->fall[i + 1] * w : rise;

		/* a cell that ends at 0 has no logarithm */
		memcpy(t->cubic[i],
		       (double[]){t->y[i] > 0 && t->y[i + 1] > 0 ? t->ln[i] : NAN, p,
				  3 * rise - 2 * p - q, p + q - 2 * rise},
		       sizeof t->cubic[i]);
	}
	return 0;
}

int
ptable_open(struct ptable *t, struct tr_frame *f, int interp, const char **why)
{
	int r;

	memset(t, 0, sizeof *t);
	t->interp = interp;
	t->n = f->rows;
	t->trim = tr_get(f, "trim", 0);
	*why = "no column x";
	if ((r = column(f, "x", &t->x)) == 0) {
		*why = interp ? "no column cdf" : "no column sf (--compat interp reads cdf)";
		r = column(f, interp ? "cdf" : "sf", &t->y);
	}
	if (r == TR_EVALUE)
		*why = "a column that is no numbers";
	if (r == 0 && (*why = wrong(t)))
		r = TR_EVALUE;
	if (r == 0 && !interp && !(t->ln = malloc(t->n * sizeof *t->ln)))
		r = TR_ENOMEM;
	if (r < 0) {
		ptable_free(t);
		return r;
	}
	for (uint64_t i = 0; t->ln && i < t->n; i++)
		t->ln[i] = t->y[i] > 0 ? num_log(t->y[i]) : -INFINITY;
	t->scale = even(t->x, t->n, 0.25); /* cell() mends the rest */
	t->even = t->n < INT32_MAX && even(t->x, t->n, 1e-9) > 0;
	if (t->ln && (r = slopes(t, f)) < 0) {
		*why = "a column pdf that is no density";
		ptable_free(t);
		return r;
	}
	if (t->ln && cubics(t) < 0) {
		ptable_free(t);
		return TR_ENOMEM;
	}
	return 0;
}

void
ptable_free(struct ptable *t)
{
	free(t->x);
	free(t->y);
	free(t->ln);
	free(t->fall);
	free(t->cubic);
	memset(t, 0, sizeof *t);
}

/* The cell of x, which lies within the grid. */
static uint64_t
cell(const struct ptable *t, double x)
{
	uint64_t lo = 0, hi = t->n - 1;

	if (t->scale > 0) {
		double g = (x - t->x[0]) * t->scale;

		lo = g < (double)(hi - 1) ? (uint64_t)g : hi - 1;
		while (lo && x < t->x[lo])
			lo--;
		while (lo + 1 < hi && x >= t->x[lo + 1])
			lo++;
		return lo;
	}
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (t->x[mid] <= x)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static double
between(double a, double b, double w, double x)
{
	return (b - a) / w * x + a;
}

/* ln y at u, 0 to 1, in a cell, -746 where y is 0 as a double; NaN where it has none. */
static inline double
ln_in(const double c[4], double u)
{
	double ln = c[0] + u * (c[1] + u * (c[2] + u * c[3]));

	return ln > 0 ? 0 : ln < -746 ? -746 : ln;
}

/* Within an even grid, NaN elsewhere, and 1 if there is one.  The cell is a product away: where
 * two meet, both agree.  n is a multiple of EIGHT. */
VECTORS static int
inside(const struct ptable *t, const double *x, uint64_t n, double *p)
{
	const double from = t->x[0], scale = t->scale, end = (double)(t->n - 1);
	const double(*cubic)[4] = (const double(*)[4])t->cubic;
	const eight_f64 zero = {0};
	eight_u64 none = {0};
	uint64_t any = 0;

	for (uint64_t i = 0; i < n; i++) {
		double g = (x[i] - from) * scale;
		int in = g > 0 && g < end;
		int32_t c = in ? (int32_t)g : 0;
		double ln = ln_in(cubic[c], g - c);

		p[i] = in ? ln : NAN;
	}
	for (uint64_t i = 0; i < n; i += EIGHT) { /* apart, so that neither waits for the other */
		eight_f64 y;

		memcpy(&y, p + i, sizeof y);
		exp_eight(&y, &zero);
		none |= (eight_u64)(y != y);
		memcpy(p + i, &y, sizeof y);
	}
	for (int i = 0; i < EIGHT; i++)
		any |= none[i];
	return any != 0;
}

/* The exponential of ln less slope d + bend d^2 / 2; 0 of what is too far to be computed. */
static double
fallen(double ln, double slope, double bend, double d)
{
	ln = ln - slope * d - 0.5 * bend * d * d;
	return ln == ln ? num_exp(ln) : 0;
}

/* By Newton's differences; from the last point on as a gaussian falls. */
static double
tail_at(const struct ptail *a, int side, double bend, double d)
{
	const double *ln = a->ln[side], g = d * a->scale;
	const uint64_t last = a->n[side] - 1, top = last + 1 - STENCIL;
	double v[STENCIL], sum, u, step = 1 / a->scale;
	uint64_t from = STENCIL / 2 - 1;

	if (!(g < (double)last))
		return fallen(ln[last], (ln[last - 1] - ln[last]) / step + bend * step / 2, bend,
			      MAX(d - (double)last * step, 0));
	from = (uint64_t)g < from ? 0 : (uint64_t)g - from;
	from = MIN(from, top);
	memcpy(v, ln + from, sizeof v);
	for (int k = 1; k < STENCIL; k++)
		for (int i = STENCIL - 1; i >= k; i--)
			v[i] -= v[i - 1];
	u = g - (double)from;
	sum = v[STENCIL - 1];
	for (int k = STENCIL - 2; k >= 0; k--)
		sum = v[k] + sum * (u - k) / (k + 1);
	return num_exp(sum);
}

/* What a gaussian has farther than d above its end or, of side 1, below its start. */
static double
beyond(const struct ptable *t, int side, double d)
{
	const uint64_t end = t->n - 1;
	const double below = 1 - t->y[0];

	if (t->tail && t->tail->n[side] >= STENCIL)
		return tail_at(t->tail, side, t->bend, d);
	if (side)
		return below > 0 ? below * fallen(0, t->fall[0] * t->y[0] / below, t->bend, d) : 0;
	return t->y[end] > 0 ? fallen(t->ln[end], t->fall[end], t->bend, d) : 0;
}

static double
p_of(const struct ptable *t, double x)
{
	double p;

	if (x != x)
		return x;
	if (isinf(x) && t->bend > 0) {
		p = x < 0;
	} else if (x < t->x[0] && t->bend > 0) {
		p = 1 - beyond(t, 1, t->x[0] - x);
	} else if (x <= t->x[0]) {
		p = t->y[0];
	} else if (x > t->x[t->n - 1] && t->bend > 0) {
		p = beyond(t, 0, x - t->x[t->n - 1]);
	} else if (x >= t->x[t->n - 1]) {
		p = t->y[t->n - 1];
	} else {
		uint64_t i = cell(t, x);
		double w = t->x[i + 1] - t->x[i], d = x - t->x[i];

		p = t->ln ? exp_of(ln_in(t->cubic[i], d / w), 0) : NAN;
		if (p != p)
			p = between(t->y[i], t->y[i + 1], w, d);
	}
	if (t->interp)
		p = 1 - p;
	return p < 0 ? 0 : p > 1 ? 1 : p;
}

void
ptable_row(const struct ptable *t, const double *x, uint64_t n, double *p)
{
	enum { CHUNK = 64 * EIGHT };
	double in[CHUNK], out[CHUNK];
	int even = t->even && t->ln;

	for (uint64_t i = 0; i < n; i += CHUNK) {
		uint64_t m = MIN(n - i, (uint64_t)CHUNK), full = size_align(m, EIGHT);

		memcpy(in, x + i, m * sizeof *in);
		memset(in + m, 0, (full - m) * sizeof *in);
		if (!even || inside(t, in, full, out))
			for (uint64_t k = 0; k < m; k++)
				out[k] = even && out[k] == out[k] ? out[k] : p_of(t, in[k]);
		memcpy(p + i, out, m * sizeof *out);
	}
}

double
ptable_p(const struct ptable *t, double x)
{
	double p;

	ptable_row(t, &x, 1, &p);
	return p;
}

const struct ptable *
ptables_find(const struct ptables *s, uint64_t layer)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->a[i].layer == layer)
			return &s->a[i].p;
	return NULL;
}

/* ---- tails ---- */

static void
tail_free(struct ptail *a)
{
	free(a->ln[0]);
	free(a->ln[1]);
	free(a);
}

/* To logarithms, as far as normal numbers go, *to of them; or TR_EVALUE. */
static int
logarithms(double *y, uint64_t n, uint64_t *to)
{
	for (uint64_t i = 0; i < n; i++)
		if (!(y[i] >= 0 && y[i] <= 1 + slack) || (i && y[i] > y[i - 1] * (1 + slack)))
			return TR_EVALUE;
	for (*to = 0; *to < n && y[*to] >= DBL_MIN; ++*to)
		y[*to] = num_log(y[*to]);
	return 0;
}

static int
tail_read(struct ptail *a, struct tr_frame *f, const char **why)
{
	double *d = NULL;
	int r;

	a->trim = tr_get(f, "trim", 0);
	a->h = bandwidth(f);
	*why = "no key layer";
	if (tr_num(f, "layer", &a->layer) <= 0)
		return TR_EVALUE;
	*why = "not one number a row of d, sf and cdf";
	if ((r = column(f, "sf", &a->ln[0])) < 0 || (r = column(f, "cdf", &a->ln[1])) < 0)
		return r;
	if ((r = column(f, "d", &d)) == 0) {
		*why = "d is not even, from 0 on";
		a->scale = f->rows >= 2 && d[0] == 0 && d[1] > 0 ? even(d, f->rows, 1e-9) : 0;
		r = a->scale > 0 && isfinite(a->scale) ? 0 : TR_EVALUE;
	}
	free(d);
	for (int side = 0; side < 2 && r == 0; side++) {
		*why = side ? "cdf does not fall from 1 to 0" : "sf does not fall from 1 to 0";
		r = logarithms(a->ln[side], f->rows, &a->n[side]);
	}
	return r;
}

/* To each table its tail: 0, or TR_EVALUE and *why. */
static int
join(struct ptables *s, const char **why)
{
	*why = "a tail that does not begin where its table ends";
	for (size_t i = 0; i < s->n; i++) {
		struct ptable *t = &s->a[i].p;
		double end[] = {t->y[t->n - 1], 1 - t->y[0]};

		for (struct ptail *a = s->tails; a && t->bend > 0 && !t->tail; a = a->next) {
			if (a->layer != s->a[i].layer || a->trim != t->trim || a->h != t->h)
				continue;
			for (int side = 0; side < 2; side++)
				if (a->n[side] &&
				    !(fabs(num_exp(a->ln[side][0]) - end[side]) < slack))
					return TR_EVALUE;
			t->tail = a;
		}
	}
	return 0;
}

static int
add_tail(struct ptables *s, struct tr_frame *f, const char **why)
{
	struct ptail *a = calloc(1, sizeof *a);
	int r;

	if (!a)
		return TR_ENOMEM;
	if ((r = tail_read(a, f, why)) < 0) {
		tail_free(a);
		return r;
	}
	a->next = s->tails;
	s->tails = a;
	return join(s, why);
}

int
ptables_add(struct ptables *s, struct tr_frame *f, const char *kernel, uint64_t trim, int interp,
	    const char **why)
{
	char name[TR_HEADER_MAX];
	int tail = !strcmp(f->kind, "tail");
	uint64_t layer;
	void *p;
	int r;

	if ((!tail && strcmp(f->kind, "kde")) || (trim != TR_NONE && tr_get(f, "trim", 0) != trim))
		return 0;
	if (tr_text(f, "kernel", name, sizeof name) <= 0)
		strcpy(name, "gaussian");
	if (kernel && strcmp(name, kernel))
		return 0;
	if (tail)
		return interp || !(bandwidth(f) > 0) ? 0 : add_tail(s, f, why);
	*why = "no key layer";
	if (tr_num(f, "layer", &layer) <= 0)
		return TR_EVALUE;
	if (ptables_find(s, layer))
		return 0;
	if (!(p = realloc(s->a, (s->n + 1) * sizeof *s->a)))
		return TR_ENOMEM;
	s->a = p;
	if ((r = ptable_open(&s->a[s->n].p, f, interp, why)) < 0)
		return r;
	s->a[s->n++].layer = layer;
	return (r = join(s, why)) < 0 ? r : 1;
}

void
ptables_free(struct ptables *s)
{
	for (size_t i = 0; i < s->n; i++)
		ptable_free(&s->a[i].p);
	free(s->a);
	for (struct ptail *a = s->tails, *next; a; a = next) {
		next = a->next;
		tail_free(a);
	}
	memset(s, 0, sizeof *s);
}
