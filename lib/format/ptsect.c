/* Rows of routing files as frames; a section is a list of runs of rows. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptsect.h"
#include "size.h"

enum { FRAME = 8192, CELLS = 32768 }; /* rows of a frame, values read at once */

static int
fail(struct ptsect *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->err, sizeof s->err, fmt, ap);
	va_end(ap);
	return -1;
}

static uint64_t
rows_of(const struct ptsect *s, size_t shard)
{
	return s->gate[shard]->rows;
}

int
pt_agree(struct ptsect *s)
{
	uint64_t dense = 0;

	s->topk = 0;
	for (size_t i = 0; i < s->nlayer * s->nshard; i++) {
		const struct gate *g = s->gate[i];
		size_t j = i % s->nshard;

		if (g->rows != rows_of(s, j))
			return fail(s,
				    "%s: layer %" PRIu64 " has %" PRIu64 " rows, layer %" PRIu64
				    " has %" PRIu64,
				    s->file[i], s->layer[i / s->nshard], g->rows, s->layer[0],
				    rows_of(s, j));
		if ((g->kind == GATE_LOGITS) != (s->gate[0]->kind == GATE_LOGITS))
			return fail(s, "%s: logits beside picks", s->file[i]);
		if (g->kind == GATE_PAIR || g->kind == GATE_IDS) {
			s->topk =
				MAX(s->topk, s->want_topk ? MIN(s->want_topk, g->width) : g->width);
			continue;
		}
		if ((s->want_experts && s->want_experts != g->width) ||
		    (dense && dense != g->width))
			return fail(s, "%s: %" PRIu64 " experts, %" PRIu64 " are expected",
				    s->file[i], g->width,
				    s->want_experts ? s->want_experts : dense);
		dense = g->width;
	}
	s->experts = dense ? dense : s->want_experts ? s->want_experts : 64;
	if (s->experts > TR_EXPERTS_MAX || s->topk > s->experts)
		return fail(s, "%s: %" PRIu64 " picks of %" PRIu64 " experts", s->file[0], s->topk,
			    s->experts);
	for (size_t i = 0; s->samples && i < s->nshard; i++)
		if (array_count(s->samples[i]) != rows_of(s, i))
			return fail(s, "%s: %" PRIu64 " samples, but %s has %" PRIu64 " rows",
				    s->sample_file[i], array_count(s->samples[i]), s->file[i],
				    rows_of(s, i));
	return 0;
}

/* ---- which rows ---- */

void
pt_reset(struct ptsect *s)
{
	s->rows = 0;
	s->nrun = 0;
}

void
pt_free(struct ptsect *s)
{
	free(s->run);
	s->run = NULL;
	s->caprun = 0;
	pt_reset(s);
}

static int
take(struct ptsect *s, struct pt_run r)
{
	if (s->nrun == s->caprun) {
		size_t cap = s->caprun * 2 + 16;
		struct pt_run *p = realloc(s->run, cap * sizeof *p);

		if (!p)
			return fail(s, "no memory");
		s->run = p;
		s->caprun = cap;
	}
	r.at = s->rows;
	s->run[s->nrun++] = r;
	s->rows += r.n;
	return 0;
}

static int
has(struct ptsect *s, size_t j, uint64_t need)
{
	return need <= rows_of(s, j) ? 0
				     : fail(s, "%s: %" PRIu64 " rows, %" PRIu64 " are needed",
					    s->file[j], rows_of(s, j), need);
}

int
pt_length(struct ptsect *s, size_t j, uint64_t *length)
{
	uint64_t rows = rows_of(s, j);

	*length = rows / s->batch;
	if (rows % s->batch || (s->token && s->seqlen && *length != s->seqlen))
		return fail(s, "%s: %" PRIu64 " rows are not %" PRIu64 " sequences%s", s->file[j],
			    rows, s->batch, s->token && s->seqlen ? " of --seqlen" : "");
	return 0;
}

/* The count first sequences of shard j exist; the number of its first. */
static int
sequences(struct ptsect *s, size_t j, uint64_t count, uint64_t *first, uint64_t *length)
{
	*first = (s->number ? s->number[j] : 0) * s->batch;
	if (count > s->batch)
		return fail(s, "%s: %" PRIu64 " sequences, %" PRIu64 " are needed", s->file[j],
			    s->batch, count);
	return pt_length(s, j, length);
}

int
pt_position(struct ptsect *s, size_t j, uint64_t count, uint64_t pos)
{
	struct pt_run r = {.shard = j, .n = count, .pos = pos, .sample = pos};

	if (!s->token) {
		r.row = pos;
		r.step = r.sstep = s->seqlen;
		return has(s, j, (count - 1) * s->seqlen + pos + 1) < 0 ? -1 : take(s, r);
	}
	if (sequences(s, j, count, &r.seq, &r.sstep) < 0 || has(s, j, (pos + 1) * s->batch) < 0)
		return -1;
	r.row = pos * s->batch;
	r.step = r.dseq = 1;
	return take(s, r);
}

int
pt_sequences(struct ptsect *s, size_t j, uint64_t count)
{
	uint64_t first, length;

	if (!s->token) {
		struct pt_run r = {.shard = j, .n = count * s->seqlen, .step = 1, .sstep = 1};

		return has(s, j, r.n) < 0 ? -1 : take(s, r);
	}
	if (sequences(s, j, count, &first, &length) < 0)
		return -1;
	for (uint64_t i = 0; i < count; i++)
		if (take(s, (struct pt_run){.shard = j,
					    .row = i,
					    .step = s->batch,
					    .n = length,
					    .sample = i * length,
					    .sstep = 1,
					    .seq = first + i,
					    .dpos = 1}) < 0)
			return -1;
	return 0;
}

int
pt_all(struct ptsect *s, size_t j)
{
	uint64_t first, length;

	if (!s->token)
		return take(s,
			    (struct pt_run){.shard = j, .n = rows_of(s, j), .step = 1, .sstep = 1});
	if (sequences(s, j, 1, &first, &length) < 0)
		return -1;
	for (uint64_t p = 0; p < length; p++)
		if (pt_position(s, j, s->batch, p) < 0)
			return -1;
	return 0;
}

int
pt_cut(struct ptsect *s, uint64_t n)
{
	if (n > s->rows)
		return fail(s, "%" PRIu64 " rows, --number asks for %" PRIu64, s->rows, n);
	while (s->nrun && s->run[s->nrun - 1].at >= n)
		s->nrun--;
	s->run[s->nrun - 1].n = n - s->run[s->nrun - 1].at;
	s->rows = n;
	return 0;
}

/* ---- what stands in them ---- */

struct buf {
	float *dense, *w;    /* CELLS each, or a row */
	int64_t *id;         /* the same */
	uint64_t *seen, now; /* [experts] stamp of the row that has it */
	void *ids;           /* columns of a frame */
	float *weight;
	uint32_t *tok, *seq, *pos;
	uint64_t layer, most; /* most non-zeros of a row, when counting */
};

/* Call what for each stretch of rows [from, from + n) of the section, at most
 * `most` rows each. */
static int
stretches(struct ptsect *s, struct buf *b, uint64_t from, uint64_t n, uint64_t most,
	  int (*what)(struct ptsect *s, struct buf *b, const struct pt_run *r, uint64_t i,
		      uint64_t n, uint64_t at))
{
	size_t lo = 0, hi = s->nrun;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		*(s->run[mid].at <= from ? &lo : &hi) = mid;
	}
	for (uint64_t at = 0, m; at < n; at += m) {
		const struct pt_run *r = &s->run[lo];
		uint64_t i = from + at - r->at;

		m = MIN(MIN(n - at, r->n - i), most);
		if (m && what(s, b, r, i, m, at) < 0)
			return -1;
		lo += i + m == r->n;
	}
	return 0;
}

/* Rows of that width that fit the buffers. */
static uint64_t
block(uint64_t width)
{
	return MIN(MAX(CELLS / width, 1u), (uint64_t)PT_PICKS);
}

static int
not_a_number(struct ptsect *s, const char *file)
{
	return fail(s, "%s: a value that is no number of its column", file);
}

static int
check_row(struct ptsect *s, struct buf *b, const char *file, uint64_t row, const float *w,
	  const int64_t *id, uint64_t k)
{
	b->now++;
	for (uint64_t j = 0; j < k; j++) {
		const char *what = NULL;

		if (id[j] < 0 || (uint64_t)id[j] >= s->experts)
			return fail(s,
				    "%s: row %" PRIu64 ", slot %" PRIu64 ": expert %" PRId64
				    " is not below %" PRIu64,
				    file, row, j, id[j], s->experts);
		if (w && !isfinite(w[j]))
			what = "the score is not finite";
		if (what)
			return fail(s, "%s: row %" PRIu64 ", slot %" PRIu64 ": %s", file, row, j,
				    what);
		if (b->seen[id[j]] == b->now)
			return fail(s,
				    "%s: row %" PRIu64 ", slot %" PRIu64 ": expert %" PRId64
				    " again",
				    file, row, j, id[j]);
		b->seen[id[j]] = b->now;
	}
	return 0;
}

/* Picks of a row into slot at of the frame's columns, the rest empty. */
static void
put_row(const struct ptsect *s, struct buf *b, uint64_t at, uint64_t have, const int64_t *id,
	const float *w)
{
	for (uint64_t j = 0; j < s->topk; j++) {
		if (s->experts <= 255)
			((uint8_t *)b->ids)[at + j] = j < have ? (uint8_t)id[j] : 0xff;
		else
			((uint16_t *)b->ids)[at + j] = j < have ? (uint16_t)id[j] : 0xffff;
		if (w)
			b->weight[at + j] = j < have ? w[j] : 0;
	}
}

static int
dense_rows(struct ptsect *s, struct buf *b, const struct gate *g, const char *file,
	   const struct pt_run *r, uint64_t i, uint64_t n, uint64_t at)
{
	struct array a = array_rows(&g->w, r->row + i * r->step, r->step, n);
	int64_t pick[PT_PICKS];
	float gate[PT_PICKS];

	if (array_f32(&a, 0, n, b->dense))
		return not_a_number(s, file);
	for (uint64_t y = 0; y < n; y++) {
		int64_t found = gate_pick(b->dense + y * g->width, g->width, s->topk, pick, gate);

		if (found < 0)
			return fail(s,
				    "%s: row %" PRIu64 ", expert %" PRId64
				    ": a gate that is negative or not finite (--logits?)",
				    file, r->row + (i + y) * r->step, -1 - found);
		put_row(s, b, (at + y) * s->topk, (uint64_t)found, pick, gate);
	}
	return 0;
}

static int
pair_rows(struct ptsect *s, struct buf *b, const struct gate *g, const char *file,
	  const struct pt_run *r, uint64_t i, uint64_t n, uint64_t at)
{
	uint64_t first = r->row + i * r->step, k = MIN(g->width, s->topk);
	struct array ai = array_rows(&g->ids, first, r->step, n), aw;
	float *w = NULL;

	ai.dim[1] = k;
	if (array_i64(&ai, 0, n, b->id))
		return not_a_number(s, file);
	if (g->kind == GATE_PAIR) {
		aw = array_rows(&g->w, first, r->step, n);
		aw.dim[1] = k;
		w = b->w;
		if (array_f32(&aw, 0, n, w))
			return not_a_number(s, file);
	}
	for (uint64_t y = 0; y < n; y++) {
		const float *score = w ? w + y * k : NULL;

		if (check_row(s, b, file, first + y * r->step, score, b->id + y * k, k) < 0)
			return -1;
		put_row(s, b, (at + y) * s->topk, k, b->id + y * k, score);
	}
	return 0;
}

static int
logit_rows(struct ptsect *s, struct buf *b, const struct gate *g, const char *file,
	   const struct pt_run *r, uint64_t i, uint64_t n, uint64_t at)
{
	struct array a = array_rows(&g->w, r->row + i * r->step, r->step, n);
	float *to = b->weight + at * s->experts;

	if (array_f32(&a, 0, n, to))
		return not_a_number(s, file);
	for (uint64_t y = 0; y < n * s->experts; y++)
		if (!isfinite(to[y]))
			return fail(s,
				    "%s: row %" PRIu64 ", expert %" PRIu64
				    ": the logit is not finite",
				    file, r->row + (i + y / s->experts) * r->step, y % s->experts);
	return 0;
}

static int
route_rows(struct ptsect *s, struct buf *b, const struct pt_run *r, uint64_t i, uint64_t n,
	   uint64_t at)
{
	size_t x = b->layer * s->nshard + r->shard;
	const struct gate *g = s->gate[x];

	switch (g->kind) {
	case GATE_LOGITS:
		return logit_rows(s, b, g, s->file[x], r, i, n, at);
	case GATE_DENSE:
		return dense_rows(s, b, g, s->file[x], r, i, n, at);
	default:
		return pair_rows(s, b, g, s->file[x], r, i, n, at);
	}
}

static int
count_rows(struct ptsect *s, struct buf *b, const struct pt_run *r, uint64_t i, uint64_t n,
	   uint64_t at)
{
	size_t x = b->layer * s->nshard + r->shard;
	const struct gate *g = s->gate[x];
	struct array a = array_rows(&g->w, r->row + i * r->step, r->step, n);

	if (g->kind != GATE_DENSE)
		return 0;
	if (array_f32(&a, 0, n, b->dense))
		return not_a_number(s, s->file[x]);
	for (uint64_t y = 0; y < n; y++) {
		uint64_t found = 0;

		for (uint64_t e = 0; e < g->width; e++)
			found += b->dense[y * g->width + e] != 0;
		b->most = MAX(b->most, found);
	}
	return 0;
}

static int
tok_rows(struct ptsect *s, struct buf *b, const struct pt_run *r, uint64_t i, uint64_t n,
	 uint64_t at)
{
	if (s->samples) {
		const struct array *from = s->samples[r->shard];
		struct array flat = *from, a;

		flat.ndim = 1; /* [R]; a contiguous [B][S] is the same */
		flat.stride[0] = flat.stride[from->ndim - 1];
		a = array_rows(&flat, r->sample + i * r->sstep, r->sstep, n);
		if (array_i64(&a, 0, n, b->id))
			return not_a_number(s, s->sample_file[r->shard]);
		for (uint64_t y = 0; y < n; y++) {
			if (b->id[y] < 0 || b->id[y] > UINT32_MAX)
				return fail(s, "%s: sample %" PRIu64 ": %" PRId64 " is no token id",
					    s->sample_file[r->shard],
					    r->sample + (i + y) * r->sstep, b->id[y]);
			b->tok[at + y] = (uint32_t)b->id[y];
		}
	}
	for (uint64_t y = 0; y < n && s->token; y++) {
		b->seq[at + y] = (uint32_t)(r->seq + (i + y) * r->dseq);
		b->pos[at + y] = (uint32_t)(r->pos + (i + y) * r->dpos);
	}
	return 0;
}

/* ---- frames ---- */

/* Slots of the section: dense gates are looked through where nothing says it. */
static int
slots(struct ptsect *s, struct buf *b)
{
	for (b->layer = 0; b->layer < s->nlayer && !s->want_topk; b->layer++)
		if (stretches(s, b, 0, s->rows, block(s->experts), count_rows) < 0)
			return -1;
	for (size_t i = 0; i < s->nlayer * s->nshard; i++)
		if (s->gate[i]->kind == GATE_DENSE)
			s->topk = MAX(s->topk,
				      s->want_topk ? MIN(s->want_topk, s->experts) : b->most);
	if (s->topk > PT_PICKS)
		return fail(s, "%s: more than %d picks in a row", s->file[0], PT_PICKS);
	return 0;
}

static int
put_trace(struct ptsect *s, struct tr_frame *trace, int (*put)(void *arg, struct tr_frame *f),
	  void *arg)
{
	struct tr_list map = {0};
	int r = 0;

	tr_setu(trace, "v", 1);
	for (size_t i = 0; i < s->nlayer && !r; i++)
		r = tr_list_add(&map, s->layer[i]);
	if (!r) {
		tr_setu(trace, "layers", s->nlayer);
		tr_setu(trace, "experts", s->experts);
		tr_setu(trace, "topk", s->topk);
		r = tr_set_layers(trace, &map);
	}
	tr_list_free(&map);
	if (r || tr_set(trace, "order", "batch,layer") < 0)
		return fail(s, r == TR_ENOMEM ? "no memory" : "the layers do not fit a header");
	return put(arg, trace);
}

static int
put_batch(struct ptsect *s, struct buf *b, uint64_t at, uint64_t n,
	  int (*put)(void *arg, struct tr_frame *f), void *arg)
{
	struct tr_frame f;

	if (stretches(s, b, at, n, CELLS, tok_rows) < 0)
		return -1;
	tr_new(&f, "tok");
	tr_setu(&f, "batch", at / FRAME);
	tr_rows(&f, n);
	if (s->samples)
		tr_addcol(&f, s->token ? "tok" : "dynande.sample", TR_U32, 1, b->tok);
	if (s->token) {
		tr_addcol(&f, "seq", TR_U32, 1, b->seq);
		tr_addcol(&f, "pos", TR_U32, 1, b->pos);
	}
	if (f.ncols && put(arg, &f) < 0)
		return -1;
	for (b->layer = 0; b->layer < s->nlayer; b->layer++) {
		const struct gate *g = s->gate[b->layer * s->nshard];

		if (stretches(s, b, at, n, block(MAX(g->width, MAX(s->topk, 1u))), route_rows) < 0)
			return -1;
		tr_new(&f, "route");
		tr_setu(&f, "batch", at / FRAME);
		tr_setu(&f, "layer", s->layer[b->layer]);
		tr_rows(&f, n);
		if (g->kind == GATE_LOGITS)
			tr_addcol(&f, "logit", TR_F32, s->experts, b->weight);
		else
			tr_addcol(&f, "ids", s->experts <= 255 ? TR_U8 : TR_U16, s->topk, b->ids);
		if (g->kind == GATE_PAIR || g->kind == GATE_DENSE)
			tr_addcol(&f, "w", TR_F32, s->topk, b->weight);
		if (put(arg, &f) < 0)
			return -1;
	}
	return 0;
}

int
pt_put(struct ptsect *s, struct tr_frame *trace, int (*put)(void *arg, struct tr_frame *f),
       void *arg)
{
	size_t cells = MAX((size_t)s->experts, (size_t)CELLS), n = MIN(s->rows, (uint64_t)FRAME);
	struct buf b = {.dense = malloc(cells * sizeof *b.dense),
			.w = malloc(cells * sizeof *b.w),
			.id = malloc(cells * sizeof *b.id),
			.seen = calloc(s->experts, sizeof *b.seen),
			.tok = calloc(n + 1, sizeof *b.tok),
			.seq = calloc(n + 1, sizeof *b.seq),
			.pos = calloc(n + 1, sizeof *b.pos)};
	struct tr_frame end;
	int r = b.dense && b.w && b.id && b.seen && b.tok && b.seq && b.pos ? slots(s, &b)
									    : fail(s, "no memory");

	if (!r) {
		b.ids = malloc(n * s->topk * 2 + 1);
		b.weight =
			malloc(n * MAX(s->topk, s->gate[0]->kind == GATE_LOGITS ? s->experts : 0) *
				       sizeof *b.weight +
			       1);
		r = b.ids && b.weight ? put_trace(s, trace, put, arg) : fail(s, "no memory");
	}
	for (uint64_t at = 0; at < s->rows && !r; at += FRAME)
		r = put_batch(s, &b, at, MIN(s->rows - at, (uint64_t)FRAME), put, arg);
	tr_new(&end, "end");
	if (!r)
		r = put(arg, &end);
	free(b.dense);
	free(b.w);
	free(b.id);
	free(b.seen);
	free(b.tok);
	free(b.seq);
	free(b.pos);
	free(b.ids);
	free(b.weight);
	return r;
}

/* ---- keys ---- */

static int
key(struct ptsect *s, struct tr_frame *f, const char *name, const char *val, size_t n)
{
	char text[PT_ERR];

	snprintf(text, sizeof text, "%.*s", (int)n, val);
	return n >= sizeof text || (n && tr_set(f, name, text) < 0)
		       ? fail(s, "%s: too long for a header", name)
		       : 0;
}

/* A name without its .pt. */
static size_t
stem(const char *name)
{
	size_t n = strcspn(name, ",");

	return n > 3 && !strncmp(name + n - 3, ".pt", 3) ? n - 3 : n;
}

int
pt_shard_keys(struct ptsect *s, struct tr_frame *f, const char *names)
{
	const char *last = strrchr(names, ',');

	last = last ? last + 1 : names;
	return key(s, f, "shards", names, strlen(names)) < 0 ||
			       key(s, f, "first", names, stem(names)) < 0 ||
			       key(s, f, "last", last, stem(last)) < 0
		       ? -1
		       : 0;
}

int
pt_file_keys(struct ptsect *s, struct tr_frame *f, const struct array_list *l)
{
	static const char *const names[][2] = {{"runid", "run"},
					       {"epoch", "epoch"},
					       {"token_position", "position"},
					       {"num_sequences", "seqs"},
					       {"sequence_length", "seqlen"}};
	const struct array_scalar *v;
	char text[PT_ERR], path[32];
	size_t at = 0;

	if (!tr_key(f, "model", &(const char *){NULL}) && (v = array_scalar(l, "model")) &&
	    v->is_text && key(s, f, "model", v->text, strlen(v->text)) < 0)
		return -1;
	for (size_t i = 0; i < LEN(names); i++)
		if ((v = array_scalar(l, names[i][0])) && !v->is_text && v->i >= 0)
			tr_setu(f, names[i][1], (uint64_t)v->i);
	if ((v = array_scalar(l, "num_tokens")) && !v->is_text && (uint64_t)v->i != s->rows)
		return fail(s, "%s: num_tokens is %" PRId64 ", but there are %" PRIu64 " rows",
			    s->file[0], v->i, s->rows);
	for (unsigned i = 0;; i++) {
		snprintf(path, sizeof path, "shards.%u", i);
		if (!(v = array_scalar(l, path)) || !v->is_text)
			break;
		if (strchr(v->text, ',') || at + strlen(v->text) + 2 > sizeof text)
			return fail(s, "%s: the shards do not fit a header", s->file[0]);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "," : "", v->text);
	}
	return at ? pt_shard_keys(s, f, text) : 0;
}
