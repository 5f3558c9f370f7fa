/*
 * A trace in, dense CSV out: a line a row, a cell an expert, zero where it was
 * not picked.  A row is a template of zero cells into which the picks are
 * patched.  The dialect dynande is the simulator's, to the byte: layer_id 0,
 * six decimals, CR LF.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/topktext.h"
#include "num.h"
#include "size.h"
#include "tool.h"

enum { PLAIN, DYNANDE, DYNANDE_TXT, COACT };

static int dialect, all_layers, compat;
static uint64_t precision;
static struct tr_list layers;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "dialect", "plain|dynande|dynande-txt|coact", OPT_WORD, &dialect,
	 "plain: true layers, shortest numbers", 0, 0},
	{0, "precision", "N", OPT_U64, &precision, "N significant digits; 9 reads back", 1, 17},
	{0, "all-layers", NULL, OPT_FLAG, &all_layers, "dynande: layer after layer, true layer_id",
	 0, 0},
	{0, "compat", NULL, OPT_FLAG, &compat, "dynande-txt: \"1St token\", as the notebooks say",
	 0, 0},
	{0},
};

static char *zeros, *line; /* the zero cells; a line being made */
static size_t nzeros, cell;
static uint64_t next_row[1 << 16];
static uint64_t one_layer = TR_NONE;

static void
put(struct tool *t, const char *p, size_t n)
{
	if (sink_put(t->sink, p, n) < 0)
		tool_broken(t);
}

static void
header(struct tool *t)
{
	uint64_t experts = tool_section(t)->experts;
	char buf[32];

	cell = dialect == DYNANDE ? 9 : 2;
	nzeros = experts * cell;
	zeros = xrealloc(zeros, nzeros, 1);
	line = xrealloc(line, nzeros + experts * NUM_MAX + 64, 1);
	put(t, "layer_id,token_id", 17);
	for (uint64_t e = 0; e < experts; e++) {
		memcpy(zeros + e * cell, dialect == DYNANDE ? ",0.000000" : ",0", cell);
		put(t, buf,
		    (size_t)snprintf(buf, sizeof buf, ",expert_%llu", (unsigned long long)e));
	}
	put(t, dialect == DYNANDE ? "\r\n" : "\n", 1 + (dialect == DYNANDE));
}

static size_t
put_num(char *to, float x)
{
	if (precision)
		return (size_t)sprintf(to, "%.*g", (int)precision, (double)x);
	return dialect == DYNANDE ? num_put_6f(to, x) : num_put_f32(to, x);
}

/* One row: picks in ascending order of expert, the cells between them copied. */
static size_t
make_line(uint64_t layer, uint64_t row, const uint32_t *ids, const float *w, uint32_t n)
{
	char *p = line + num_put_u64(line, dialect == DYNANDE && !all_layers ? 0 : layer), *cells;

	*p++ = ',';
	p += num_put_u64(p, row);
	cells = p;
	/* The usual case: every number is as wide as a zero cell. */
	if (cell == 9 && !precision) {
		uint32_t i = 0;

		memcpy(p, zeros, nzeros);
		while (i < n && w[i] < 10 && w[i] >= 0) {
			num_put_6f(cells + ids[i] * cell + 1, w[i]);
			i++;
		}
		if (i == n)
			return (size_t)(cells + nzeros - line);
	}
	uint32_t order[64], *o = order;

	if (n > LEN(order))
		o = xmalloc(n * sizeof *o);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = i;

		for (; k > 0 && ids[o[k - 1]] > ids[i]; k--)
			o[k] = o[k - 1];
		o[k] = i;
	}
	uint64_t at = 0;

	p = cells;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t e = ids[o[i]];

		memcpy(p, zeros + at * cell, (e - at) * cell);
		p += (e - at) * cell;
		*p++ = ',';
		p += put_num(p, w[o[i]]);
		at = e + 1;
	}
	memcpy(p, zeros + at * cell, nzeros - at * cell);
	p += nzeros - at * cell;
	if (o != order)
		free(o);
	return (size_t)(p - line);
}

static void
rows(struct tool *t, struct tr_frame *f)
{
	uint64_t layer = tool_key(t, f, "layer"), base;
	struct tr_ids ids;
	struct tr_col w;

	if (!tr_list_has(&layers, layer))
		return;
	if (dialect == DYNANDE && !all_layers && one_layer != TR_NONE && one_layer != layer)
		die("layers %llu and %llu: the simulator reads one layer a file, choose it by "
		    "--layer",
		    (unsigned long long)one_layer, (unsigned long long)layer);
	one_layer = layer;
	if (!zeros)
		header(t);
	tool_ids(t, f, &ids);
	tool_col(t, f, "w", &w);
	if (w.width != ids.k)
		die("%s", "w and ids differ in width");
	if (layer >= LEN(next_row))
		die("layer %llu is too large", (unsigned long long)layer);
	/* Batches follow each other: the row number of the file counts on. */
	base = next_row[layer];
	float *weights = xmalloc(ids.k * sizeof *weights);
	uint32_t *picks = xmalloc(ids.k * sizeof *picks);

	for (uint64_t r = 0; r < ids.rows; r++) {
		uint32_t n = 0;
		size_t len;

		col_f32(&w, r * ids.k, ids.k, weights);
		for (uint32_t i = 0; i < ids.k; i++) {
			uint32_t id = tr_id(&ids, r * ids.k + i);

			if (id == UINT32_MAX)
				continue;
			if (!(weights[i] >= 0) || weights[i] - weights[i] != 0) {
				tr_fail(t->in, f, TR_EVALUE,
					"row %llu slot %u: the weight is no number >= 0",
					(unsigned long long)r, i);
				tool_fail(t);
			}
			picks[n] = id;
			weights[n++] = weights[i];
		}
		len = make_line(layer, base + r, picks, weights, n);
		if (dialect == DYNANDE)
			line[len++] = '\r';
		line[len++] = '\n';
		put(t, line, len);
	}
	next_row[layer] = base + ids.rows;
	free(weights);
	free(picks);
}

static int histograms;

/* A histogram file of the notebooks out of a topk frame. */
static void
histogram(struct tool *t, const struct tr_frame *f, const struct tr_frame *trace)
{
	struct topktext x = {.layer = tool_key(t, f, "layer"),
			     .k = tool_key(t, f, "k"),
			     .n_tokens = tool_key(t, f, "n_tokens"),
			     .experts = (uint32_t)f->rows,
			     .position = tr_get(trace, "position", TR_NONE),
			     .seqs = tr_get(trace, "seqs", 0),
			     .seqlen = tr_get(trace, "seqlen", 0),
			     .title = compat};
	struct tr_col n;

	if (!tr_list_has(&layers, x.layer))
		return;
	if (dialect == PLAIN)
		die("@topk: --dialect dynande or dynande-txt writes histograms, -t of topk-stats "
		    "tables");
	if (histograms++)
		die("several histograms: a file holds one, choose by -k and -l of topk-stats");
	tool_col(t, f, "n", &n);
	if (n.type != TR_U64 || n.width != 1)
		die("@topk without n:u64");
	x.n = n.data;
	if ((dialect == DYNANDE ? topktext_csv : topktext_txt)(t->sink, &x) < 0)
		tool_broken(t);
}

/* The matrix of a coact frame: no header, nothing on the diagonal, as the
 * placement simulator has it. */
static void
matrix(struct tool *t, struct tr_frame *f)
{
	struct tr_col c;
	char num[NUM_MAX];

	if (!tr_list_has(&layers, tool_key(t, f, "layer")))
		return;
	if (histograms++)
		die("several matrices: a file holds one, choose by --layer");
	tool_col(t, f, "n", &c);
	if (c.type != TR_U64 || c.width != f->rows)
		die("@coact without n:u64:ROWS");
	for (uint64_t i = 0; i < f->rows; i++)
		for (uint64_t j = 0; j < f->rows; j++) {
			uint64_t n = i == j ? 0 : ((const uint64_t *)c.data)[i * f->rows + j];

			put(t, num, num_put_u64(num, n));
			put(t, j + 1 < f->rows ? "," : "\n", 1);
		}
}

int
main(int argc, char **argv)
{
	static struct tool t = {"trace2csv", "[FILE ...]", "write a trace as dense CSV", opts,
				TOOL_BYTES};
	static struct tr_frame f, trace;
	uint64_t experts = 0;
	int topk = 0;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "trace")) {
			if (experts && tool_section(&t)->experts != experts)
				die("sections of %llu and %llu experts do not fit one table",
				    (unsigned long long)experts,
				    (unsigned long long)tool_section(&t)->experts);
			experts = tool_section(&t)->experts;
			trace = f;
		}
		if (!strcmp(f.kind, "topk")) {
			histogram(&t, &f, &trace);
			topk = 1;
		}
		if (dialect == COACT) {
			if (!strcmp(f.kind, "coact"))
				matrix(&t, &f);
			continue;
		}
		if (!strcmp(f.kind, "route")) {
			if (dialect == DYNANDE_TXT)
				die("@route: --dialect dynande-txt writes histograms, of topk "
				    "frames");
			rows(&t, &f);
		}
	}
	if (layers.n && one_layer == TR_NONE && !histograms)
		die("none of these layers is in the input");
	if (dialect == COACT && !histograms)
		die("no coact frame: it writes what coact makes");
	if (!zeros && !topk && dialect != COACT)
		header(&t);
	return tool_end(&t);
}
