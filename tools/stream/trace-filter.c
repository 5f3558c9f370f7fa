/*
 * Frames in, those wanted out: whole frames by layer and batch, rows of route
 * and tok frames by their number, by what the tok and seq frames say of them, by
 * their experts, or by chance.  A frame of which all is wanted passes as it is.
 * framing.md sections 5 and 8.
 */
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

static struct tr_list layers, batches, rows, positions, seqs, any, all;
static const char *dataset, *drop;
static int phase = -1;
static uint64_t every = 1, head = TR_NONE;
static double sample = 2; /* above 1: not asked for */

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

/* What the tok frames of a batch said: row << 1 | wanted, ascending. */
static struct batch {
	uint64_t number, *row;
	size_t n, cap, at;
} * toks;
static size_t ntoks;

/* What the seq frames said under --dataset. */
static struct seq {
	uint64_t batch, seq;
	int wanted;
} * known;
static size_t nknown;
static int known_sorted, section_wanted, by_batch;

static uint64_t nlayers; /* selected layers that occur in any section */
static uint32_t *idx;
static size_t capidx;
static struct rows_buf buf;

_Noreturn static void
refuse(const struct tr_frame *f, const char *what, uint64_t n)
{
	tr_fail(t.in, f, TR_EVALUE, "@%s: %s (%llu)", f->kind, what, (unsigned long long)n);
	tool_fail(&t);
}

static void
check(int r)
{
	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		tool_fail(&t);
}

/* @trace: layers and map say what is left. */
static void
begin(struct tr_frame *f)
{
	const struct tr_sect *s = tool_section(&t);
	struct tr_list map = {0};
	char buf[TR_HEADER_MAX];
	const char *val;

	for (size_t i = 0; i < ntoks; i++)
		free(toks[i].row);
	ntoks = nknown = 0;
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
	if (tr_list_count(&map) != s->layers) {
		tr_setu(f, "layers", tr_list_count(&map));
		tr_unset(f, "map");
		if (tr_list_text(&map, buf, sizeof buf) < 0)
			refuse(f, "map grows too long", tr_list_count(&map));
		if (map.n > 1 || (map.n && map.range[0].lo))
			tr_set(f, "map", buf);
	}
	tr_list_free(&map);
}

static int
by_seq(const void *a, const void *b)
{
	const struct seq *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int
seq_wanted(const struct tr_frame *f, uint64_t batch, uint64_t seq)
{
	struct seq key = {batch, seq, 0}, *s;

	if (!tr_list_has(&seqs, seq))
		return 0;
	if (!dataset)
		return 1;
	if (!known_sorted)
		qsort(known, nknown, sizeof *known, by_seq);
	known_sorted = 1;
	s = nknown ? bsearch(&key, known, nknown, sizeof *known, by_seq) : NULL;
	if (s)
		return s->wanted;
	if (section_wanted < 0)
		refuse(f, "no @seq before it tells the data set of sequence", seq);
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
		if (nknown % 1024 == 0)
			known = xrealloc(known, nknown + 1024, sizeof *known);
		known[nknown++] = (struct seq){batch, seq, wanted > 0};
		known_sorted = 0;
		return wanted > 0 && tr_list_has(&seqs, seq);
	}
	return seq_wanted(f, batch, seq);
}

/* A column of tok, or the key that stands for it. */
struct value {
	struct tr_col c;
	uint64_t key;
};

static void
value_open(const struct tr_frame *f, const char *name, struct value *v)
{
	int r = tr_col(f, name, &v->c);

	check(r);
	if (r > 0 && v->c.type > TR_U64)
		refuse(f, "a column that is asked for is not unsigned", 0);
	if (r == 0) {
		v->c.data = NULL;
		v->key = tool_key(&t, f, name);
	}
}

static uint64_t
value_at(const struct value *v, uint64_t i)
{
	uint64_t n = v->key;

	if (v->c.data)
		col_u64(&v->c, i * v->c.width, 1, &n);
	return n;
}

static struct batch *
batch_of(uint64_t number, int make)
{
	for (size_t i = ntoks; i-- > 0;)
		if (toks[i].number == number)
			return &toks[i];
	if (!make)
		return NULL;
	toks = xrealloc(toks, ntoks + 1, sizeof *toks);
	toks[ntoks] = (struct batch){.number = number};
	return &toks[ntoks++];
}

/* Under order=batch,layer batches before this one will not come again. */
static void
forget(uint64_t number)
{
	size_t n = 0;

	for (size_t i = 0; i < ntoks; i++)
		if (toks[i].number < number)
			free(toks[i].row);
		else
			toks[n++] = toks[i];
	ntoks = n;
}

static int
by_row(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int
ask_tok(void)
{
	return positions.n || seqs.n || dataset || phase >= 0;
}

/* Does the tok row with that number want to stay? */
static int
tok_wanted(const struct tr_frame *f, struct batch *b, uint64_t row)
{
	size_t lo = 0, hi = b ? b->n : 0;

	if (b && b->at < b->n && b->row[b->at] >> 1 == row)
		return (int)(b->row[b->at++] & 1);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->row[mid] >> 1 < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!b || lo == b->n || b->row[lo] >> 1 != row)
		refuse(f, "no @tok before it has this row", row);
	b->at = lo + 1;
	return (int)(b->row[lo] & 1);
}

static int
row_wanted(uint64_t batch, uint64_t row)
{
	/* a stream of draws of its own: trace-gen may have used the same seed */
	const uint64_t stream = (UINT64_C(0x73616d70) << 32) ^ batch;

	return row < head && row % every == 0 && tr_list_has(&rows, row) &&
	       (sample > 1 || rng_f64(t.seed, stream, row) < sample);
}

static int
picked(const struct tr_ids *ids, uint64_t i)
{
	int found = !any.n;
	uint64_t n = 0;

	for (uint32_t s = 0; s < ids->k; s++) {
		uint32_t e = tr_id(ids, i * ids->k + s);

		if (e == UINT32_MAX)
			continue;
		found |= tr_list_has(&any, e);
		if (all.n && tr_list_has(&all, e)) {
			uint32_t k = 0; /* an id that repeats counts once */

			while (k < s && tr_id(ids, i * ids->k + k) != e)
				k++;
			n += k == s;
		}
	}
	return found && (!all.n || n == tr_list_count(&all));
}

/* The wanted rows of a tok or route frame into idx; their number. */
static uint64_t
choose(struct tr_frame *f)
{
	int tok = !strcmp(f->kind, "tok"), ask = ask_tok();
	uint64_t batch = tr_get(f, "batch", 0), n = 0;
	struct value pos = {0}, seq = {0}, ph = {0};
	struct batch *b = NULL;
	struct tr_ids ids;
	struct rows r;
	int sorted = 1, e = rows_open(&r, f);

	if (e == TR_ECOLS || e == TR_EVALUE)
		refuse(f, "row numbers are none", 0);
	check(e);
	if (f->rows > capidx) {
		free(idx);
		idx = xmalloc(f->rows * sizeof *idx);
		capidx = f->rows;
	}
	if (ask && by_batch && !tok)
		forget(batch);
	if (ask)
		b = batch_of(batch, tok);
	if (tok && ask) {
		if (positions.n)
			value_open(f, "pos", &pos);
		if (seqs.n || (dataset && (nknown || section_wanted < 0)))
			value_open(f, "seq", &seq);
		if (phase >= 0)
			value_open(f, "phase", &ph);
		if (b->n + f->rows > b->cap) {
			b->cap = b->n + f->rows;
			b->row = xrealloc(b->row, b->cap, sizeof *b->row);
		}
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

			sorted &= !b->n || b->row[b->n - 1] >> 1 <= row;
			b->row[b->n++] = row << 1 | (uint64_t)w;
			keep &= w;
		} else if (ask) {
			keep = keep && tok_wanted(f, b, row);
		}
		if (keep && !tok && (any.n || all.n))
			keep = picked(&ids, i);
		if (keep)
			idx[n++] = (uint32_t)i;
	}
	if (!sorted)
		qsort(b->row, b->n, sizeof *b->row, by_row);
	if (b)
		b->at = 0;
	return n;
}

static void
drop_columns(struct tr_frame *f)
{
	char name[TR_NAME_MAX];
	size_t n;

	for (const char *s = drop; *s; s += n + !!s[n]) {
		struct tr_col c;

		n = strcspn(s, ",");
		if (n == 0 || n >= sizeof name)
			die("--drop %s: no list of column names", drop);
		memcpy(name, s, n);
		name[n] = 0;
		if (!strcmp(name, "row"))
			die("--drop row: the other columns mean nothing without it");
		if (tr_col(f, name, &c) == 0)
			continue;
		check(tr_decode(f));
		if (f->ncols == 1)
			refuse(f, "--drop leaves no column", 0);
		tr_dropcol(f, name);
	}
}

static int
by_rows(const struct tr_frame *f)
{
	return ask_tok() || rows.n || every > 1 || head != TR_NONE || sample <= 1 ||
	       (f->kind[0] == 'r' && (any.n || all.n));
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
			check(rows_take(&g, f, idx, n, &buf));
			tool_put(&t, &g);
			return;
		}
	}
	tool_put(&t, f);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	uint64_t n;

	tool_start(&t, argc, argv);
	if (sample < 0 || (sample > 1 && sample != 2))
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
			tool_put(&t, &f);
	}
	if (layers.n && !nlayers)
		die("none of these layers is in the input");
	return tool_end(&t);
}
