/*
 * log2trace: JSON logs of router logits in, a trace out, a section a file.  A log is
 * read a layer at a time; since its layers and widths stand nowhere before them, the
 * numbers (a tenth of the text) are spooled to an unlinked file, and what is held
 * is 48 bytes a sample and 48 a layer of it.  spec: router-analysis.md section 1.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/routerlog.h"
#include "../../lib/stats/softtop.h"
#include "size.h"
#include "tool.h"

enum { EMPTY = 0xffff };

static uint64_t topk;
static int recompute, renorm, verify, strict;
static double tolerance = 1e-5;

static const struct opt opts[] = {
	{0, "recompute", NULL, OPT_FLAG, &recompute, "ids and w from the logits: softmax, top-k", 0,
	 0},
	{'k', "topk", "N", OPT_U64, &topk, "--recompute: experts of a row (as logged)", 1,
	 TR_EXPERTS_MAX},
	{0, "renorm", NULL, OPT_FLAG, &renorm, "weights are divided by their sum", 0, 0},
	{0, "verify", NULL, OPT_FLAG, &verify, "exit 1 where the logits say other ids or weights",
	 0, 0},
	{0, "tolerance", "X", OPT_F64, &tolerance, "--verify: of a weight (1e-5)", 0, 0},
	{0, "strict", NULL, OPT_FLAG, &strict, "NaN and Infinity are errors", 0, 0},
	{0},
};

static struct tool t = {.name = "log2trace",
			.operands = "[FILE ...]",
			.what = "read a trace from a JSON log of router logits",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

/* A layer of a sample in the spool: ids u16, w f32, logit f32, row u32. */
struct part {
	uint64_t off, batch, layer;
	uint32_t rows, k;
	int w, logit, gaps;
};

struct sample {
	uint64_t id, tokens;
	double loss;
	size_t part, nparts;
};

static const char *file;
static struct rlog *r;
static struct part *part;
static struct sample *sample;
static size_t nparts, capparts, nsamples, capsamples;
static uint64_t spooled, dropped, bare;
static struct sink *spool;
static int spool_file;
static uint32_t experts, widest;
static int32_t greatest;

static uint16_t *ids; /* what a layer becomes */
static float *w;
static double *p;
static uint32_t *number;
static uint16_t *best;

_Noreturn static void
refuse(const char *fmt, uint64_t row, uint64_t a, uint64_t b)
{
	char where[128], text[128];

	rlog_where(r, where, sizeof where);
	snprintf(text, sizeof text, fmt, a, b);
	if (row == TR_NONE)
		die("%s:%" PRIu64 ": %s: %s", file, r->line, where, text);
	die("%s:%" PRIu64 ": %s, row %" PRIu64 ": %s", file, r->line, where, row, text);
}

/* The rows that the matrices which are there agree upon. */
static uint64_t
count_rows(void)
{
	uint64_t n = r->logit.there ? r->logit.rows : r->id.there ? r->id.rows : 0;

	if (r->layer == TR_NONE)
		refuse("no \"layer\"", TR_NONE, 0, 0);
	if (r->logit.dims == 1 || r->id.dims == 1)
		refuse("a flat list, not a row a token", TR_NONE, 0, 0);
	if (r->id.there && r->id.rows != n)
		refuse("%" PRIu64 " rows of logits, %" PRIu64 " of experts", TR_NONE, n,
		       r->id.rows);
	if (r->w.there && r->w.dims > 1 && r->id.there &&
	    (r->w.rows != n || r->w.width != r->id.width))
		refuse("%" PRIu64 " rows of weights, or not as many a row as experts (%" PRIu64 ")",
		       TR_NONE, r->w.rows, r->id.width);
	if (r->w.dims == 1 && r->w.nbad)
		refuse("a flat list with NaN or Infinity", TR_NONE, 0, 0);
	if (n && r->logit.there) {
		if (experts && r->logit.width != experts)
			refuse("%" PRIu64 " logits, the first row of the log has %" PRIu64, 0,
			       r->logit.width, experts);
		if (r->logit.width > TR_EXPERTS_MAX)
			refuse("%" PRIu64 " logits are too many", 0, r->logit.width, 0);
		experts = r->logit.width;
	}
	return n;
}

/* Picks and weights as logged, into ids and w; flat weights go to the picks in turn. */
static void
logged(uint64_t row, uint32_t k, size_t *flat)
{
	for (uint32_t i = 0; i < k; i++) {
		size_t at = row * k + i;
		int32_t id = r->id.i[at];

		if (id < -1 || id >= (int32_t)(experts ? experts : TR_EXPERTS_MAX))
			refuse("expert %" PRIu64 " of %" PRIu64, row,
			       (uint64_t)(uint32_t)(id < 0 ? -id : id), experts);
		greatest = MAX(greatest, id);
		ids[i] = id < 0 ? EMPTY : (uint16_t)id;
		w[i] = 0;
		if (id < 0 || !r->w.there)
			continue;
		if (r->w.dims > 1)
			w[i] = r->w.f[at];
		else if (*flat < r->w.width * r->w.rows)
			w[i] = r->w.f[(*flat)++];
		else
			bare++;
	}
}

_Noreturn static void
differs(uint64_t row, const char *fmt, double a, double b)
{
	char where[128], text[128];

	rlog_where(r, where, sizeof where);
	snprintf(text, sizeof text, fmt, a, b);
	warn("%s: %s, token %" PRIu64 ": %s", file, where, row, text);
	die_no();
}

static int
down(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	return p[x] > p[y] ? -1 : p[x] < p[y] ? 1 : x < y ? -1 : x > y;
}

/* Are the logged picks the best?  Of experts that f32 does not tell apart any will do. */
static void
check(uint64_t row, const float *x, uint32_t k)
{
	static uint16_t *own;
	double sum = 0, say;
	uint32_t n = 0;

	own = xrealloc(own, k + 1, sizeof *own);
	for (uint32_t i = 0; i < k; i++)
		if (ids[i] != EMPTY) {
			own[n++] = ids[i];
			sum += p[ids[i]];
		}
	if (n > experts)
		differs(row, "%.0f picks of %.0f experts", n, experts);
	softtop_best(x, experts, n, best);
	qsort(own, n, sizeof *own, down);
	for (uint32_t i = 0; i < n; i++) {
		if (i && own[i] == own[i - 1])
			differs(row, "expert %.0f is logged twice", own[i], 0);
		if (p[best[i]] - p[own[i]] > 0x1p-22 * p[best[i]])
			differs(row, "expert %.0f is logged, the logits say %.0f", own[i], best[i]);
	}
	for (uint32_t i = 0; i < k && r->w.dims > 1; i++) {
		if (ids[i] == EMPTY)
			continue;
		say = renorm ? p[ids[i]] / sum : p[ids[i]];
		if (!(fabs(say - (double)w[i]) <= tolerance))
			differs(row, "weight %g is logged, the logits say %g", (double)w[i], say);
	}
}

static void
put(const void *from, size_t n)
{
	if (sink_put(spool, from, n) < 0)
		die("$TMPDIR:");
	spooled += n;
}

static uint32_t
width(void)
{
	uint64_t k = topk ? topk : r->id.width ? r->id.width : r->top_k != TR_NONE ? r->top_k : 0;

	if (!recompute)
		return r->id.there ? r->id.width : 0;
	if (!k)
		refuse("how many experts a row?  Give -k", TR_NONE, 0, 0);
	if (k > experts)
		refuse("%" PRIu64 " experts of %" PRIu64, TR_NONE, k, experts);
	return (uint32_t)k;
}

/* A layer into the spool: all ids, all weights, all logits, row numbers. */
static void
keep(void)
{
	uint64_t n = count_rows(), out = 0;
	uint32_t k = n ? width() : 0, kl = r->id.there ? r->id.width : 0;
	int weighed = r->w.there && r->id.there, logit = r->logit.there;
	size_t flat = 0, room = MAX(k, kl) + (size_t)1;
	struct part *a;

	if (n > TR_ROWS_MAX)
		refuse("too many rows", TR_NONE, 0, 0);
	if ((recompute || verify) && n && !logit)
		refuse("no router_logits_sample", TR_NONE, 0, 0);
	if (verify && n && !r->id.there)
		refuse("no selected_experts to verify", TR_NONE, 0, 0);
	if (nparts == capparts)
		part = xrealloc(part, capparts = capparts ? 2 * capparts : 256, sizeof *part);
	a = &part[nparts++];
	*a = (struct part){.off = spooled, .batch = r->index, .layer = r->layer, .k = k};
	a->w = k && (recompute || weighed);
	a->logit = n && logit;
	ids = xrealloc(ids, n * k + room, sizeof *ids);
	w = xrealloc(w, n * k + room, sizeof *w);
	number = xrealloc(number, n + 1, sizeof *number);
	if (logit && (recompute || verify)) {
		p = xrealloc(p, experts + 1, sizeof *p);
		best = xrealloc(best, experts + 1, sizeof *best);
	}
	uint16_t *ids0 = ids;
	float *w0 = w;

	for (uint64_t row = 0; row < n; row++) {
		const float *x = logit ? r->logit.f + row * experts : NULL;
		int bad =
			(logit && r->logit.bad[row]) || (weighed && r->w.dims > 1 && r->w.bad[row]);

		if (bad && strict)
			refuse("NaN or Infinity", row, 0, 0);
		if (r->id.there)
			logged(row, kl, &flat);
		if (bad) {
			dropped++;
			continue;
		}
		if (recompute || verify)
			softtop_p(x, experts, p);
		if (verify)
			check(row, x, kl);
		if (recompute) {
			softtop_best(x, experts, k, ids);
			softtop_w(p, ids, k, renorm, w);
		}
		if (logit && out != row)
			memmove(r->logit.f + out * experts, x, experts * sizeof *x);
		number[out++] = (uint32_t)row;
		ids += k;
		w += k;
	}
	ids = ids0;
	w = w0;
	a->rows = (uint32_t)out;
	a->gaps = out && number[out - 1] != out - 1;
	widest = MAX(widest, k);
	put(ids, out * k * sizeof *ids);
	if (a->w)
		put(w, out * k * sizeof *w);
	if (a->logit)
		put(r->logit.f, out * experts * sizeof(float));
	if (a->gaps)
		put(number, out * sizeof *number);
}

static void
keep_sample(void)
{
	size_t first = nsamples ? sample[nsamples - 1].part + sample[nsamples - 1].nparts : 0;

	if (nsamples == capsamples)
		sample = xrealloc(sample, capsamples = capsamples ? 2 * capsamples : 256,
				  sizeof *sample);
	sample[nsamples++] =
		(struct sample){r->sample_id, r->num_tokens, r->loss, first, nparts - first};
}

static void *
get(uint64_t *off, size_t n)
{
	char *to = xmalloc(n + 1);
	ssize_t got;

	for (size_t done = 0; done < n; done += (size_t)got)
		if ((got = pread(spool_file, to + done, n - done, (off_t)(*off + done))) <= 0)
			die("$TMPDIR:");
	*off += n;
	return to;
}

static void
put_part(const struct part *a)
{
	uint64_t off = a->off, n = (uint64_t)a->rows * widest;
	uint16_t *from = get(&off, (size_t)a->rows * a->k * 2);
	float *weight = a->w ? get(&off, (size_t)a->rows * a->k * 4) : NULL;
	float *logit = a->logit ? get(&off, (size_t)a->rows * experts * 4) : NULL;
	uint32_t *row = a->gaps ? get(&off, (size_t)a->rows * 4) : NULL;
	int size = experts <= 255 ? 1 : 2;
	unsigned char *id = xmalloc(n * 2 + 1);
	float *wide = xcalloc(n + 1, sizeof *wide);
	struct tr_frame f;

	memset(id, 0xff, n * 2);
	for (uint32_t i = 0; i < a->rows; i++)
		for (uint32_t j = 0; j < a->k; j++) {
			uint16_t e = from[(size_t)i * a->k + j];
			size_t at = (size_t)i * widest + j;

			if (size == 2)
				memcpy(id + 2 * at, &e, 2);
			else
				id[at] = (unsigned char)e;
			if (weight)
				wide[at] = weight[(size_t)i * a->k + j];
		}
	tr_new(&f, "route");
	tr_setu(&f, "batch", a->batch);
	tr_setu(&f, "layer", a->layer);
	tr_rows(&f, a->rows);
	if (a->k)
		tr_addcol(&f, "ids", size == 1 ? TR_U8 : TR_U16, widest, id);
	if (weight)
		tr_addcol(&f, "w", TR_F32, widest, wide);
	if (logit)
		tr_addcol(&f, "logit", TR_F32, experts, logit);
	if (row)
		tr_addcol(&f, "row", TR_U32, 1, row);
	if (a->rows)
		tool_put(&t, &f);
	free(from);
	free(weight);
	free(logit);
	free(row);
	free(id);
	free(wide);
}

static void
put_sample(uint64_t batch, const struct sample *s)
{
	struct tr_frame f;

	tr_new(&f, "seq");
	tr_setu(&f, "batch", batch);
	tr_setu(&f, "seq", 0);
	if (*r->dataset)
		tr_set(&f, "dataset", r->dataset);
	if (s->id != TR_NONE)
		tr_setu(&f, "sample", s->id);
	if (s->tokens != TR_NONE)
		tr_setu(&f, "tokens", s->tokens);
	if (isfinite(s->loss))
		tr_setf(&f, "loss", s->loss);
	tool_put(&t, &f);
	for (size_t i = 0; i < s->nparts; i++)
		put_part(&part[s->part + i]);
}

static void
put_head(void)
{
	struct tr_list map = {0};
	struct tr_frame f;

	for (size_t i = 0; i < nparts; i++)
		if ((!map.n || !tr_list_has(&map, part[i].layer)) &&
		    tr_list_add(&map, part[i].layer) < 0)
			die("no memory");
	if (tr_new_trace(&f, &map, experts, widest) < 0)
		die("%s: the layers do not fit a header", file);
	if (*r->config)
		tr_set(&f, "model", r->config);
	if (*r->dataset)
		tr_set(&f, "dataset", r->dataset);
	if (recompute)
		tr_set(&f, "score", "softmax");
	if (recompute && renorm)
		tr_setu(&f, "renorm", 1);
	tr_set(&f, "order", "batch,layer");
	if (*r->strategy)
		tr_set(&f, "log.strategy", r->strategy);
	if (r->max_samples != TR_NONE)
		tr_setu(&f, "log.max_samples", r->max_samples);
	if (*r->timestamp)
		tr_set(&f, "log.timestamp", r->timestamp);
	tool_open(&t, &f);
	tr_list_free(&map);
}

static int
by_layer(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->layer < y->layer ? -1 : x->layer > y->layer;
}

static void
sort_layers(void)
{
	uint64_t empty = 0;

	for (size_t i = 0; i < nsamples; i++) {
		const struct sample *s = &sample[i];
		struct part *a = part + s->part;

		empty += !s->nparts;
		if (s->nparts)
			qsort(a, s->nparts, sizeof *a, by_layer);
		for (size_t j = 1; j < s->nparts; j++)
			if (a[j].layer == a[j - 1].layer)
				die("%s: sample %" PRIu64 " has layer %" PRIu64 " twice", file,
				    s->id == TR_NONE ? i : s->id, a[j].layer);
	}
	if (empty && !t.quiet)
		warn("%s: %" PRIu64 " of %zu samples have no layers", file, empty, nsamples);
}

static void
convert(int fd)
{
	struct tr_frame end;
	int rc;

	if (!(r = rlog_open(fd)))
		die("no memory");
	if ((spool_file = spool_temp()) < 0 || !(spool = sink_fd(spool_file)))
		die("$TMPDIR:");
	nparts = nsamples = 0;
	spooled = dropped = bare = experts = widest = 0;
	greatest = -1;
	while ((rc = rlog_next(r)) > 0)
		rc == RLOG_LAYER ? keep() : keep_sample();
	if (rc < 0)
		die("%s:%s", file, r->err);
	if (!r->samples)
		die("%s: no \"samples\": not a log of router logits (jsonl2trace reads JSON Lines)",
		    file);
	if (sink_close(spool) < 0)
		die("$TMPDIR:");
	if (experts && r->num_experts != TR_NONE && r->num_experts != experts && !t.quiet)
		warn("%s: num_experts is %" PRIu64 ", but rows have %" PRIu32 " logits", file,
		     r->num_experts, experts);
	if (!experts && r->num_experts != TR_NONE && r->num_experts <= TR_EXPERTS_MAX)
		experts = (uint32_t)r->num_experts;
	if (greatest >= (int32_t)experts)
		experts = (uint32_t)greatest + 1;
	sort_layers();
	put_head();
	for (size_t i = 0; i < nsamples; i++)
		put_sample(i, &sample[i]);
	tr_new(&end, "end");
	tool_put(&t, &end);
	if (dropped && !t.quiet)
		warn("%s: %" PRIu64 " rows with NaN or Infinity are left out", file, dropped);
	if (bare && !recompute && !t.quiet)
		warn("%s: %" PRIu64 " picks have no weight in the log: 0", file, bare);
	rlog_free(r);
	close(spool_file);
}

int
main(int argc, char **argv)
{
	static char *in[] = {"-"};

	tool_start(&t, argc, argv);
	if (topk && !recompute)
		die("-k goes with --recompute");
	if (renorm && !recompute && !verify)
		die("--renorm goes with --recompute or --verify");
	for (int i = 0; i < MAX(t.nfiles, 1); i++) {
		int fd;

		file = t.nfiles ? t.files[i] : in[0];
		fd = tool_fd(&file);
		convert(fd);
		if (fd)
			close(fd);
	}
	return tool_end(&t);
}
