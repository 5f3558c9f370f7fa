/*
 * Result frames in; one HTML page out, which needs nothing else.  Counters of
 * equal identity are added first; frames of one kind stand together, as
 * pictures where one is known for them, and as a table.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/report/figures.h"
#include "../../lib/report/origin.h"
#include "../../lib/stats/sum.h"
#include "tool.h"

static struct tr_list layers;
static const char *title;
static struct page page = {.max_cells = 10000, .max_rows = 2000};

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "title", "TEXT", OPT_STR, &title, "of the page (the model)", 0, 0},
	{0, "max-cells", "N", OPT_U64, &page.max_cells,
	 "marks of one kind that tell their values (10000)", 1, 1 << 24},
	{0, "max-rows", "N", OPT_U64, &page.max_rows, "rows of a table (2000)", 1, 1 << 24},
	{0},
};

static struct tool t = {.name = "trace-report",
			.operands = "[FILE ...]",
			.what = "write results as one HTML page",
			.opts = opts,
			.flags = TOOL_BYTES | TOOL_FORCE};

static struct tr_frame section; /* the @trace line of the one being read */
static struct origin origin;
static struct tr_head *head;
static struct sum *sum;

/* Shares of loads are counters by name alone. */
static int
addable(const struct tr_frame *f)
{
	for (int i = 0; i < f->ncols; i++)
		if ((!strcmp(f->cols[i].name, "n") || !strncmp(f->cols[i].name, "n_", 2)) &&
		    f->cols[i].type > TR_I64)
			return 0;
	return sum_addable(f);
}

static void
take(struct tr_frame *f)
{
	int r;

	if ((r = tr_head_add(head, f, t.force)) == TR_EVALUE)
		tool_refuse(&t, f, "%s", tr_head_errstr(head));
	tool_check(&t, r);
	tool_check(&t, origin_take(&origin, f));
	if (!strcmp(f->kind, "trace"))
		section = *f;
	if (!group_has(f) || (layers.n && !tr_list_has(&layers, tr_get(f, "layer", TR_NONE))))
		return;
	if ((r = group_tag(f, &section)) < 0)
		tool_refuse(&t, f, "no room for the data set, model and part of its section");
	if ((addable(f) ? sum_add(sum, f) : sum_keep(sum, f)) < 0)
		tool_refuse(&t, f, "%s", sum_errstr(sum));
}

static void
put_contents(const struct groups *g)
{
	page_f(&page,
	       "<nav aria-label=\"Contents\"><ul>\n<li><a href=\"#summary\">Summary</a></li>\n");
	for (size_t i = 0; i < g->n; i++) {
		page_f(&page, "<li><a href=\"#s%zu\">", i);
		page_text(&page, g->at[i].title);
		page_f(&page, "</a></li>\n");
	}
	page_f(&page, "</ul></nav>\n");
}

static void
put_group(const struct group *g, size_t number)
{
	page_f(&page, "<section id=\"s%zu\">\n<h2>", number);
	page_text(&page, g->title);
	page_f(&page, "</h2>\n");
	tool_check(&t, heatmaps_put(&page, g));
	tool_check(&t, curves_put(&page, g));
	tool_check(&t, bins_put(&page, g));
	rows_put(&page, g);
	page_f(&page, "</section>\n");
}

int
main(int argc, char **argv)
{
	struct groups groups = {0};
	struct tr_frame f;
	const char *model;

	tool_start(&t, argc, argv);
	if (tool_tty(1) && (!t.output || !strcmp(t.output, "-")))
		die("a page for a browser does not go to a terminal: -o FILE");
	if (!(head = tr_head_new()) || !(sum = sum_new()))
		die("no memory");
	while (tool_next(&t, &f))
		take(&f);
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		tool_check(&t, group_add(&groups, (struct tr_frame *)sum_at(sum, i)));
	tool_check(&t, groups_end(&groups));
	if (!groups.n)
		die("nothing to report: no result frames%s",
		    layers.n ? " of these layers"
			     : ": expert-load, coact, logit-hist and place-eval write some");
	page.sink = t.sink;
	model = origin_model(&origin);
	page_begin(&page, title ? title : model ? model : "Routing report");
	put_contents(&groups);
	origin_put(&page, &origin, tr_head_section(head));
	for (size_t i = 0; i < groups.n; i++)
		put_group(&groups.at[i], i);
	page_end(&page);
	if (page.bad)
		tool_broken(&t);
	groups_free(&groups);
	origin_free(&origin);
	tr_head_free(head);
	sum_free(sum);
	return tool_end(&t);
}
