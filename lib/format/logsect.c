#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../stats/softtop.h"
#include "logsect.h"
#include "sink.h"
#include "size.h"
#include "spool.h"

enum { EMPTY = 0xffff };

/* A layer of a sample in the spool: ids u16, w f32, logit f32, row u32. */
struct logpart {
	uint64_t off, batch, layer;
	uint32_t rows, k;
	int w, logit, gaps;
};

struct logsample {
	uint64_t id, tokens;
	double loss;
	size_t part, nparts;
};

__attribute__((format(printf, 2, 3))) static int
fail(struct logsect *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->err, sizeof s->err, fmt, ap);
	va_end(ap);
	return -1;
}

static int
no_memory(struct logsect *s)
{
	return fail(s, "no memory");
}

static int
no_spool(struct logsect *s)
{
	return fail(s, "$TMPDIR: %s", strerror(errno));
}

/* The same of the layer that is being read, or of a row of it (TR_NONE: none). */
__attribute__((format(printf, 3, 4))) static int
refuse(struct logsect *s, uint64_t row, const char *fmt, ...)
{
	char where[128], text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	rlog_where(s->r, where, sizeof where);
	if (row == TR_NONE)
		return fail(s, "%s:%" PRIu64 ": %s: %s", s->file, s->r->line, where, text);
	return fail(s, "%s:%" PRIu64 ": %s, row %" PRIu64 ": %s", s->file, s->r->line, where, row,
		    text);
}

__attribute__((format(printf, 3, 4))) static int
differs(struct logsect *s, uint64_t row, const char *fmt, ...)
{
	char where[128], text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	rlog_where(s->r, where, sizeof where);
	fail(s, "%s: %s, token %" PRIu64 ": %s", s->file, where, row, text);
	return 1;
}

/* *p has room for n of that size. */
static int
room(struct logsect *s, void *p, size_t n, size_t size)
{
	void *old, *new;
	size_t need;

	memcpy(&old, p, sizeof old);
	if (size_mul(n, size, &need) || !(new = realloc(old, need)))
		return no_memory(s);
	memcpy(p, &new, sizeof new);
	return 0;
}

/* ---- a layer of the log ---- */

/* The rows that the matrices which are there agree upon. */
static int
count_rows(struct logsect *s, uint64_t *rows)
{
	const struct rlog *r = s->r;
	uint64_t n = *rows = r->logit.there ? r->logit.rows : r->id.there ? r->id.rows : 0;

	if (r->layer == TR_NONE)
		return refuse(s, TR_NONE, "no \"layer\"");
	if (r->logit.dims == 1 || r->id.dims == 1)
		return refuse(s, TR_NONE, "a flat list, not a row a token");
	if (r->id.there && r->id.rows != n)
		return refuse(s, TR_NONE, "%" PRIu64 " rows of logits, %" PRIu64 " of experts", n,
			      r->id.rows);
	if (r->w.there && r->w.dims > 1 && r->id.there &&
	    (r->w.rows != n || r->w.width != r->id.width))
		return refuse(s, TR_NONE,
			      "%" PRIu64 " rows of weights, or not as many a row as experts (%u)",
			      r->w.rows, r->id.width);
	if (r->w.dims == 1 && r->w.nbad)
		return refuse(s, TR_NONE, "a flat list with NaN or Infinity");
	if (n && r->logit.there) {
		if (s->logits && r->logit.width != s->logits)
			return refuse(s, 0, "%u logits, the first row of the log has %u",
				      r->logit.width, s->logits);
		if (r->logit.width > TR_EXPERTS_MAX)
			return refuse(s, 0, "%u logits are too many", r->logit.width);
		s->logits = r->logit.width;
	}
	return 0;
}

/* Picks of a row. */
static int
width(struct logsect *s, uint32_t *k)
{
	const struct rlog *r = s->r;
	uint64_t n = s->topk ? s->topk : r->id.width ? r->id.width : r->top_k;

	*k = r->id.there ? r->id.width : 0;
	if (!s->recompute)
		return 0;
	if (n == TR_NONE || n == 0)
		return refuse(s, TR_NONE, "how many experts a row?  Give -k");
	if (n > s->logits)
		return refuse(s, TR_NONE, "%" PRIu64 " experts of %u", n, s->logits);
	*k = (uint32_t)n;
	return 0;
}

/* Picks and weights as logged, into ids and w; flat weights go to the picks in turn. */
static int
logged(struct logsect *s, uint64_t row, uint16_t *ids, float *w, size_t *flat)
{
	const struct rlog *r = s->r;
	uint32_t k = r->id.width;

	for (uint32_t i = 0; i < k; i++) {
		size_t at = row * k + i;
		int32_t id = r->id.i[at];

		if (id < -1 || id >= (int32_t)(s->logits ? s->logits : TR_EXPERTS_MAX))
			return refuse(s, row, "expert %d of %u", id, s->logits);
		for (uint32_t j = 0; id >= 0 && j < i; j++)
			if (r->id.i[at - i + j] == id)
				return refuse(s, row, "expert %d is picked twice", id);
		s->greatest = MAX(s->greatest, id);
		ids[i] = id < 0 ? EMPTY : (uint16_t)id;
		w[i] = 0;
		if (id < 0 || !r->w.there)
			continue;
		if (r->w.dims > 1)
			w[i] = r->w.f[at];
		else if (*flat < r->w.width * r->w.rows)
			w[i] = r->w.f[(*flat)++];
		else
			s->bare++;
	}
	return 0;
}

/* Are the logged picks the best?  Of experts that f32 does not tell apart any will do. */
static int
check(struct logsect *s, uint64_t row, const float *x, const uint16_t *ids, const float *w)
{
	const double *p = s->p;
	double sum = 0, say;
	uint32_t n = 0, k = s->r->id.width;

	for (uint32_t i = 0; i < k; i++) {
		uint32_t at = n;

		if (ids[i] == EMPTY)
			continue;
		sum += p[ids[i]];
		for (; at && (p[s->own[at - 1]] < p[ids[i]] ||
			      (p[s->own[at - 1]] == p[ids[i]] && s->own[at - 1] > ids[i]));
		     at--)
			s->own[at] = s->own[at - 1];
		s->own[at] = ids[i];
		n++;
	}
	if (n > s->logits)
		return differs(s, row, "%u picks of %u experts", n, s->logits);
	softtop_best(x, s->logits, n, s->best);
	for (uint32_t i = 0; i < n; i++) {
		double best = p[s->best[i]];

		if (best - p[s->own[i]] > 0x1p-22 * best)
			return differs(s, row, "expert %u is logged, the logits say %u", s->own[i],
				       s->best[i]);
	}
	for (uint32_t i = 0; i < k && s->r->w.dims > 1; i++) {
		if (ids[i] == EMPTY)
			continue;
		say = s->renorm ? p[ids[i]] / sum : p[ids[i]];
		if (!(fabs(say - (double)w[i]) <= s->tolerance))
			return differs(s, row, "weight %g is logged, the logits say %g",
				       (double)w[i], say);
	}
	return 0;
}

/* Rows of a layer, as they will be, closed up to the front of ids, w, logits and number. */
static int
make_rows(struct logsect *s, uint64_t n, uint32_t k, uint64_t *rows)
{
	struct rlog *r = s->r;
	int logit = r->logit.there, weighed = r->w.there && r->id.there, rc = 0;
	uint16_t *ids = s->ids;
	size_t flat = 0;
	float *w = s->w;
	uint64_t out = 0;

	for (uint64_t row = 0; row < n && !rc; row++) {
		const float *x = logit ? r->logit.f + row * s->logits : NULL;
		int bad =
			(logit && r->logit.bad[row]) || (weighed && r->w.dims > 1 && r->w.bad[row]);

		if (bad && s->strict)
			return refuse(s, row, "NaN or Infinity");
		if (r->id.there && logged(s, row, ids, w, &flat) < 0)
			return -1;
		if (bad) {
			s->dropped++;
			continue;
		}
		if (s->recompute || s->verify)
			softtop_p(x, s->logits, s->p);
		if (s->verify)
			rc = check(s, row, x, ids, w);
		if (s->recompute) {
			softtop_best(x, s->logits, k, ids);
			softtop_w(s->p, ids, k, s->renorm, w);
		}
		if (logit && out != row)
			memmove(r->logit.f + out * s->logits, x, s->logits * sizeof *x);
		s->number[out++] = (uint32_t)row;
		ids += k;
		w += k;
	}
	*rows = out;
	return rc;
}

static int
spool(struct logsect *s, const void *from, size_t n)
{
	s->spooled += n;
	return sink_put(s->spool, from, n) < 0 ? no_spool(s) : 0;
}

/* A layer into the spool: all ids, all weights, all logits, row numbers. */
static int
keep(struct logsect *s)
{
	const struct rlog *r = s->r;
	int logit = r->logit.there, rc;
	uint64_t n, out = 0;
	uint32_t k = 0;
	struct logpart *a;
	size_t cells;

	if (count_rows(s, &n) < 0 || (n && width(s, &k) < 0))
		return -1;
	if (n > TR_ROWS_MAX)
		return refuse(s, TR_NONE, "too many rows");
	if ((s->recompute || s->verify) && n && !logit)
		return refuse(s, TR_NONE, "no router_logits_sample");
	if (s->verify && n && !r->id.there)
		return refuse(s, TR_NONE, "no selected_experts to verify");
	cells = n * k + MAX(k, r->id.there ? r->id.width : 0) + (size_t)1;
	if (s->nparts == s->capparts) {
		s->capparts = s->capparts ? 2 * s->capparts : 256;
		if (room(s, &s->part, s->capparts, sizeof *s->part) < 0)
			return -1;
	}
	if (room(s, &s->ids, cells, sizeof *s->ids) < 0 ||
	    room(s, &s->w, cells, sizeof *s->w) < 0 ||
	    room(s, &s->number, n + 1, sizeof *s->number) < 0)
		return -1;
	if (logit && (s->recompute || s->verify) &&
	    (room(s, &s->p, s->logits + (size_t)1, sizeof *s->p) < 0 ||
	     room(s, &s->best, s->logits + (size_t)1, sizeof *s->best) < 0 ||
	     room(s, &s->own, cells, sizeof *s->own) < 0))
		return -1;
	a = &s->part[s->nparts++];
	*a = (struct logpart){.off = s->spooled, .batch = r->index, .layer = r->layer, .k = k};
	a->w = k && (s->recompute || (r->w.there && r->id.there));
	a->logit = n && logit;
	if ((rc = make_rows(s, n, k, &out)))
		return rc;
	a->rows = (uint32_t)out;
	a->gaps = out && s->number[out - 1] != out - 1;
	s->widest = MAX(s->widest, k);
	if (spool(s, s->ids, out * k * sizeof *s->ids) < 0 ||
	    (a->w && spool(s, s->w, out * k * sizeof *s->w) < 0) ||
	    (a->logit && spool(s, r->logit.f, out * s->logits * sizeof(float)) < 0) ||
	    (a->gaps && spool(s, s->number, out * sizeof *s->number) < 0))
		return -1;
	return 0;
}

static int
keep_sample(struct logsect *s)
{
	const struct rlog *r = s->r;
	size_t first = 0;

	if (s->nsamples)
		first = s->sample[s->nsamples - 1].part + s->sample[s->nsamples - 1].nparts;
	if (s->nsamples == s->capsamples) {
		s->capsamples = s->capsamples ? 2 * s->capsamples : 256;
		if (room(s, &s->sample, s->capsamples, sizeof *s->sample) < 0)
			return -1;
	}
	s->empty += s->nparts == first;
	s->sample[s->nsamples++] =
		(struct logsample){r->sample_id, r->num_tokens, r->loss, first, s->nparts - first};
	return 0;
}

int
logsect_read(struct logsect *s, int fd)
{
	int event, rc = 0;

	s->spool_file = -1;
	s->greatest = -1;
	if (!(s->r = rlog_open(fd)))
		return no_memory(s);
	if ((s->spool_file = spool_temp()) < 0 || !(s->spool = sink_fd(s->spool_file)))
		return no_spool(s);
	while (!rc && (event = rlog_next(s->r)) != RLOG_END) {
		if (event < 0)
			return fail(s, "%s:%s", s->file, s->r->err);
		rc = event == RLOG_LAYER ? keep(s) : keep_sample(s);
	}
	if (rc)
		return rc;
	if (!s->r->samples)
		return fail(s,
			    "%s: no \"samples\": not a log of router logits (jsonl2trace reads "
			    "JSON Lines)",
			    s->file);
	rc = sink_close(s->spool);
	s->spool = NULL;
	if (rc < 0)
		return no_spool(s);
	s->experts = s->logits;
	if (!s->experts && s->r->num_experts != TR_NONE && s->r->num_experts <= TR_EXPERTS_MAX)
		s->experts = (uint32_t)s->r->num_experts;
	if (s->greatest >= (int32_t)s->experts)
		s->experts = (uint32_t)s->greatest + 1;
	return 0;
}

/* ---- frames ---- */

static int
by_layer(const void *a, const void *b)
{
	const struct logpart *x = a, *y = b;

	return x->layer < y->layer ? -1 : x->layer > y->layer;
}

static int
sort_layers(struct logsect *s)
{
	for (size_t i = 0; i < s->nsamples; i++) {
		const struct logsample *o = &s->sample[i];
		struct logpart *a = s->part + o->part;

		if (o->nparts)
			qsort(a, o->nparts, sizeof *a, by_layer);
		for (size_t j = 1; j < o->nparts; j++)
			if (a[j].layer == a[j - 1].layer)
				return fail(s, "%s: sample %" PRIu64 " has layer %" PRIu64 " twice",
					    s->file, o->id == TR_NONE ? i : o->id, a[j].layer);
	}
	return 0;
}

static int
put_head(struct logsect *s, int (*put)(void *arg, struct tr_frame *f), void *arg)
{
	const struct rlog *r = s->r;
	struct tr_list map = {0};
	struct tr_frame f;
	int rc;

	for (size_t i = 0; i < s->nparts; i++)
		if ((!map.n || !tr_list_has(&map, s->part[i].layer)) &&
		    tr_list_add(&map, s->part[i].layer) < 0)
			return no_memory(s);
	rc = tr_new_trace(&f, &map, s->experts, s->widest);
	tr_list_free(&map);
	if (rc < 0)
		return fail(s, "%s: the layers do not fit a header", s->file);
	if (s->model || *r->config)
		tr_set(&f, "model", s->model ? s->model : r->config);
	if (s->dataset || *r->dataset)
		tr_set(&f, "dataset", s->dataset ? s->dataset : r->dataset);
	if (s->recompute)
		tr_set(&f, "score", "softmax");
	if (s->recompute && s->renorm)
		tr_setu(&f, "renorm", 1);
	tr_set(&f, "order", "batch,layer");
	if (*r->strategy)
		tr_set(&f, "log.strategy", r->strategy);
	if (r->max_samples != TR_NONE)
		tr_setu(&f, "log.max_samples", r->max_samples);
	if (*r->timestamp)
		tr_set(&f, "log.timestamp", r->timestamp);
	return put(arg, &f);
}

/* What lies at *off of the spool, the caller's; NULL and s->err. */
static void *
get(struct logsect *s, uint64_t *off, size_t n)
{
	char *to = malloc(n + 1);
	ssize_t got;

	if (!to) {
		no_memory(s);
		return NULL;
	}
	for (size_t done = 0; done < n; done += (size_t)got)
		if ((got = pread(s->spool_file, to + done, n - done, (off_t)(*off + done))) <= 0) {
			no_spool(s);
			free(to);
			return NULL;
		}
	*off += n;
	return to;
}

/* Columns of a->k a row brought to s->widest, the rest empty slots of weight 0. */
static void
widen(const struct logsect *s, const struct logpart *a, const uint16_t *from, const float *weight,
      unsigned char *id, float *w)
{
	for (uint32_t i = 0; i < a->rows; i++)
		for (uint32_t j = 0; j < a->k; j++) {
			uint16_t e = from[(size_t)i * a->k + j];
			size_t at = (size_t)i * s->widest + j;

			if (s->experts > 255)
				memcpy(id + 2 * at, &e, 2);
			else
				id[at] = (unsigned char)e;
			if (weight)
				w[at] = weight[(size_t)i * a->k + j];
		}
}

static int
put_part(struct logsect *s, const struct logpart *a, int (*put)(void *arg, struct tr_frame *f),
	 void *arg)
{
	uint64_t off = a->off, n = (uint64_t)a->rows * s->widest;
	uint16_t *ids = get(s, &off, (size_t)a->rows * a->k * 2);
	float *weight = ids && a->w ? get(s, &off, (size_t)a->rows * a->k * 4) : NULL;
	float *logit = ids && a->logit ? get(s, &off, (size_t)a->rows * s->logits * 4) : NULL;
	uint32_t *row = ids && a->gaps ? get(s, &off, (size_t)a->rows * 4) : NULL;
	unsigned char *id = malloc(n * 2 + 1);
	float *w = calloc(n + 1, sizeof *w);
	struct tr_frame f;
	int rc = -1;

	if (!ids || (a->w && !weight) || (a->logit && !logit) || (a->gaps && !row))
		goto out;
	if (!id || !w) {
		no_memory(s);
		goto out;
	}
	memset(id, 0xff, n * 2);
	widen(s, a, ids, weight, id, w);
	tr_new(&f, "route");
	tr_setu(&f, "batch", a->batch);
	tr_setu(&f, "layer", a->layer);
	tr_rows(&f, a->rows);
	if (a->k)
		tr_addcol(&f, "ids", s->experts > 255 ? TR_U16 : TR_U8, s->widest, id);
	if (weight)
		tr_addcol(&f, "w", TR_F32, s->widest, w);
	if (logit)
		tr_addcol(&f, "logit", TR_F32, s->logits, logit);
	if (row)
		tr_addcol(&f, "row", TR_U32, 1, row);
	rc = a->rows ? put(arg, &f) : 0;
out:
	free(ids);
	free(weight);
	free(logit);
	free(row);
	free(id);
	free(w);
	return rc;
}

static int
put_sample(struct logsect *s, uint64_t batch, int (*put)(void *arg, struct tr_frame *f), void *arg)
{
	const struct logsample *o = &s->sample[batch];
	struct tr_frame f;
	int rc;

	tr_new(&f, "seq");
	tr_setu(&f, "batch", batch);
	tr_setu(&f, "seq", 0);
	if (s->dataset || *s->r->dataset)
		tr_set(&f, "dataset", s->dataset ? s->dataset : s->r->dataset);
	if (o->id != TR_NONE)
		tr_setu(&f, "sample", o->id);
	if (o->tokens != TR_NONE)
		tr_setu(&f, "tokens", o->tokens);
	if (isfinite(o->loss))
		tr_setf(&f, "loss", o->loss);
	rc = put(arg, &f);
	for (size_t i = 0; i < o->nparts && rc >= 0; i++)
		rc = put_part(s, &s->part[o->part + i], put, arg);
	return rc;
}

int
logsect_put(struct logsect *s, int (*put)(void *arg, struct tr_frame *f), void *arg)
{
	struct tr_frame end;
	int rc;

	*s->err = 0;
	if (sort_layers(s) < 0 || put_head(s, put, arg) < 0)
		return -1;
	for (size_t i = 0; i < s->nsamples; i++)
		if (put_sample(s, i, put, arg) < 0)
			return -1;
	tr_new(&end, "end");
	rc = put(arg, &end);
	return rc < 0 ? -1 : 0;
}

void
logsect_free(struct logsect *s)
{
	if (s->spool)
		sink_drop(s->spool);
	if (s->spool_file >= 0)
		close(s->spool_file);
	if (s->r)
		rlog_free(s->r);
	free(s->part);
	free(s->sample);
	free(s->ids);
	free(s->best);
	free(s->own);
	free(s->w);
	free(s->p);
	free(s->number);
}
