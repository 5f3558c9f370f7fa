/*
 * A trace in, the same with layers or experts renumbered out, or with layers
 * added that are copies of others (trace-csv.md section 9), each labelled
 * copy=SOURCE, with a note.  Where the order of layers changes, the promise
 * order= is dropped: trace-sort renews it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/renumber.h"
#include "num.h"
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

struct pairs { /* from[i] becomes to[i] */
	uint64_t *from, *to;
	size_t n;
};

static struct pairs layers, experts, copies; /* copies: from source to copy */
static char note[2048];
static struct rows_buf buf;
static struct renumber renumber;

/* ---- options ---- */

/* "0-3,9" in the order given. */
static size_t
numbers(const char *opt, const char *s, const char *end, uint64_t **to)
{
	size_t n = 0;

	for (const char *next; s <= end; s = next + 1) {
		uint64_t lo, hi;
		const char *dash;

		if (!(next = memchr(s, ',', (size_t)(end - s))))
			next = end;
		dash = memchr(s, '-', (size_t)(next - s));
		if (num_u64n(s, dash ? dash : next, 0, 1 << 20, &lo) < 0)
			die("--%s: \"%.40s\" is no list of numbers", opt, s);
		hi = lo;
		if (dash && (num_u64n(dash + 1, next, 0, 1 << 20, &hi) < 0 || hi < lo))
			die("--%s: \"%.40s\" is no list of numbers", opt, s);
		*to = xrealloc(*to, n + (hi - lo) + 1, sizeof **to);
		for (; lo <= hi; lo++)
			(*to)[n++] = lo;
	}
	return n;
}

static void
twice(const char *opt, const uint64_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (p[i] == p[k])
				die("--%s: %llu occurs twice", opt, (unsigned long long)p[i]);
}

static void
parse(const char *opt, const char *val, struct pairs *p)
{
	const char *eq = strchr(val, '=');
	size_t n;

	if (p->n)
		die("--%s is given twice", opt);
	if (!eq)
		die("--%s %s: not LIST=LIST", opt, val);
	p->n = numbers(opt, val, eq, &p->from);
	n = numbers(opt, eq + 1, eq + strlen(eq), &p->to);
	if (n != p->n)
		die("--%s: %zu numbers on the left, %zu on the right", opt, p->n, n);
	twice(opt, p->from, n);
	twice(opt, p->to, n);
}

static void
layers_arg(const char *val)
{
	parse("layers", val, &layers);
}

static void
experts_arg(const char *val)
{
	struct tool_file m;
	const char *s, *end;

	if (strchr(val, '=')) {
		parse("experts", val, &experts);
		return;
	}
	if (experts.n)
		die("--experts is given twice");
	tool_slurp(&m, val);
	s = (const char *)m.p;
	end = s + m.n;
	for (;;) {
		const char *word;
		uint64_t id;

		while (s < end && strchr(" \t\n,", *s))
			s++;
		if (s == end)
			break;
		for (word = s; s < end && !strchr(" \t\n,", *s);)
			s++;
		if (num_u64n(word, s, 0, TR_EXPERTS_MAX - 1, &id) < 0)
			die("%s: number %zu is no expert", val, experts.n + 1);
		experts.from = xrealloc(experts.from, experts.n + 1, sizeof id);
		experts.to = xrealloc(experts.to, experts.n + 1, sizeof id);
		experts.from[experts.n] = experts.n;
		experts.to[experts.n++] = id;
	}
	tool_unslurp(&m);
	if (!experts.n)
		die("%s: no numbers", val);
	twice("experts", experts.to, experts.n);
}

/* 10-26=2-9: the sources in turn, as often as there are targets. */
static void
copies_arg(const char *val)
{
	const char *eq = strchr(val, '=');
	uint64_t *source = NULL;
	size_t n;

	if (copies.n)
		die("--copy-layers is given twice");
	if (!eq || strlen(val) > sizeof note - 64)
		die("--copy-layers %.80s: not LIST=LIST", val);
	copies.n = numbers("copy-layers", val, eq, &copies.to);
	n = numbers("copy-layers", eq + 1, eq + strlen(eq), &source);
	twice("copy-layers", copies.to, copies.n);
	copies.from = xcalloc(copies.n, sizeof *copies.from);
	for (size_t i = 0; i < copies.n; i++)
		copies.from[i] = source[i % n];
	free(source);
	strcpy(note, "layers ");
	strncat(note, val, (size_t)(eq - val));
	strcat(note, " are copies of layers ");
	strcat(note, eq + 1);
	strcat(note, " in turn");
}

/* ---- layers ---- */

static uint64_t
new_layer(uint64_t layer)
{
	for (size_t i = 0; i < layers.n; i++)
		if (layers.from[i] == layer)
			return layers.to[i];
	return layer;
}

_Noreturn static void
refuse(const struct tr_frame *f, const char *what, uint64_t n)
{
	tr_fail(t.in, f, TR_EVALUE, "@%s: %s %llu", f->kind, what, (unsigned long long)n);
	tool_fail(&t);
}

static void
add_layer(struct tr_list *map, const struct tr_frame *f, uint64_t layer)
{
	if (tr_list_find(map, layer) != TR_NONE)
		refuse(f, "two layers would have the number", layer);
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
		refuse(f, "layers are not known:", 0);
	for (uint64_t i = 0; i < s->layers; i++) {
		uint64_t l = new_layer(s->map.n ? tr_list_at(&s->map, i) : i);

		mixed |= i && l < last;
		last = l;
		add_layer(&map, f, l);
	}
	for (size_t i = 0; i < copies.n; i++)
		if (tr_list_find(&map, copies.from[i]) == TR_NONE)
			refuse(f, "there is no layer to copy,", copies.from[i]);
	for (size_t i = 0; i < copies.n; i++)
		add_layer(&map, f, copies.to[i]);
	if (mixed)
		tr_unset(f, "order");
	if (tr_set_layers(f, &map) < 0)
		refuse(f, "map grows too long, layers", tr_list_count(&map));
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
			refuse(f, "no room to label the copy of layer", layer);
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
		refuse(f, "--experts names one beyond experts =", n);
	if (r == 2)
		refuse(f, "two experts would have the number", twice);
}

static void
map_experts(struct tr_frame *f)
{
	int r = renumber_route(&renumber, f, &buf);

	if (r == TR_ENOMEM)
		die("no memory");
	if (r == TR_ECOLS)
		refuse(f, "logit or p are not as wide as experts =", tool_section(&t)->experts);
	if (r < 0)
		tool_fail(&t);
}

/* Results by expert came too late: their source should be renumbered. */
static void
refuse_results(const struct tr_frame *f)
{
	static const char *const kinds[] = {"count", "coact", "topk", "flow",
					    "hist",  "kde",   "place"};

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
		if (layers.n && tr_num(&f, "layer", &layer) > 0 && new_layer(layer) != layer)
			tr_setu(&f, "layer", new_layer(layer));
		if (layers.n && tr_num(&f, "to", &layer) > 0 && new_layer(layer) != layer)
			tr_setu(&f, "to", new_layer(layer));
		tool_put(&t, &f);
		if (route && copies.n)
			put_copies(&f, tr_get(&f, "layer", 0));
	}
	rows_free(&buf);
	return tool_end(&t);
}
