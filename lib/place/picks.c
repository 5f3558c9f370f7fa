#include <stdlib.h>
#include <string.h>

#include "picks.h"

/* The arrays, at the first frame; later ones have to agree. */
static int
begin(struct picks *p, const struct tr_frame *f, uint64_t experts)
{
	if (p->experts && p->experts != experts)
		return tr_fail(f->from, f, TR_EVALUE, "%llu experts, but %llu before",
			       (unsigned long long)experts, (unsigned long long)p->experts);
	if (!experts || experts > TR_EXPERTS_MAX)
		return tr_fail(f->from, f, TR_EVALUE, "%llu experts", (unsigned long long)experts);
	if (!p->n)
		p->n = xcalloc(experts, sizeof *p->n);
	p->experts = experts;
	return 0;
}

static int
add_count(struct picks *p, struct tr_frame *f)
{
	struct tr_col c;
	int r = tr_col(f, "n", &c);
	double n;

	if (r == 0 || (r > 0 && c.width != 1))
		return tr_fail(f->from, f, TR_ECOLS, "@count has no column n of single numbers");
	if (r < 0 || (r = begin(p, f, f->rows)) < 0)
		return r;
	p->tokens += tr_get(f, "n_tokens", 0);
	for (uint64_t e = 0; e < p->experts; e++) {
		if (col_f64(&c, e, 1, &n) < 0)
			return tr_fail(f->from, f, TR_ECOLS, "n is not of numbers");
		p->n[e] += n;
	}
	return 0;
}

static int
add_route(struct picks *p, struct tr_frame *f, uint64_t experts)
{
	struct tr_ids ids;
	int r = tr_ids(f, &ids);

	if (r == 0)
		return tr_fail(f->from, f, TR_ECOLS, "@route has no column ids");
	if (r < 0 || (r = begin(p, f, experts)) < 0)
		return r;
	p->tokens += ids.rows;
	for (uint64_t i = 0; i < ids.rows * ids.k; i++)
		if (tr_id(&ids, i) < experts)
			p->n[tr_id(&ids, i)]++;
	return 0;
}

void
picks_read(struct picks *p, struct setup *s, struct tool *t, const char *file, const char *kind)
{
	char *files[] = {(char *)file};
	struct tr *in = tool_reader(t, files, 1);
	int count = !strcmp(kind, "count"), given = p->layer != TR_NONE, r;
	struct tr_frame f;

	while ((r = tr_next(in, &f)) > 0) {
		uint64_t l = tr_get(&f, "layer", 0);

		if (strcmp(f.kind, kind) || !setup_has(s, l) || (given && l != p->layer))
			continue;
		if (p->layer != TR_NONE && l != p->layer)
			die("layers %llu and %llu: a picture holds one, -l LAYER",
			    (unsigned long long)p->layer, (unsigned long long)l);
		p->layer = l;
		r = count ? add_count(p, &f) : add_route(p, &f, tr_section(in)->experts);
		if (r < 0)
			break;
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(t, in);
	for (uint64_t e = 0; e < p->experts; e++)
		p->all += p->n[e];
	if (!p->n)
		setup_none(s, file, count ? "counts" : "records", given ? p->layer : TR_NONE);
}
