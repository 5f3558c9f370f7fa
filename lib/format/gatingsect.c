/* GatingDataPoints and frames (collection.md 2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatingsect.h"
#include "half.h"
#include "num.h"
#include "rows.h"
#include "size.h"

static int
room(void *p, uint64_t n, size_t size)
{
	void **to = p;
	size_t bytes;

	free(*to);
	*to = NULL;
	return size_mul(n, size, &bytes) < 0 || !(*to = malloc(bytes + 1)) ? TR_ENOMEM : 0;
}

/* ---- from a list to frames ---- */

int
gating_trace(struct gating_list *l, struct tr_frame *f, char why[GATING_ERR])
{
	struct tr_list layers = {0};
	struct gating g = {0};
	int e = 0;

	if (gating_get(l, 0, &g, why) < 0)
		return -1;
	for (size_t i = 0; i < gating_count(l) && e == 0; i++)
		if (!layers.n || !tr_list_has(&layers, gating_layer(l, i)))
			e = tr_list_add(&layers, gating_layer(l, i));
	if (e == 0)
		e = tr_new_trace(f, &layers, g.experts, g.topk);
	tr_list_free(&layers);
	if (e < 0)
		return e;
	tr_set(f, "score", "softmax");
	return tr_set(f, "order", "batch,layer");
}

/* Does g go on with the sample of the batch at hand? */
static int
goes_on(const struct gating_frames *x, const struct gating *g, const char *name)
{
	const uint32_t *tok = x->tok;

	if (!x->sample || !*g->sample || strcmp(x->sample, name) || g->layer <= x->layer ||
	    g->rows != x->rows || !g->tokens != !tok)
		return 0;
	for (uint64_t i = 0; tok && i < g->rows; i++)
		if (g->tokens[i] != (int64_t)tok[i])
			return 0;
	return 1;
}

int
gating_begins(struct gating_frames *x, const struct gating *g)
{
	const size_t n = strlen(g->dataset) + strlen(g->sample) + 2;
	char *name = malloc(n);
	int more;

	if (!name)
		return TR_ENOMEM;
	snprintf(name, n, "%s\n%s", g->dataset, g->sample);
	more = goes_on(x, g, name);
	x->layer = g->layer;
	if (more) {
		free(name);
		return 0;
	}
	x->batch += x->sample != NULL;
	x->rows = g->rows;
	free(x->sample);
	x->sample = name;
	free(x->tok);
	x->tok = NULL;
	return 1;
}

int
gating_seq(struct gating_frames *x, const struct gating *g, struct tr_frame *f)
{
	int e;

	tr_new(f, "seq");
	tr_setu(f, "batch", x->batch);
	tr_setu(f, "seq", x->batch);
	if ((*g->dataset && (e = tr_set(f, "dataset", g->dataset)) < 0) ||
	    (*g->sample && (e = tr_set(f, "sample", g->sample)) < 0))
		return e;
	if (g->synthetic)
		tr_set(f, "synthetic", "1");
	return tr_setu(f, "tokens", g->rows);
}

int
gating_tok(struct gating_frames *x, const struct gating *g, struct tr_frame *f)
{
	uint32_t *tok, *pos;
	int e;

	if ((e = room(&x->tok, g->rows, 4)) < 0 || (e = room(&x->pos, g->rows, 4)) < 0)
		return e;
	tok = x->tok;
	pos = x->pos;
	for (uint64_t i = 0; i < g->rows; i++) {
		if (g->tokens[i] < 0 || g->tokens[i] > UINT32_MAX)
			return TR_EVALUE;
		tok[i] = (uint32_t)g->tokens[i];
		pos[i] = (uint32_t)i;
	}
	tr_new(f, "tok");
	tr_setu(f, "batch", x->batch);
	tr_setu(f, "seq", x->batch);
	tr_setu(f, "phase", 0);
	tr_rows(f, g->rows);
	if ((e = tr_addcol(f, "tok", TR_U32, 1, tok)) < 0)
		return e;
	return tr_addcol(f, "pos", TR_U32, 1, pos);
}

int
gating_route(struct gating_frames *x, const struct gating *g, struct tr_frame *f)
{
	const uint64_t n = g->rows * g->topk, all = g->rows * g->experts;
	const int wide = g->experts > 255;
	int e, whole = 1;
	float *w, *logit;

	if ((e = room(&x->ids, n, 2)) < 0 || (e = room(&x->w, n, sizeof *w)) < 0 ||
	    (e = room(&x->logit, all, sizeof *logit)) < 0 ||
	    (e = room(&x->hidden, g->rows * g->d, 2)) < 0)
		return e;
	w = x->w;
	logit = x->logit;
	for (uint64_t i = 0; i < n; i++) {
		const int none = g->ids[i] < 0;

		w[i] = none ? 0 : g->routing[i / g->topk * g->experts + (uint64_t)g->ids[i]];
		if (wide)
			((uint16_t *)x->ids)[i] = none ? UINT16_MAX : (uint16_t)g->ids[i];
		else
			((uint8_t *)x->ids)[i] = none ? UINT8_MAX : (uint8_t)g->ids[i];
	}
	for (uint64_t i = 0; i < all && whole; i++) {
		whole = g->routing[i] > 0;
		logit[i] = whole ? (float)num_log(g->routing[i]) : 0;
	}
	tr_new(f, "route");
	tr_setu(f, "batch", x->batch);
	tr_setu(f, "layer", g->layer);
	tr_rows(f, g->rows);
	if ((e = tr_addcol(f, "ids", wide ? TR_U16 : TR_U8, g->topk, x->ids)) < 0 ||
	    (e = tr_addcol(f, "w", TR_F32, g->topk, w)) < 0 ||
	    (whole && (e = tr_addcol(f, "logit", TR_F32, g->experts, logit)) < 0))
		return e;
	if (!g->d)
		return 0;
	half_fromn(x->hidden, g->hidden, g->rows * g->d);
	return tr_addcol(f, "hidden", TR_F16, g->d, x->hidden);
}

void
gating_frames_free(struct gating_frames *x)
{
	free(x->sample);
	free(x->ids);
	free(x->w);
	free(x->logit);
	free(x->hidden);
	free(x->tok);
	free(x->pos);
	*x = (struct gating_frames){0};
}

/* ---- from frames to records ---- */

struct known { /* of a batch */
	uint64_t number;
	char *dataset, *sample;
	int synthetic, seqs;
	uint64_t seq;
	uint32_t *row, *tok; /* ascending rows */
	size_t n, cap;
};

struct gating_join {
	struct known *known;
	size_t nknown, capknown;
	int by_batch, sigmoid;
	/* the record at hand */
	int open;
	uint64_t batch;
	char name[TR_HEADER_MAX + 32]; /* sample, where none is told */
	struct gating g;
	float *routing, *hidden;
	int64_t *ids, *tokens;
	uint64_t cap;
};

struct gating_join *
gating_join_new(void)
{
	return calloc(1, sizeof(struct gating_join));
}

static void
forget(struct gating_join *j)
{
	for (size_t i = 0; i < j->nknown; i++) {
		free(j->known[i].dataset);
		free(j->known[i].sample);
		free(j->known[i].row);
		free(j->known[i].tok);
	}
	j->nknown = 0;
}

void
gating_join_free(struct gating_join *j)
{
	if (!j)
		return;
	forget(j);
	free(j->known);
	free(j->routing);
	free(j->hidden);
	free(j->ids);
	free(j->tokens);
	free(j);
}

static struct known *
find(struct gating_join *j, uint64_t batch)
{
	for (size_t i = j->nknown; i-- > 0;)
		if (j->known[i].number == batch)
			return &j->known[i];
	return NULL;
}

static struct known *
know(struct gating_join *j, uint64_t batch)
{
	struct known *k;

	if (j->nknown && j->known[j->nknown - 1].number == batch)
		return &j->known[j->nknown - 1];
	if (!j->by_batch && (k = find(j, batch)))
		return k;
	if (j->by_batch)
		forget(j);
	if (j->nknown == j->capknown) {
		const size_t cap = 2 * j->capknown + 16;
		void *q = realloc(j->known, cap * sizeof *j->known);

		if (!q)
			return NULL;
		j->known = q;
		j->capknown = cap;
	}
	k = &j->known[j->nknown++];
	*k = (struct known){.number = batch};
	return k;
}

static int
same_seq(struct known *k, uint64_t seq, char why[GATING_ERR])
{
	if (k->seqs && k->seq != seq) {
		snprintf(why, GATING_ERR,
			 "batch %llu has several sequences: trace-sample makes a batch of each",
			 (unsigned long long)k->number);
		return TR_EVALUE;
	}
	k->seqs = 1;
	k->seq = seq;
	return 0;
}

static char *
text(const struct tr_frame *f, const char *key)
{
	char buf[TR_HEADER_MAX];
	const int n = tr_text(f, key, buf, sizeof buf);

	return strdup(n > 0 ? buf : "");
}

static int
take_seq(struct gating_join *j, const struct tr_frame *f, char why[GATING_ERR])
{
	struct known *k = know(j, tr_get(f, "batch", 0));
	int e;

	if (!k)
		return TR_ENOMEM;
	if ((e = same_seq(k, tr_get(f, "seq", 0), why)) < 0)
		return e;
	free(k->dataset);
	free(k->sample);
	k->dataset = text(f, "dataset");
	k->sample = text(f, "sample");
	k->synthetic = tr_get(f, "synthetic", 0) == 1;
	return k->dataset && k->sample ? 0 : TR_ENOMEM;
}

static int
take_tok(struct gating_join *j, const struct tr_frame *f, char why[GATING_ERR])
{
	struct known *k = know(j, tr_get(f, "batch", 0));
	struct value seq, tok;
	struct rows r;
	int e, has_seq;

	if (!k)
		return TR_ENOMEM;
	if ((has_seq = value_open(&seq, f, "seq")) < 0 || value_open(&tok, f, "tok") <= 0 ||
	    rows_open(&r, f) < 0)
		return TR_ECOLS;
	if (k->n + f->rows > k->cap) {
		const size_t cap = k->n + f->rows + k->cap;
		uint32_t *a = realloc(k->row, cap * sizeof *a), *b;

		if (!a)
			return TR_ENOMEM;
		k->row = a;
		if (!(b = realloc(k->tok, cap * sizeof *b)))
			return TR_ENOMEM;
		k->tok = b;
		k->cap = cap;
	}
	for (uint64_t i = 0; i < f->rows; i++) {
		if (has_seq && (e = same_seq(k, value_at(&seq, i), why)) < 0)
			return e;
		k->row[k->n] = (uint32_t)rows_at(&r, i);
		k->tok[k->n++] = (uint32_t)value_at(&tok, i);
	}
	return 0;
}

/* Probabilities of a row from its logits, over all experts. */
static void
softmax(const struct gating_join *j, float *p, uint64_t n)
{
	double max = p[0], sum = 0;

	for (uint64_t e = 0; e < n && j->sigmoid; e++)
		p[e] = (float)(1 / (1 + num_exp(-(double)p[e])));
	if (j->sigmoid)
		return;
	for (uint64_t e = 1; e < n; e++)
		max = MAX(max, (double)p[e]);
	for (uint64_t e = 0; e < n; e++)
		sum += num_exp((double)p[e] - max);
	for (uint64_t e = 0; e < n; e++)
		p[e] = (float)(num_exp((double)p[e] - max) / sum);
}

static int
grow(struct gating_join *j, const struct gating *g, uint64_t rows)
{
	const uint64_t cap = j->cap > rows ? j->cap : 2 * rows;
	const struct {
		void *p;
		size_t size;
	} all[] = {{&j->routing, g->experts * 4},
		   {&j->ids, g->topk * 8},
		   {&j->tokens, 8},
		   {&j->hidden, g->d * 4}};

	for (size_t i = 0; i < LEN(all); i++) {
		void **to = all[i].p, *q;
		size_t bytes;

		if (size_mul(cap, all[i].size, &bytes) < 0 || !(q = realloc(*to, bytes + 1)))
			return TR_ENOMEM;
		*to = q;
	}
	j->cap = cap;
	return 0;
}

/* Rows of a route frame behind those that the record has. */
static int
take_route(struct gating_join *j, const struct tr_frame *f, uint64_t experts, char why[GATING_ERR])
{
	struct tr_col w = {0}, logit, hidden;
	int e, has_logit, has_w, has_hidden;
	struct gating *g = &j->g, now = {.experts = experts};
	struct known *k;
	struct tr_ids ids;
	struct rows r;

	if ((e = tr_ids(f, &ids)) <= 0 || (e = rows_open(&r, f)) < 0)
		return e ? e : TR_ECOLS;
	if ((has_logit = tr_col(f, "logit", &logit)) < 0 || (has_w = tr_col(f, "w", &w)) < 0 ||
	    (has_hidden = tr_col(f, "hidden", &hidden)) < 0)
		return TR_ECOLS;
	if (!has_logit && !has_w)
		return snprintf(why, GATING_ERR, "neither logit nor w: no probabilities"),
		       TR_EVALUE;
	if ((has_logit && logit.width != experts) || (has_w && w.width != ids.k))
		return TR_ECOLS;
	now.topk = ids.k;
	now.d = has_hidden ? hidden.width : 0;
	if (!j->open) {
		j->cap = 0;
		*g = now;
		g->layer = tr_get(f, "layer", 0);
		j->batch = tr_get(f, "batch", 0);
		j->open = 1;
	} else if (now.topk != g->topk || now.d != g->d) {
		return snprintf(why, GATING_ERR, "ids or hidden of another width than before"),
		       TR_EVALUE;
	}
	if ((e = grow(j, g, g->rows + f->rows)) < 0)
		return e;
	k = find(j, j->batch);
	float *p = j->routing + g->rows * experts;
	int64_t *to = j->ids + g->rows * g->topk;

	if (has_logit ? (e = col_f32(&logit, 0, f->rows * experts, p)) < 0 : 0)
		return e;
	if (!has_logit)
		memset(p, 0, f->rows * experts * sizeof *p);
	if (has_hidden && (e = col_f32(&hidden, 0, f->rows * g->d, j->hidden + g->rows * g->d)) < 0)
		return e;
	size_t at = 0;
	for (uint64_t i = 0; i < f->rows; i++, p += experts) {
		for (uint32_t s = 0; s < ids.k; s++) {
			const uint32_t id = tr_id(&ids, i * ids.k + s);

			*to++ = id == UINT32_MAX ? -1 : (int64_t)id;
			if (!has_logit && id != UINT32_MAX &&
			    (e = col_f32(&w, i * ids.k + s, 1, &p[id])) < 0)
				return e;
		}
		if (has_logit)
			softmax(j, p, experts);
		if (!k || !k->n)
			continue;
		const uint64_t row = rows_at(&r, i);

		while (at < k->n && k->row[at] < row)
			at++;
		if (at == k->n || k->row[at] != row) {
			snprintf(why, GATING_ERR, "no tok frame before it has row %llu",
				 (unsigned long long)row);
			return TR_EVALUE;
		}
		j->tokens[g->rows + i] = k->tok[at];
	}
	g->rows += f->rows;
	g->tokens = k && k->n ? j->tokens : NULL;
	g->dataset = k && k->dataset ? k->dataset : "";
	snprintf(j->name, sizeof j->name, "%s%s%llu", g->dataset, *g->dataset ? "_" : "",
		 (unsigned long long)j->batch);
	g->sample = k && k->sample && *k->sample ? k->sample : j->name;
	g->synthetic = k && k->synthetic;
	return 0;
}

int
gating_ends(struct gating_join *j, const struct tr_frame *f, struct gating *g)
{
	if (!j->open || (f && !strcmp(f->kind, "route") && tr_get(f, "batch", 0) == j->batch &&
			 tr_get(f, "layer", 0) == j->g.layer))
		return 0;
	*g = j->g;
	g->routing = j->routing;
	g->ids = j->ids;
	g->tokens = g->tokens ? j->tokens : NULL;
	g->hidden = j->hidden;
	j->open = 0;
	return 1;
}

int
gating_take(struct gating_join *j, const struct tr_frame *f, uint64_t experts, char why[GATING_ERR])
{
	const char *val;

	*why = 0;
	if (!strcmp(f->kind, "trace")) {
		forget(j);
		j->by_batch = tr_key(f, "order", &val) && !strcmp(val, "batch,layer");
		j->sigmoid = tr_key(f, "score", &val) && !strcmp(val, "sigmoid");
	} else if (!strcmp(f->kind, "seq")) {
		return take_seq(j, f, why);
	} else if (!strcmp(f->kind, "tok")) {
		return take_tok(j, f, why);
	} else if (!strcmp(f->kind, "route")) {
		return take_route(j, f, experts, why);
	}
	return 0;
}
