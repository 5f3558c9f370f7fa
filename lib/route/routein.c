#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../density/empirical.h"
#include "routein.h"
#include "size.h"

double *
routein_room(struct rows_buf *buf, uint64_t n, uint64_t width)
{
	size_t need;
	double *p;

	if (size_mul(n + 1, width * sizeof *p, &need) || !(p = rows_room(buf, need)))
		die("no memory");
	return p;
}

void
routein_logits(struct tool *t, struct tr_frame *f, uint32_t experts, double *to)
{
	struct tr_col c;

	tool_col(t, f, "logit", &c);
	if (c.width != experts)
		tool_refuse(t, f, "%u logits, before it %u", c.width, experts);
	if (col_f64(&c, 0, c.rows * c.width, to) < 0)
		tool_refuse(t, f, "column logit is no numbers");
	for (uint64_t i = 0; i < c.rows * c.width; i++)
		if (!isfinite(to[i]))
			tool_refuse(t, f, "row %llu: logit %u is not finite",
				    (unsigned long long)(i / c.width), (uint32_t)(i % c.width));
}

void
routein_p(struct tool *t, struct tr_frame *f, uint32_t experts, double *to)
{
	uint64_t n = f->rows * experts;
	struct tr_col c;
	int r = tr_col(f, "p", &c);

	if (r == 0)
		tool_refuse(t, f, "no column p, and no tables: give -m");
	tool_check(t, r);
	if (c.width != experts || col_f64(&c, 0, n, to) < 0)
		tool_refuse(t, f, "column p is not a number an expert");
	for (uint64_t i = 0; i < n; i++)
		if (!(to[i] >= 0 && to[i] <= 1))
			tool_refuse(t, f, "row %llu: p is not from 0 to 1",
				    (unsigned long long)(i / experts));
}

void
routein_looked_up(struct tool *t, struct tr_frame *f, const struct ptables *tables,
		  const char *file, const double *x, uint32_t experts, double *to)
{
	uint64_t layer = tool_key(t, f, "layer");
	const struct ptable *table = ptables_find(tables, layer);

	if (!table)
		tool_refuse(t, f, "no table for layer %llu in %s", (unsigned long long)layer, file);
	ptable_row(table, x, f->rows * experts, to);
}

void
routein_counted(const double *x, uint64_t rows, uint32_t experts, double *to)
{
	/* n values a step apart, so many times */
	const uint64_t n = rows == 1 ? experts : rows, times = rows == 1 ? 1 : experts;
	double *v = xcalloc(n + 1, sizeof *v);

	for (uint64_t e = 0; e < times; e++) {
		for (uint64_t i = 0; i < n; i++)
			v[i] = x[i * times + e];
		empirical_sort(v, n);
		for (uint64_t i = 0; i < n; i++)
			to[i * times + e] = empirical_p(v, n, x[i * times + e]);
	}
	free(v);
}

void
routein_tables(struct tool *t, const char *file, const char *kernel, uint64_t trim, int interp,
	       struct ptables *tables)
{
	char *name = (char *)file;
	struct tr *in = tool_reader(t, &name, 1);
	const char *why;
	struct tr_frame f;
	int r;

	while ((r = tr_next(in, &f)) > 0) {
		r = ptables_add(tables, &f, kernel, trim, interp, &why);
		if (r == TR_ENOMEM)
			die("no memory");
		if (r == TR_ECOLS || r == TR_EVALUE)
			die("%s: frame %llu: @%s: %s", file, (unsigned long long)f.number, f.kind,
			    why);
		if (r < 0)
			break;
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(t, in);
	if (!tables->n)
		die("%s: no kde frame of that kernel and trim", file);
}
