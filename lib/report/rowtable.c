/* The rows of a group's frames as one table: keys, number of the row, columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/frame.h"
#include "figures.h"
#include "num.h"
#include "size.h"

enum { WIDE = 16, OPEN = 40 }; /* values of a field; rows that are shown unasked */

static int
single(const struct tr_frame *f)
{
	return f->ncols > 0 && f->cols[0].width == 1;
}

/* What the number of a row is; NULL: it says nothing. */
static const char *
number_of(const struct group *g)
{
	static const char *const expert[] = {"count", "topk", "coact", "flow"};

	for (size_t i = 0; i < LEN(expert); i++)
		if (!strcmp(g->f[0]->kind, expert[i]))
			return "expert";
	if (!strcmp(g->f[0]->kind, "load"))
		return "device";
	if (!strcmp(g->f[0]->kind, "hist") && single(g->f[0]))
		return "bin";
	for (size_t i = 0; i < g->n; i++)
		if (g->f[i]->rows > 1)
			return "row";
	return NULL;
}

static int
shown(const struct tr_col *c)
{
	return c->width <= WIDE;
}

static int
numbers(const struct tr_col *c)
{
	return c->type != TR_OTHER && c->width == 1;
}

/* A number for eyes, its digits behind it where they are others. */
static void
put_number(struct page *p, const char *exact, size_t n)
{
	char buf[NUM_MAX + 1], num[PAGE_NUM];
	double x;

	memcpy(buf, exact, n);
	buf[n] = 0;
	if (num_f64(buf, buf + n, &x) < 0 || strchr(buf, 'e') || !strcmp(page_num(num, x), buf) ||
	    x > 9e15 || x < -9e15)
		page_f(p, "<td>%s</td>", buf);
	else
		page_f(p, "<td title=\"%s\">%s</td>", buf, num);
}

static void
put_field(struct page *p, const struct tr_col *c, uint64_t row)
{
	char buf[NUM_MAX + 1];

	if (numbers(c)) {
		put_number(p, buf, num_put_col(buf, c, row));
		return;
	}
	page_f(p, "<td class=\"t\">");
	for (uint32_t k = 0; k < c->width && c->type != TR_OTHER; k++) {
		buf[num_put_col(buf, c, row * c->width + k)] = 0;
		page_f(p, "%s%s", k ? "," : "", buf);
	}
	page_f(p, c->type == TR_OTHER ? "?</td>" : "</td>");
}

static void
put_key(struct page *p, const char *text)
{
	double x;

	if (num_f64(text, text + strlen(text), &x) == 0 && strlen(text) < NUM_MAX) {
		put_number(p, text, strlen(text));
		return;
	}
	page_f(p, "<td class=\"t\">");
	page_text(p, text);
	page_f(p, "</td>");
}

static void
put_head(struct page *p, const struct group *g, const char *number)
{
	const struct tr_frame *f = g->f[0];
	double x;

	page_f(p, "<thead><tr>");
	for (int i = 0; i < f->nkeys; i++) {
		const char *v = frame_val(f, i);

		if (strcmp(frame_key(f, i), "name"))
			page_f(p, "<th scope=\"col\"%s>%s</th>",
			       num_f64(v, v + strlen(v), &x) < 0 ? " class=\"t\"" : "",
			       frame_key(f, i));
	}
	if (number)
		page_f(p, "<th scope=\"col\">%s</th>", number);
	for (int i = 0; i < f->ncols; i++)
		if (shown(&f->cols[i]))
			page_f(p, "<th scope=\"col\"%s>%s</th>",
			       numbers(&f->cols[i]) ? "" : " class=\"t\"", f->cols[i].name);
	page_f(p, "</tr></thead>\n");
}

static void
put_row(struct page *p, const struct tr_frame *f, const char *number, uint64_t row)
{
	char val[TR_HEADER_MAX];

	page_f(p, "<tr>");
	for (int i = 0; i < f->nkeys; i++)
		if (strcmp(frame_key(f, i), "name")) {
			if (tr_text(f, frame_key(f, i), val, sizeof val) < 0)
				*val = 0;
			put_key(p, val);
		}
	if (number)
		page_f(p, "<td>%llu</td>", (unsigned long long)(tr_get(f, "row0", 0) + row));
	for (int i = 0; i < f->ncols; i++)
		if (shown(&f->cols[i]))
			put_field(p, &f->cols[i], row);
	page_f(p, "</tr>\n");
}

static void
put_notes(struct page *p, const struct group *g, uint64_t rows, uint64_t step)
{
	const struct tr_frame *f = g->f[0];
	char all[PAGE_NUM];

	for (int i = 0; i < f->ncols; i++)
		if (!shown(&f->cols[i]))
			page_f(p, "<p class=\"n\">Left out: column %s, of %u values a row.</p>\n",
			       f->cols[i].name, (unsigned)f->cols[i].width);
	if (step > 1)
		page_f(p,
		       "<p class=\"n\">Left out: of %s rows, more than --max-rows %llu, one in "
		       "%llu is "
		       "here.</p>\n",
		       page_num(all, (double)rows), (unsigned long long)p->max_rows,
		       (unsigned long long)step);
}

int
rows_put(struct page *p, const struct group *g)
{
	const char *number = number_of(g);
	uint64_t rows = 0, step, at = 0, n;
	char num[PAGE_NUM];
	int some = 0;

	for (size_t i = 0; i < g->n; i++)
		rows += g->f[i]->rows;
	for (int i = 0; i < g->f[0]->ncols; i++)
		some |= shown(&g->f[0]->cols[i]);
	step = rows / p->max_rows + (rows % p->max_rows != 0);
	if (some && rows) {
		n = (rows + step - 1) / step;
		page_f(p,
		       "<details%s><summary>Table of %s row%s</summary>\n<div class=\"w\" "
		       "tabindex=\"0\" "
		       "role=\"region\" aria-label=\"",
		       n <= OPEN ? " open=\"open\"" : "", page_num(num, (double)n),
		       n > 1 ? "s" : "");
		page_text(p, g->title);
		page_f(p, "\">\n<table>");
		put_head(p, g, number);
		page_f(p, "<tbody>\n");
		for (size_t i = 0; i < g->n; i++)
			for (uint64_t k = 0; k < g->f[i]->rows; k++, at++)
				if (at % step == 0)
					put_row(p, g->f[i], number, k);
		page_f(p, "</tbody></table></div>\n");
		page_f(p, "</details>\n");
	}
	if (!rows)
		page_f(p, "<p class=\"n\">No rows.</p>\n");
	put_notes(p, g, rows, some && rows ? step : 1);
	return some && rows;
}
