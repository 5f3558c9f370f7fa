/*
 * A trace in, the same with layers or experts renumbered out, or with layers
 * added that are copies of others (trace-csv.md section 9), each labelled
 * copy=SOURCE, with a note.  Where the order of layers changes, the promise
 * order= is dropped: trace-sort renews it.
 */
#include <string.h>

#include "../../lib/stats/pairs.h"
#include "../../lib/stats/renumber.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

static void layers_arg(const char *val);
static void experts_arg(const char *val);
static void copies_arg(const char *val);

static struct opt opts[] = {
	{0, "layers", "LIST=LIST", OPT_FUNC, layers_arg, "renumber layers, first to first", 0, 0},
	{0, "experts", "LIST=LIST|FILE", OPT_FUNC, experts_arg, "renumber experts", 0, 0},
	{0, "copy-layers", "LIST=LIST", OPT_FUNC, copies_arg,
	 "add layers, copied from others in turn", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-map",
	.operands = "[FILE ...]",
	.what = "renumber layers or experts",
	.opts = opts,
	.flags = TOOL_TRACE,
};

static struct pairs layers, experts, copies; /* copies: from source to copy */
static char note[2048];
static struct rows_buf buf;
static struct renumber renumber;

/* ---- options ---- */

static void
layers_arg(const char *val)
{
	pairs_parse(&layers, "layers", val);
}

static void
experts_arg(const char *val)
{
	if (strchr(val, '='))
		pairs_parse(&experts, "experts", val);
	else
		pairs_file(&experts, "experts", val);
}

static void
copies_arg(const char *val)
{
	const char *eq = strchr(val, '=');

	if (strlen(val) > sizeof note - 64)
		die("--copy-layers %.80s: not LIST=LIST", val);
	pairs_turns(&copies, "copy-layers", val);
	strcpy(note, "layers ");
	strncat(note, val, (size_t)(eq - val));
	strcat(note, " are copies of layers ");
	strcat(note, eq + 1);
	strcat(note, " in turn");
}

/* ---- layers ---- */

static void
add_layer(struct tr_list *map, const struct tr_frame *f, uint64_t layer)
{
	if (tr_list_find(map, layer) != TR_NONE)
		tool_refuse(&t, f, "two layers would have the number %llu",
			    (unsigned long long)layer);
	if (tr_list_add(map, layer) < 0)
		die("no memory");
}

/* layers= and map= of @trace. */
static void
map_trace(struct tr_frame *f)
{
	const struct tr_sect *s = tool_section(&t);
	struct tr_list map = {0};
	uint64_t last = 0;
	int mixed = copies.n > 0;

	if (!s->layers)
		tool_refuse(&t, f, "layers are not known: 0");
	for (uint64_t i = 0; i < s->layers; i++) {
		uint64_t l = pairs_to(&layers, s->map.n ? tr_list_at(&s->map, i) : i);

		mixed |= i && l < last;
		last = l;
		add_layer(&map, f, l);
	}
	for (size_t i = 0; i < copies.n; i++)
		if (tr_list_find(&map, copies.from[i]) == TR_NONE)
			tool_refuse(&t, f, "there is no layer to copy, %llu",
				    (unsigned long long)copies.from[i]);
	for (size_t i = 0; i < copies.n; i++)
		add_layer(&map, f, copies.to[i]);
	if (mixed)
		tr_unset(f, "order");
	if (tr_set_layers(f, &map) < 0)
		tool_refuse(&t, f, "map grows too long, layers %llu",
			    (unsigned long long)tr_list_count(&map));
	tr_list_free(&map);
}

static void
put_copies(struct tr_frame *f, uint64_t layer)
{
	for (size_t i = 0; i < copies.n; i++) {
		struct tr_frame g;

		if (copies.from[i] != layer)
			continue;
		g = *f;
		if (tr_setu(&g, "layer", copies.to[i]) < 0 || tr_setu(&g, "copy", layer) < 0)
			tool_refuse(&t, f, "no room to label the copy of layer %llu",
				    (unsigned long long)layer);
		tool_put(&t, &g);
	}
}

/* ---- experts ---- */

static void
open_experts(const struct tr_frame *f)
{
	uint64_t n = tool_section(&t)->experts, twice = 0;
	int r = renumber_open(&renumber, n, experts.from, experts.to, experts.n, &twice);

	if (r == 1)
		tool_refuse(&t, f, "--experts names one beyond experts = %llu",
			    (unsigned long long)n);
	if (r == 2)
		tool_refuse(&t, f, "two experts would have the number %llu",
			    (unsigned long long)twice);
}

static void
map_experts(struct tr_frame *f)
{
	int r = renumber_route(&renumber, f, &buf);

	if (r == TR_ECOLS)
		tool_refuse(&t, f, "logit or p are not as wide as experts = %llu",
			    (unsigned long long)tool_section(&t)->experts);
	tool_check(&t, r);
}

/* Results by expert came too late: their source should be renumbered. */
static void
refuse_results(const struct tr_frame *f)
{
	static const char *const kinds[] = {"count", "coact", "topk", "flow",
					    "hist",  "kde",   "tail", "place"};

	for (size_t i = 0; i < LEN(kinds); i++)
		if (!strcmp(f->kind, kinds[i]))
			die("@%s: --experts renumbers route frames, not what was made of them",
			    f->kind);
}

int
main(int argc, char **argv)
{
	struct tr_frame f, n;
	uint64_t layer;
	int noted = 1;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		int trace = !strcmp(f.kind, "trace"), route = !strcmp(f.kind, "route");

		if (trace && experts.n)
			open_experts(&f);
		if (trace && (layers.n || copies.n))
			map_trace(&f);
		if (trace)
			noted = !copies.n;
		if (!noted && !trace && strcmp(f.kind, "prog")) {
			noted = 1;
			tr_new(&n, "note");
			tr_payload(&n, note, strlen(note));
			tool_put(&t, &n);
		}
		if (experts.n && route)
			map_experts(&f);
		else if (experts.n)
			refuse_results(&f);
		if (layers.n && tr_num(&f, "layer", &layer) > 0 &&
		    pairs_to(&layers, layer) != layer)
			tr_setu(&f, "layer", pairs_to(&layers, layer));
		if (layers.n && tr_num(&f, "to", &layer) > 0 && pairs_to(&layers, layer) != layer)
			tr_setu(&f, "to", pairs_to(&layers, layer));
		tool_put(&t, &f);
		if (route && copies.n)
			put_copies(&f, tr_get(&f, "layer", 0));
	}
	rows_free(&buf);
	return tool_end(&t);
}
