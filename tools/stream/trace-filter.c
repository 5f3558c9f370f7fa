/*
 * Frames in, those wanted out: whole frames by layer and batch, rows of route
 * and tok frames by their number, by what the tok and seq frames say of them, by
 * their experts, or by chance.  A frame of which all is wanted passes as it is.
 * framing.md sections 5 and 8.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/load.h"
#include "../../lib/stats/told.h"
#include "rng.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

#define NOT_ASKED 2e300 /* no probability that could be given */

static struct tr_list layers, batches, rows, positions, seqs, any, all;
static const char *dataset, *drop, *frame;
static int phase = -1;
static uint64_t every = 1, head = TR_NONE;
static double sample = NOT_ASKED;

static struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers", 0, 0},
	{'b', "batch", "LIST", OPT_LIST, &batches, "batches", 0, 0},
	{0, "row", "LIST", OPT_LIST, &rows, "rows, by number in the batch", 0, 0},
	{0, "pos", "LIST", OPT_LIST, &positions, "tokens at these positions", 0, 0},
	{0, "seq", "LIST", OPT_LIST, &seqs, "tokens of these sequences", 0, 0},
	{0, "dataset", "NAME", OPT_STR, &dataset, "sequences of this data set", 0, 0},
	{0, "phase", "prefill|decode", OPT_WORD, &phase, "tokens of one phase", 0, 0},
	{0, "expert", "LIST", OPT_LIST, &any, "rows that picked one of these experts", 0, 0},
	{0, "expert-all", "LIST", OPT_LIST, &all, "rows that picked all of these experts", 0, 0},
	{0, "every", "N", OPT_U64, &every, "rows whose number N divides", 1, 0},
	{0, "head", "N", OPT_U64, &head, "the first N rows of each batch", 0, 0},
	{0, "sample", "P", OPT_F64, &sample, "rows drawn with probability P", 0, 0},
	{0, "frame", "NAME", OPT_STR, &frame, "tables of that name, frames of that kind", 0, 0},
	{0, "drop", "NAMES", OPT_STR, &drop, "leave these columns out", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-filter",
	.operands = "[FILE ...]",
	.what = "select frames, rows or columns of a trace",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_SEED,
};

static struct told *told; /* which sequences are of the data set, which rows are wanted */
static int section_wanted, by_batch;

static uint64_t nnamed;  /* frames written that --frame asks for */
static uint64_t nlayers; /* selected layers that occur in any section */
static uint32_t *idx;
static size_t capidx;
static struct rows_buf buf;

/* @trace: layers and map say what is left. */
static void
begin(struct tr_frame *f)
{
	const struct tr_sect *s = tool_section(&t);
	struct tr_list map = {0};
	char buf[TR_HEADER_MAX];
	const char *val;

	told_forget(told);
	by_batch = tr_key(f, "order", &val) && !strcmp(val, "batch,layer");
	section_wanted = -1;
	if (dataset && tr_text(f, "dataset", buf, sizeof buf) > 0)
		section_wanted = !strcmp(buf, dataset);
	if (!layers.n || !s->layers) {
		nlayers += !s->layers;
		return;
	}
	for (uint64_t i = 0; i < s->layers; i++) {
		uint64_t l = s->map.n ? tr_list_at(&s->map, i) : i;

		if (tr_list_has(&layers, l) && tr_list_add(&map, l) < 0)
			die("no memory");
	}
	nlayers += tr_list_count(&map);
	if (tr_list_count(&map) != s->layers && tr_set_layers(f, &map) < 0)
		tool_refuse(&t, f, "map grows too long (%llu)",
			    (unsigned long long)tr_list_count(&map));
	tr_list_free(&map);
}

static int
seq_wanted(const struct tr_frame *f, uint64_t batch, uint64_t seq)
{
	int wanted = dataset ? told_seq(told, batch, seq) : 1;

	if (!tr_list_has(&seqs, seq))
		return 0;
	if (wanted >= 0)
		return wanted;
	if (section_wanted < 0)
		tool_refuse(&t, f, "no @seq before it tells the data set of sequence (%llu)",
			    (unsigned long long)seq);
	return section_wanted;
}

/* A seq or text frame: is it wanted? */
static int
take_seq(struct tr_frame *f)
{
	uint64_t batch = tool_key(&t, f, "batch"), seq = tool_key(&t, f, "seq");
	char name[TR_HEADER_MAX];

	if (dataset && !strcmp(f->kind, "seq")) {
		int wanted = section_wanted;

		if (tr_text(f, "dataset", name, sizeof name) > 0)
			wanted = !strcmp(name, dataset);
		tool_check(&t, told_put_seq(told, batch, seq, wanted > 0));
		return wanted > 0 && tr_list_has(&seqs, seq);
	}
	return seq_wanted(f, batch, seq);
}

static void
open_value(const struct tr_frame *f, const char *name, struct value *v)
{
	int r = value_open(v, f, name);

	if (r == TR_ECOLS || r == TR_EVALUE)
		tool_refuse(&t, f, "a column that is asked for is not unsigned (0)");
	tool_check(&t, r);
	if (r == 0)
		tool_key(&t, f, name); /* says that it is missing */
}

static int
ask_tok(void)
{
	return positions.n || seqs.n || dataset || phase >= 0;
}

static int
row_wanted(uint64_t batch, uint64_t row)
{
	/* a stream of draws of its own: trace-gen may have used the same seed */
	const uint64_t stream = (UINT64_C(0x73616d70) << 32) ^ batch;

	return row < head && row % every == 0 && tr_list_has(&rows, row) &&
	       (sample > 1 || rng_f64(t.seed, stream, row) < sample);
}

/* The wanted rows of a tok or route frame into idx; their number. */
static uint64_t
choose(struct tr_frame *f)
{
	int tok = !strcmp(f->kind, "tok"), ask = ask_tok();
	uint64_t batch = tr_get(f, "batch", 0), n = 0;
	struct value pos = {0}, seq = {0}, ph = {0};
	struct tr_ids ids;
	struct rows r;
	int e = rows_open(&r, f);

	if (e == TR_ECOLS || e == TR_EVALUE)
		tool_refuse(&t, f, "row numbers are none (0)");
	tool_check(&t, e);
	if (f->rows > capidx) {
		free(idx);
		idx = xmalloc(f->rows * sizeof *idx);
		capidx = f->rows;
	}
	if (ask && by_batch && !tok)
		told_pass(told, batch);
	if (ask)
		tool_check(&t, told_batch(told, batch, tok ? f->rows : 0));
	if (tok && ask) {
		if (positions.n)
			open_value(f, "pos", &pos);
		if (seqs.n || (dataset && (told_seqs(told) || section_wanted < 0)))
			open_value(f, "seq", &seq);
		if (phase >= 0)
			open_value(f, "phase", &ph);
	}
	if (!tok && (any.n || all.n))
		tool_ids(&t, f, &ids);
	for (uint64_t i = 0; i < f->rows; i++) {
		uint64_t row = rows_at(&r, i);
		int keep = row_wanted(batch, row);

		if (tok && ask) {
			int w = tr_list_has(&positions, value_at(&pos, i)) &&
				(phase < 0 || value_at(&ph, i) == (uint64_t)phase) &&
				((!seqs.n && !dataset) || seq_wanted(f, batch, value_at(&seq, i)));

			told_put_row(told, row, w);
			keep &= w;
		} else if (ask && keep && (keep = told_row(told, row)) < 0) {
			tool_refuse(&t, f, "no @tok before it has this row (%llu)",
				    (unsigned long long)row);
		}
		if (keep && !tok && (any.n || all.n))
			keep = load_picked(&ids, i, &any, &all);
		if (keep)
			idx[n++] = (uint32_t)i;
	}
	if (tok && ask)
		told_rows_end(told);
	return n;
}

static void
drop_columns(struct tr_frame *f)
{
	int r = rows_dropcols(f, drop);

	if (r == TR_EUSE)
		die("--drop %s: no list of column names", drop);
	if (r == TR_EVALUE)
		die("--drop row: the other columns mean nothing without it");
	if (r == TR_ECOLS)
		tool_refuse(&t, f, "--drop leaves no column (0)");
	tool_check(&t, r);
}

static int
by_rows(const struct tr_frame *f)
{
	return ask_tok() || rows.n || every > 1 || head != TR_NONE || sample <= 1 ||
	       (f->kind[0] == 'r' && (any.n || all.n));
}

/* Write f, unless --frame asks for others. */
static void
put(const struct tr_frame *f)
{
	static const char *const framing[] = {"trace", "prog", "index", "end"};
	int wanted = tool_named(f, frame);

	nnamed += (uint64_t)wanted;
	for (size_t i = 0; i < LEN(framing); i++)
		wanted |= !strcmp(f->kind, framing[i]);
	if (wanted)
		tool_put(&t, f);
}

static void
put_table(struct tr_frame *f)
{
	struct tr_frame g;

	if (drop)
		drop_columns(f);
	if (by_rows(f) && f->rows) {
		uint64_t n = choose(f);

		if (n == 0)
			return;
		if (n < f->rows) {
			tool_check(&t, rows_take(&g, f, idx, n, &buf));
			put(&g);
			return;
		}
	}
	put(f);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	uint64_t n;

	tool_start(&t, argc, argv);
	if (!(told = told_new()))
		die("no memory");
	if (sample < 0 || (sample > 1 && sample < NOT_ASKED))
		die("--sample: not a probability");
	while (tool_next(&t, &f)) {
		int tok = !strcmp(f.kind, "tok"), route = !strcmp(f.kind, "route");

		if (layers.n && tr_num(&f, "layer", &n) > 0 && !tr_list_has(&layers, n))
			continue;
		if (batches.n && (route || tr_num(&f, "batch", &n) > 0) &&
		    !tr_list_has(&batches, tr_get(&f, "batch", 0)))
			continue;
		if (!strcmp(f.kind, "trace"))
			begin(&f);
		if ((seqs.n || dataset) && (!strcmp(f.kind, "seq") || !strcmp(f.kind, "text")) &&
		    !take_seq(&f))
			continue;
		if (tok || route)
			put_table(&f);
		else
			put(&f);
	}
	if (layers.n && !nlayers)
		die("none of these layers is in the input");
	if (!nnamed)
		die("no frames of %s in the input", frame);
	return tool_end(&t);
}
