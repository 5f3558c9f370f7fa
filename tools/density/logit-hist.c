/*
 * Logits, weights or p-values in; histograms out, a frame a layer: one row of
 * bins, or one for each expert, k-th best or rank.  All have the same bins unless
 * --span says else, so that shards with --range add up; without it the values
 * are held and the bins span them.  --curve and --law add what is drawn over.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/histo.h"
#include "num.h"
#include "size.h"
#include "tool.h"

static struct tr_list layers;
static const char *range, *counts;
static int of, by = -1, span = HISTO_ALL, experts, all, common, curve, law;
static uint64_t bins = 100, trim, sampled = TR_NONE;
static const char *tags[16];
static int ntag;

static void
add_tag(const char *val)
{
	if (ntag == (int)LEN(tags) || !strchr(val, '=') || *val == '=')
		die("--tag %s: not one of %zu KEY=VALUE", val, LEN(tags));
	tags[ntag++] = val;
}

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "of", "logit|softmax|wsum|p|cdf", OPT_WORD, &of, "what is counted (logit)", 0, 0},
	{0, "by", "layer|expert|kth|rank", OPT_WORD, &by, "what has a row of bins (layer)", 0, 0},
	{0, "bins", "N", OPT_U64, &bins, "bins (100)", 1, 1 << 20},
	{0, "range", "LO,HI", OPT_STR, &range, "of the bins (least and greatest; wsum, p, cdf 0,1)",
	 0, 0},
	{0, "span", "all|layer|row", OPT_WORD, &span, "without --range: of which values (all)", 0,
	 0},
	{0, "experts", NULL, OPT_FLAG, &experts, "a row of bins for each expert", 0, 0},
	{0, "trim", "N", OPT_U64, &trim, "without the N least and N greatest of each row", 0,
	 TR_WIDTH_MAX},
	{0, "count", "FILE", OPT_STR, &counts, "--by rank: count frames that rank experts", 0, 0},
	{0, "all-layers", NULL, OPT_FLAG, &all, "one frame for all layers", 0, 0},
	{0, "common", NULL, OPT_FLAG, &common, "a frame a data set, too, with the same bins", 0, 0},
	{0, "curve", NULL, OPT_FLAG, &curve, "columns x, y: a density over each row of bins", 0, 0},
	{0, "law", NULL, OPT_FLAG, &law, "column law: what uniform p-values would make", 0, 0},
	{0, "sampled", "SEED", OPT_U64, &sampled, "column law: such values, drawn", 0, 0},
	{0, "tag", "KEY=VALUE", OPT_FUNC, (void *)add_tag, "a key on each frame", 0, 0},
	{0},
};

static struct tool t = {.name = "logit-hist",
			.operands = "[FILE ...]",
			.what = "count router logits in bins",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE | TOOL_JOBS};

static struct histo h = {.lo = NAN};
static int plain; /* frames without --by: a row a bin, or an expert */

static void
check(void)
{
	const char *comma;

	plain = by < 0 && !curve && !law && sampled == TR_NONE;
	if (bins > TR_WIDTH_MAX && !(plain && !experts))
		die("--bins %llu: a row of bins has at most %llu", (unsigned long long)bins,
		    (unsigned long long)TR_WIDTH_MAX);
	if (experts && by >= 0 && by != HISTO_EXPERT)
		die("--experts is --by expert");
	by = by >= 0 ? by : experts ? HISTO_EXPERT : HISTO_LAYER;
	if (by != HISTO_LAYER && (trim || all))
		die("--%s has one row of bins: --by layer", trim ? "trim" : "all-layers");
	if (of == HISTO_WSUM && (trim || by > HISTO_EXPERT))
		die("--of wsum: one value a row has no %s", trim ? "--trim" : "--by kth or rank");
	if ((by == HISTO_RANK) != (counts != NULL))
		die("--by rank and --count FILE go together");
	if ((law || sampled != TR_NONE) && (of < HISTO_P || trim))
		die("--%s: of p or cdf, without --trim", law ? "law" : "sampled");
	if (law && sampled != TR_NONE)
		die("--law or --sampled, not both");
	if (!range && of != HISTO_LOGIT && of != HISTO_SOFTMAX && span == HISTO_ALL)
		range = "0,1";
	if (range && span != HISTO_ALL)
		die("--range or --span, not both");
	if (range && (!(comma = strchr(range, ',')) || num_f64(range, comma, &h.lo) < 0 ||
		      num_f64(comma + 1, comma + strlen(comma), &h.hi) < 0 || !(h.lo < h.hi)))
		die("--range %s: not LO,HI", range);
}

/* ---- ranks ---- */

static const uint64_t *picks;

static int
most(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (picks[x] != picks[y])
		return picks[x] < picks[y] ? 1 : -1;
	return (x > y) - (x < y);
}

static void
read_counts(void)
{
	char *files[] = {(char *)counts};
	struct tr *in = tool_reader(&t, files, 1);
	struct histo_counts *c = NULL;
	struct tr_frame f;
	struct tr_col col;
	uint64_t *n;
	int r;

	while ((r = tr_next(in, &f)) > 0) {
		if (strcmp(f.kind, "count") || (r = tr_col(&f, "n", &col)) == 0)
			continue;
		n = xcalloc(f.rows + 1, sizeof *n);
		if (r < 0 || col.width != 1 || (r = col_u64(&col, 0, f.rows, n)) < 0)
			die("%s: frame %llu: n is no column of counts", counts,
			    (unsigned long long)f.number);
		c = xrealloc(c, h.ncount + 1, sizeof *c);
		c[h.ncount] = (struct histo_counts){tr_get(&f, "layer", 0), f.rows,
						    xcalloc(f.rows + 1, sizeof *c->at)};
		for (size_t i = 0; i < h.ncount; i++)
			if (c[i].layer == c[h.ncount].layer)
				die("%s: two counts of layer %llu: trace-sum adds them", counts,
				    (unsigned long long)c[i].layer);
		for (uint32_t e = 0; e < f.rows; e++)
			c[h.ncount].at[e] = e;
		picks = n;
		qsort(c[h.ncount++].at, f.rows, sizeof *c->at, most);
		free(n);
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	if (!h.ncount)
		die("%s: no count frames: expert-load writes them", counts);
	h.count = c;
}

/* ---- out ---- */

static void
put_rows(struct tr_frame *f, const struct histo_group *g)
{
	static const char *const name[] = {"", "expert", "k", "rank"};
	uint32_t *number = xcalloc(g->nrow, sizeof *number);

	tr_rows(f, g->nrow);
	for (uint32_t r = 0; r < g->nrow; r++)
		number[r] = r + (by > HISTO_EXPERT);
	if (by != HISTO_LAYER && !plain)
		tr_addcol(f, name[by], TR_U32, 1, number);
	if (g->expert)
		tr_addcol(f, "expert", TR_U32, 1, g->expert);
	if (span == HISTO_ROW && g->nrow > 1) {
		tr_addcol(f, "lo", TR_F64, 1, g->lo);
		tr_addcol(f, "hi", TR_F64, 1, g->hi);
	}
	tr_addcol(f, "n", TR_U64, bins, g->n);
	if (g->x) {
		tr_addcol(f, "x", TR_F64, HISTO_POINTS, g->x);
		tr_addcol(f, "y", TR_F64, HISTO_POINTS, g->y);
	}
	if (g->expected)
		tr_addcol(f, "law", TR_F64, bins, g->expected);
	tool_put(&t, f);
	free(number);
}

static void
put(const struct histo_group *g)
{
	static const char *const what[] = {"logit", "softmax", "wsum", "p", "cdf"};
	static const char *const rows[] = {"layer", "expert", "kth", "rank"};
	char key[TR_NAME_MAX], text[NUM_MAX + 1];
	const char *old;
	struct tr_frame f;

	tr_new(&f, "hist");
	if (!all)
		tr_setu(&f, "layer", g->layer);
	tr_set(&f, "of", what[of]);
	if (!plain)
		tr_set(&f, "by", rows[by]);
	if (trim)
		tr_setu(&f, "trim", trim);
	if (sampled != TR_NONE)
		tr_setu(&f, "sampled", sampled);
	if (*g->dataset)
		tr_set(&f, "dataset", g->dataset);
	if (span != HISTO_ROW || g->nrow == 1) {
		text[num_put_f64(text, *g->lo)] = 0;
		tr_set(&f, "lo", text);
		text[num_put_f64(text, *g->hi)] = 0;
		tr_set(&f, "hi", text);
	}
	tr_setu(&f, "n_below", g->below);
	tr_setu(&f, "n_above", g->above);
	tr_setu(&f, "n_nan", g->nan);
	for (int i = 0; i < ntag; i++) {
		size_t n = strcspn(tags[i], "=");

		if (n >= sizeof key)
			die("--tag %s: a key that is too long", tags[i]);
		memcpy(key, tags[i], n);
		key[n] = 0;
		if (tr_key(&f, key, &old) > 0 || tr_set(&f, key, tags[i] + n + 1) < 0)
			die("--tag %s: no key, or one that is taken", tags[i]);
	}
	if (plain && by == HISTO_LAYER) {
		tr_rows(&f, bins);
		tr_addcol(&f, "n", TR_U64, 1, g->n);
		tool_put(&t, &f);
	} else {
		put_rows(&f, g);
	}
}

/* ---- in ---- */

/* The data set of a section: what its @trace says, else its part, else its file. */
static void
name_section(const struct tr_frame *f, char name[HISTO_NAME])
{
	const char *file = t.nfiles ? t.files[f->input - 1] : "-", *slash = strrchr(file, '/');

	if (tr_text(f, "dataset", name, HISTO_NAME) <= 0 &&
	    tr_text(f, "part", name, HISTO_NAME) <= 0) {
		file = slash ? slash + 1 : file;
		memset(name, 0, HISTO_NAME);
		memcpy(name, file, MIN(strlen(file), HISTO_NAME - 1));
	}
}

static void
read_all(void)
{
	struct tr_head *head = t.head;
	char name[HISTO_NAME] = "";
	struct tr_frame f;
	int r;

	t.head = NULL; /* sections are folded here, where their names are seen */
	while (tool_next(&t, &f)) {
		if (common && !strcmp(f.kind, "trace"))
			name_section(&f, name);
		if ((r = tr_head_add(head, &f, t.force)) < 0) {
			tr_fail(t.in, &f, r, "%s", tr_head_errstr(head));
			tool_fail(&t);
		}
		if (!r && !strcmp(f.kind, "route") && tr_list_has(&layers, tr_get(&f, "layer", 0)))
			histo_add(&h, &t, &f, name);
	}
	t.head = head;
}

int
main(int argc, char **argv)
{
	static const char *const none[] = {"logits", "logits", "weights", "p-values", "p-values"};
	static const char *const hint[] = {": log2trace and pt2trace --logits write them",
					   ": log2trace and pt2trace --logits write them", "",
					   ": logit-pval writes them", ": logit-pval writes them"};

	tool_start(&t, argc, argv);
	check();
	h.of = (enum histo_of)of;
	h.by = (enum histo_by)by;
	h.span = (enum histo_span)span;
	h.bins = bins;
	h.trim = trim;
	h.pool = all;
	h.curve = curve;
	if (counts)
		read_counts();
	read_all();
	if (!h.n)
		die("no %s%s", none[of], layers.n ? " of those layers" : hint[of]);
	histo_end(&h, &t);
	if (law)
		histo_law(&h);
	if (sampled != TR_NONE)
		histo_draw(&h, sampled);
	for (size_t i = 0; i < h.n; i++)
		put(&h.group[i]);
	return tool_end(&t);
}
