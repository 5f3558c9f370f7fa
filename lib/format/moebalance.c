/*
 * Records of the placement simulator, see moebalance.h.
 *
 * A frame is written back as the usual record: layer, batch_id, request_id and
 * source_file of the batch's seq frame, origin_rows, topk_experts, topk_weights,
 * as far as it has them, in this order; without origins topk_experts and
 * topk_weights stand before request_id.  The private keys say what differs:
 *
 *	keys      the members, where they are not these in this order; xN is the
 *	          text of the key xN
 *	batch_id  request_id  source_file
 *	          JSON text, where it does not follow from batch and the seq frame
 *	k         all rows have k picks; empty slots were -1
 *	len       (a column) picks of each row, where rows differ in length and
 *	          have -1 in them
 *	w         (a column) weights that f32 does not hold
 */
#include "moebalance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "size.h"

#define PRIVATE "moe-balance."

/* One batch, or one batch at one layer. */
struct entry {
	char *key; /* NULL: free */
	uint64_t number, rows;
	char *request, *source; /* of its seq frame, decoded */
	int seqs;
};

struct map {
	struct entry *e;
	size_t n, cap; /* cap: a power of two */
};

struct mb {
	struct json j;
	char err[JSON_ERR];
	struct map batch, place;
	uint64_t fresh; /* next number for a batch without one */
	uint64_t experts, topk;

	struct json_ints ids, origin;
	int got_ids, got_origin, got_w;
	double *w;
	size_t nw, capw;
	int w32, w64;

	uint8_t *idbuf;
	uint16_t *originbuf, *lenbuf;
	float *wbuf;
	double *dbuf;
	size_t capid, caporigin, caplen, capwbuf, capdbuf;
	uint8_t *wide; /* of mb_widen: it reads the others */
	float *widew;
	size_t capwide, capwidew;

	char (*table)[8]; /* "123, " and its length, for each id */
};

struct mb *
mb_new(void)
{
	return calloc(1, sizeof(struct mb));
}

static void
map_free(struct map *m)
{
	size_t i;

	for (i = 0; i < m->cap; i++) {
		free(m->e[i].key);
		free(m->e[i].request);
		free(m->e[i].source);
	}
	free(m->e);
}

void
mb_free(struct mb *m)
{
	if (!m)
		return;
	json_free(&m->j);
	map_free(&m->batch);
	map_free(&m->place);
	json_ints_free(&m->ids);
	json_ints_free(&m->origin);
	free(m->w);
	free(m->idbuf);
	free(m->originbuf);
	free(m->lenbuf);
	free(m->wbuf);
	free(m->dbuf);
	free(m->wide);
	free(m->widew);
	free(m->table);
	free(m);
}

const char *
mb_err(const struct mb *m)
{
	return m->err;
}

uint64_t
mb_experts(const struct mb *m)
{
	return m->experts;
}

uint64_t
mb_topk(const struct mb *m)
{
	return m->topk;
}

static struct entry *
slot(struct entry *e, size_t cap, const char *key)
{
	uint64_t h = 14695981039346656037u;
	const char *p;
	size_t i;

	for (p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (i = (h ^ h >> 32) & (cap - 1); e[i].key && strcmp(e[i].key, key);)
		i = (i + 1) & (cap - 1);
	return &e[i];
}

/* The entry of key; with make, a new one (rows 0, number TR_NONE).  NULL: none. */
static struct entry *
entry(struct map *m, const char *key, int make)
{
	struct entry *e, *f;
	size_t i, cap = m->cap ? m->cap * 2 : 256;

	if (m->cap && (f = slot(m->e, m->cap, key))->key)
		return f;
	if (!make)
		return NULL;
	if (m->n * 2 >= m->cap) {
		if (!(e = calloc(cap, sizeof *e)))
			return NULL;
		for (i = 0; i < m->cap; i++)
			if (m->e[i].key)
				*slot(e, cap, m->e[i].key) = m->e[i];
		free(m->e);
		m->e = e;
		m->cap = cap;
	}
	f = slot(m->e, m->cap, key);
	if (!(f->key = strdup(key)))
		return NULL;
	f->number = TR_NONE;
	m->n++;
	return f;
}

static int
grow(void *pp, size_t *cap, size_t n)
{
	void *p = *(void **)pp;

	if (*cap >= n && p)
		return 0;
	if (!(p = realloc(p, n + n / 4 + 64)))
		return -1;
	*(void **)pp = p;
	*cap = n + n / 4 + 64;
	return 0;
}

/* ---- reading ---- */

/* A weight as Python's repr has it: a float has a point or an exponent. */
static size_t
repr(char *to, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (to[i] == '.' || to[i] == 'e' || to[i] == 'n' || to[i] == 'i')
			return n;
	to[n] = '.';
	to[n + 1] = '0';
	return n + 2;
}

/* [[0.5, 0.25], ...] into m->w; as many as there are ids is judged later. */
static const char *
weights(struct mb *m, const char *p, const char *end)
{
	char text[NUM_MAX + 2];
	const char *q;
	int depth = 0;
	size_t n;
	double x;

	m->nw = 0;
	m->w32 = m->w64 = 1;
	for (; p < end; p++) {
		if (*p == '[') {
			if (++depth > 2)
				return NULL;
		} else if (*p == ']') {
			if (!--depth)
				return p + 1;
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			for (q = p + 1; q < end && (*q == '-' || *q == '+' || *q == '.' ||
						    (*q | 32) == 'e' || (*q >= '0' && *q <= '9'));)
				q++;
			if (depth != 2 || num_f64(p, q, &x) ||
			    grow(&m->w, &m->capw, (m->nw + 1) * sizeof *m->w))
				return NULL;
			m->w[m->nw++] = x;
			if (m->w32) {
				n = repr(text, num_put_f32(text, (float)x));
				m->w32 = n == (size_t)(q - p) && !memcmp(text, p, n);
			}
			if (!m->w32 && m->w64) {
				n = repr(text, num_put_f64(text, x));
				m->w64 = n == (size_t)(q - p) && !memcmp(text, p, n);
			}
			p = q - 1;
		} else if (*p != ',' && *p != ' ' && *p != '\t') {
			return NULL;
		}
	}
	return NULL;
}

static const char *
take(void *arg, const char *key, size_t nkey, const char *p, const char *end)
{
	struct mb *m = arg;
	const char *q = NULL;

#define KEY(s) (nkey == sizeof s - 1 && !memcmp(key, s, sizeof s - 1))
	if (KEY("topk_experts")) {
		q = json_ints2(&m->ids, p, end);
		m->got_ids = q && q - p >= 4;
	} else if (KEY("origin_rows")) {
		q = json_ints(&m->origin, p, end);
		m->got_origin = q && q - p >= 4;
	}
#undef KEY
	return q;
}

static int
fail(struct mb *m, int v, const char *why)
{
	json_fail(&m->j, v, "%s", why);
	memcpy(m->err, m->j.err, sizeof m->err);
	return -1;
}

/* An array that was not taken (it is shorter than null, or has odd blanks). */
static int
whole(const struct json *j, int v, const char *(*f)(struct json_ints *, const char *, const char *),
      struct json_ints *a)
{
	size_t n;
	const char *p = json_raw(j, v, &n);

	return json_type(j, v) == JSON_ARR && f(a, p, p + n) ? 0 : -1;
}

/* The old shape: "tokens": [{"origin_row": 0, "topk_experts": [1, 2]}, ...]. */
static int
tokens(struct mb *m, int v)
{
	struct json_ints one = {0}, *a = &m->ids, *o = &m->origin;
	int t, r, rc = -1, with = -1;
	int32_t *p;
	int64_t row;
	size_t n;

	if (json_type(&m->j, v) != JSON_ARR)
		return fail(m, v, "tokens is no array");
	a->n = a->rows = o->n = 0;
	a->min = o->min = 0;
	a->max = o->max = -1;
	a->least = json_size(&m->j, v) ? UINT32_MAX : 0;
	a->most = 0;
	for (t = json_first(&m->j, v); t >= 0; t = json_next(&m->j, v, t)) {
		if (whole(&m->j, json_find(&m->j, t, "topk_experts"), json_ints, &one)) {
			fail(m, t, "a token without an array topk_experts of integers");
			goto out;
		}
		r = json_find(&m->j, t, "origin_row");
		if (with < 0)
			with = r >= 0;
		if (with != (r >= 0) ||
		    (with && (json_i64(&m->j, r, &row) || row < 0 || row > INT32_MAX))) {
			fail(m, t, "origin_row: not a number for each token or for none");
			goto out;
		}
		while (a->cap < a->n + one.n || a->caprows <= a->rows || o->cap <= a->rows) {
			n = a->n + one.n + a->rows * 2 + 64;
			if (!(p = realloc(a->v, n * sizeof *a->v)))
				goto nomem;
			a->v = p;
			a->cap = n;
			n = a->rows * 2 + 64;
			if (!(p = realloc(o->v, n * sizeof *o->v)))
				goto nomem;
			o->v = p;
			o->cap = n;
			uint32_t *len = realloc(a->len, n * sizeof *len);

			if (!len)
				goto nomem;
			a->len = len;
			a->caprows = n;
		}
		if (one.n)
			memcpy(a->v + a->n, one.v, one.n * sizeof *one.v);
		if (with)
			o->v[o->n++] = (int32_t)row;
		a->len[a->rows++] = (uint32_t)one.n;
		a->n += one.n;
		a->min = MIN(a->min, one.min);
		a->max = MAX(a->max, one.max);
		a->least = MIN(a->least, (uint32_t)one.n);
		a->most = MAX(a->most, (uint32_t)one.n);
		if (with)
			o->max = MAX(o->max, (int32_t)row);
	}
	m->got_ids = 1;
	m->got_origin = with == 1;
	rc = 0;
	goto out;
nomem:
	fail(m, v, "no memory");
out:
	json_ints_free(&one);
	return rc;
}

static int
bad_id(struct mb *m, uint64_t line, uint64_t experts)
{
	size_t i = 0, t, k;

	for (t = 0; t < m->ids.rows; t++)
		for (k = 0; k < m->ids.len[t]; k++, i++)
			if (m->ids.v[i] >= 0 && (uint64_t)m->ids.v[i] >= experts) {
				snprintf(m->err, sizeof m->err,
					 "%llu: token %zu: expert %d, there are %llu",
					 (unsigned long long)line, t, m->ids.v[i],
					 (unsigned long long)experts);
				return -1;
			}
	return -1;
}

/* Picks as a column of width k: u8 where all ids fit, else u16. */
static int
picks(struct mb *m, struct tr_frame *f, uint32_t k)
{
	const int32_t *v = m->ids.v;
	int wide = m->ids.max > 254, full = m->ids.least == k && m->ids.most == k;
	size_t n, i, t, c, rows = m->ids.rows, ones = wide ? 0xffff : 0xff;
	uint16_t *w;

	if (size_mul(rows, k, &n) || n > TR_BYTES_MAX || rows > TR_ROWS_MAX || k > TR_WIDTH_MAX ||
	    grow(&m->idbuf, &m->capid, 2 * n + 2))
		return -1;
	w = (uint16_t *)(void *)m->idbuf;
	if (full && wide) {
		for (i = 0; i < n; i++)
			w[i] = (uint16_t)(v[i] < 0 ? -1 : v[i]);
	} else if (full) {
		for (i = 0; i < n; i++)
			m->idbuf[i] = (uint8_t)(v[i] < 0 ? -1 : v[i]);
	} else {
		for (i = t = 0; t < rows; t++)
			for (c = 0; c < k; c++) {
				size_t id = c < m->ids.len[t] && v[i + c] >= 0 ? (size_t)v[i + c]
									       : ones;

				if (wide)
					w[t * k + c] = (uint16_t)id;
				else
					m->idbuf[t * k + c] = (uint8_t)id;
				if (c + 1 == k)
					i += m->ids.len[t];
			}
	}
	return tr_addcol(f, "ids", wide ? TR_U16 : TR_U8, k, m->idbuf);
}

static int
weight_cols(struct mb *m, struct tr_frame *f, uint32_t k)
{
	size_t rows = m->ids.rows, i = 0, t, c, n = rows * k;

	if (grow(&m->wbuf, &m->capwbuf, (n + 1) * sizeof *m->wbuf) ||
	    grow(&m->dbuf, &m->capdbuf, (n + 1) * sizeof *m->dbuf))
		return -1;
	for (t = 0; t < rows; t++)
		for (c = 0; c < k; c++) {
			double x = c < m->ids.len[t] ? m->w[i++] : 0;

			m->wbuf[t * k + c] = (float)x;
			m->dbuf[t * k + c] = x;
		}
	if (tr_addcol(f, "w", TR_F32, k, m->wbuf) < 0)
		return -1;
	return m->w32 ? 0 : tr_addcol(f, PRIVATE "w", TR_F64, k, m->dbuf);
}

/* JSON text of a member as a string (never of 1 KiB or more): 0 or -1. */
static int
raw(struct json *j, int v, char buf[1024])
{
	size_t n;
	const char *p = json_raw(j, v, &n);

	if (v < 0 || n >= 1024)
		return -1;
	memcpy(buf, p, n);
	buf[n] = '\0';
	return 0;
}

/* How the writer shows a value of a seq frame: a number where it is one. */
static void
shown(struct json_out *o, const char *s)
{
	uint64_t n;

	if (!num_u64(s, 0, INT64_MAX, &n) && (*s != '0' || !s[1]))
		json_put_u64(o, n);
	else
		json_put_str(o, s, strlen(s));
}

static int
shows(const char *s, const char *text)
{
	struct json_out o = {.style = JSON_PYTHON};
	int same;

	shown(&o, s);
	same = !o.bad && o.n == strlen(text) && !memcmp(o.p, text, o.n);
	json_out_free(&o);
	return same;
}

/* A member that may become a value of the seq frame: decoded, or "". */
static void
decoded(struct json *j, int v, char buf[1024])
{
	uint64_t n;
	long len;

	if (!json_u64(j, v, &n)) {
		if (raw(j, v, buf))
			buf[0] = '\0';
		return;
	}
	len = json_str(j, v, buf, 1024);
	if (len < 1 || strlen(buf) != (size_t)len)
		buf[0] = '\0';
}

/* The batch's number: its own where it is one and free, else the next free. */
static struct entry *
batch(struct mb *m, const char *id)
{
	struct entry *e = entry(&m->batch, id, 1);
	char name[40];
	uint64_t n;

	if (!e || e->number != TR_NONE)
		return e;
	if (!num_u64(id, 0, INT64_MAX, &n) && (*id != '0' || !id[1])) {
		snprintf(name, sizeof name, "#%llu", (unsigned long long)n);
		if (!entry(&m->batch, name, 0)) {
			e->number = n;
			return e;
		}
	}
	for (;; m->fresh++) {
		snprintf(name, sizeof name, "#%llu", (unsigned long long)m->fresh);
		if (!entry(&m->batch, name + 1, 0) && !entry(&m->batch, name, 0))
			break;
	}
	if (!entry(&m->batch, name, 1)) /* taken from now on */
		return NULL;
	e = entry(&m->batch, id, 0); /* the table may have moved */
	e->number = m->fresh++;
	return e;
}

static int
differs(struct tr_frame *f, const char *key, struct json *j, int v, const char *from)
{
	char text[1024], name[TR_NAME_MAX];

	if (v < 0)
		return 0;
	if (raw(j, v, text))
		return -1;
	if (from && shows(from, text))
		return 0;
	snprintf(name, sizeof name, PRIVATE "%s", key);
	return tr_set(f, name, text);
}

/* With origins as in the reference's searcher, without as its NPZ converter writes. */
static void
usual_keys(char *keys, size_t size, const char *request, const char *source, const char *origin,
	   const char *weights)
{
	if (*origin)
		snprintf(keys, size, "layer,batch_id%s%s%s,topk_experts%s", request, source, origin,
			 weights);
	else
		snprintf(keys, size, "layer,batch_id,topk_experts%s%s%s", weights, request, source);
}

int
mb_get(struct mb *m, const char *p, size_t n, uint64_t line, uint64_t experts, struct tr_frame *seq,
       struct tr_frame *f)
{
	static const char *const usual[] = {"layer",        "batch_id",    "request_id",
					    "source_file",  "origin_row",  "origin_rows",
					    "topk_experts", "topk_weights"};
	struct json *j = &m->j;
	char keys[1024] = "", expect[256], text[1024], id[1024], name[64];
	int v[LEN(usual)], has[LEN(usual)], i, member, tok, nx = 0, made = 0, width, rc = 0;
	uint64_t layer, max = experts ? experts : TR_EXPERTS_MAX, u;
	struct entry *b, *place;
	size_t nraw, at = 0;
	const char *q;

	enum { LAYER, BATCH, REQUEST, SOURCE, ROW, ROWS, IDS, W };

	m->got_ids = m->got_origin = m->got_w = 0;
	j->line = line;
	if (json_parse_take(j, p, n, take, m)) {
		memcpy(m->err, j->err, sizeof m->err);
		return -1;
	}
	if (json_type(j, 0) != JSON_OBJ)
		return fail(m, 0, "not an object");
	for (i = 0; i < (int)LEN(usual); i++)
		v[i] = json_find(j, 0, usual[i]);
	tok = json_find(j, 0, "tokens");

	if (json_u64(j, v[LAYER], &layer) || layer > INT32_MAX)
		return fail(m, v[LAYER], "layer is missing, or no layer number");
	if (tok >= 0 && v[IDS] >= 0)
		return fail(m, tok, "both tokens and topk_experts");
	if (tok >= 0 && v[ROWS] >= 0)
		return fail(m, tok, "both tokens and origin_rows");
	if (tok >= 0 && tokens(m, tok))
		return -1;
	if (!m->got_ids && whole(j, v[IDS], json_ints2, &m->ids))
		return fail(m, v[IDS], "topk_experts is no array of arrays of integers");
	if (v[ROWS] >= 0 && !m->got_origin && json_type(j, v[ROWS]) == JSON_ARR) {
		if (whole(j, v[ROWS], json_ints, &m->origin))
			return fail(m, v[ROWS], "origin_rows is no array of integers");
		m->got_origin = m->origin.n > 0;
	}
	if (m->got_origin && m->origin.n != m->ids.rows)
		return fail(m, v[ROWS], "origin_rows has not one number for each token");
	if (m->got_origin && (m->origin.min < 0 || m->origin.max > 65534))
		return fail(m, v[ROWS], "origin_rows: not a mesh row");
	if (m->ids.max >= 0 && (uint64_t)m->ids.max >= max)
		return bad_id(m, line, max);
	if (json_type(j, v[W]) == JSON_ARR) {
		q = json_raw(j, v[W], &nraw);
		if (!weights(m, q, q + nraw) || m->nw != m->ids.n)
			return fail(m, v[W], "topk_weights has not one number for each expert");
		m->got_w = m->nw > 0;
	}
	if (m->ids.max >= 0)
		m->experts = MAX(m->experts, (uint64_t)m->ids.max + 1);
	m->topk = MAX(m->topk, m->ids.most);

	/* which batch, and what of it goes into a seq frame */
	if (v[BATCH] < 0)
		strcpy(id, "0");
	else if ((json_type(j, v[BATCH]) != JSON_NUM && json_type(j, v[BATCH]) != JSON_STR) ||
		 raw(j, v[BATCH], id))
		return fail(m, v[BATCH], "batch_id is neither a number nor a short string");
	if (!(b = batch(m, id)))
		return fail(m, 0, "no memory");
	if (!b->seqs) {
		b->seqs = 1;
		decoded(j, v[REQUEST], text);
		tr_new(seq, "seq");
		tr_setu(seq, "batch", b->number);
		tr_setu(seq, "seq", 0);
		if (*text && tr_set(seq, "request", text) == 0)
			made = (b->request = strdup(text)) != NULL;
		decoded(j, v[SOURCE], text);
		if (*text && tr_set(seq, "source", text) == 0)
			made |= (b->source = strdup(text)) != NULL;
	}

	tr_new(f, "route");
	tr_setu(f, "batch", b->number);
	tr_setu(f, "layer", layer);
	snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)layer,
		 (unsigned long long)b->number);
	if (!(place = entry(&m->place, text, 1)))
		return fail(m, 0, "no memory");
	if (place->rows)
		tr_setu(f, "row0", place->rows);
	place->rows += m->ids.rows;
	snprintf(text, sizeof text, "%llu", (unsigned long long)b->number);
	if (differs(f, "batch_id", j, v[BATCH], text) < 0 ||
	    differs(f, "request_id", j, v[REQUEST], b->request) < 0 ||
	    differs(f, "source_file", j, v[SOURCE], b->source) < 0)
		return fail(m, 0, "batch_id, request_id or source_file does not fit a frame");
	if (!json_u64(j, v[ROW], &u) && u <= 65534 && !m->got_origin)
		rc |= tr_setu(f, "origin", u);

	/* the picks */
	width = m->ids.most ? (int)m->ids.most : 1;
	tr_rows(f, m->ids.rows);
	rc |= picks(m, f, (uint32_t)width);
	if (m->ids.min < 0 || (m->ids.rows && !m->ids.most)) {
		if (m->ids.least == m->ids.most) {
			rc |= tr_setu(f, PRIVATE "k", m->ids.most);
		} else {
			if (grow(&m->lenbuf, &m->caplen, 2 * m->ids.rows + 2))
				return fail(m, 0, "no memory");
			for (at = 0; at < m->ids.rows; at++)
				m->lenbuf[at] = (uint16_t)m->ids.len[at];
			rc |= tr_addcol(f, PRIVATE "len", TR_U16, 1, m->lenbuf);
		}
	}
	if (m->got_w && weight_cols(m, f, (uint32_t)width) < 0)
		return fail(m, v[W], "topk_weights: too large");
	if (m->got_origin) {
		if (grow(&m->originbuf, &m->caporigin, 2 * m->ids.rows + 2))
			return fail(m, 0, "no memory");
		for (at = 0; at < m->ids.rows; at++)
			m->originbuf[at] = (uint16_t)m->origin.v[at];
		rc |= tr_addcol(f, "origin", TR_U16, 1, m->originbuf);
	}

	/* the members as they stand, against what the writer would put */
	has[LAYER] = has[BATCH] = has[IDS] = 1;
	has[REQUEST] = b->request != NULL;
	has[SOURCE] = b->source != NULL;
	has[ROW] = tr_key(f, "origin", &q) > 0;
	has[ROWS] = m->got_origin;
	has[W] = m->got_w;
	usual_keys(expect, sizeof expect, has[REQUEST] ? ",request_id" : "",
		   has[SOURCE] ? ",source_file" : "",
		   has[ROW] && has[ROWS] ? ",origin_row,origin_rows"
		   : has[ROW]            ? ",origin_row"
		   : has[ROWS]           ? ",origin_rows"
					 : "",
		   has[W] ? ",topk_weights" : "");
	for (member = json_first(j, 0), at = 0; member >= 0; member = json_next(j, 0, member)) {
		for (i = 0; i < (int)LEN(usual) && v[i] != member + 1; i++)
			;
		if (member + 1 == tok) {
			snprintf(name, sizeof name, "tokens");
		} else if (i < (int)LEN(usual) && !(i == ROW && !has[ROW]) &&
			   !(i == W && json_type(j, v[W]) != JSON_ARR) &&
			   !(i == ROWS && !m->got_origin && json_type(j, v[ROWS]) != JSON_ARR)) {
			snprintf(name, sizeof name, "%s", usual[i]);
		} else {
			struct json_out o = {.style = JSON_PYTHON};

			q = json_raw(j, member, &nraw);
			json_put_bytes(&o, q, nraw);
			json_put_bytes(&o, ": ", 2);
			q = json_raw(j, member + 1, &nraw);
			json_put_bytes(&o, q, nraw);
			json_put_bytes(&o, "", 1);
			snprintf(name, sizeof name, PRIVATE "x%d", nx);
			if (!o.bad)
				rc |= tr_set(f, name, o.p);
			json_out_free(&o);
			snprintf(name, sizeof name, "x%d", nx++);
		}
		if (at + strlen(name) + 2 > sizeof keys || nx > 32)
			return fail(m, member, "too many members");
		at += (size_t)sprintf(keys + at, "%s%s", at ? "," : "", name);
	}
	if (strcmp(keys, expect))
		rc |= tr_set(f, PRIVATE "keys", keys);
	if (rc < 0)
		return fail(m, 0, "the record does not fit a frame");
	return made;
}

int
mb_widen(struct mb *m, struct tr_frame *f, uint64_t experts, uint64_t topk)
{
	int wide = experts > 255, rc, i;
	uint64_t r, k = topk ? topk : 1, c;
	struct tr_ids old;
	struct tr_col w, ids;
	uint16_t *to;
	float *x;

	if (tr_col(f, "ids", &ids) <= 0)
		return TR_ECOLS;
	if (ids.width == k && ids.type == (wide ? TR_U16 : TR_U8))
		return 0;
	if ((rc = tr_decode(f)) < 0)
		return rc;
	old.rows = f->rows;
	old.k = ids.width;
	old.u8 = ids.type == TR_U8 ? ids.data : NULL;
	old.u16 = ids.type == TR_U16 ? ids.data : NULL;
	if (f->rows * k > TR_BYTES_MAX / 8)
		return TR_ELIMIT;
	if (grow(&m->wide, &m->capwide, 2 * f->rows * k + 2) ||
	    grow(&m->widew, &m->capwidew, (f->rows * k + 1) * sizeof *m->widew))
		return TR_ENOMEM;
	to = (uint16_t *)(void *)m->wide;
	for (r = 0; r < f->rows; r++)
		for (c = 0; c < k; c++) {
			uint32_t id = c < old.k ? tr_id(&old, r * old.k + c) : UINT32_MAX;

			if (wide)
				to[r * k + c] = (uint16_t)id;
			else
				m->wide[r * k + c] = (uint8_t)id;
		}
	for (i = 0; i < f->ncols; i++) {
		if (strcmp(f->cols[i].name, "w") || f->cols[i].width == k)
			continue;
		w = f->cols[i];
		for (r = 0, x = m->widew; r < f->rows; r++)
			for (c = 0; c < k; c++)
				*x++ = c < w.width ? ((const float *)w.data)[r * w.width + c] : 0;
		if ((rc = tr_addcol(f, "w", TR_F32, k, m->widew)) < 0)
			return rc;
	}
	return tr_addcol(f, "ids", wide ? TR_U16 : TR_U8, k, m->wide);
}

/* ---- writing ---- */

int
mb_seq(struct mb *m, const struct tr_frame *f)
{
	char text[TR_HEADER_MAX];
	struct entry *e;

	snprintf(text, sizeof text, "%llu", (unsigned long long)tr_get(f, "batch", 0));
	if (!(e = entry(&m->batch, text, 1)))
		return TR_ENOMEM;
	free(e->request);
	free(e->source);
	e->request = e->source = NULL;
	if (e->seqs++) /* several sequences: the batch has no one request */
		return 0;
	if (tr_text(f, "request", text, sizeof text) > 0 && !(e->request = strdup(text)))
		return TR_ENOMEM;
	if (tr_text(f, "source", text, sizeof text) > 0 && !(e->source = strdup(text)))
		return TR_ENOMEM;
	return 0;
}

static int
table(struct mb *m)
{
	unsigned i;
	int n;

	if (m->table)
		return 0;
	if (!(m->table = malloc(65536 * sizeof *m->table)))
		return -1;
	for (i = 0; i < 65536; i++) {
		char text[16];

		n = snprintf(text, sizeof text, "%u, ", i);
		memcpy(m->table[i], text, 7);
		m->table[i][7] = (char)n;
	}
	return 0;
}

static inline char *
number(const struct mb *m, char *to, unsigned id)
{
	memcpy(to, m->table[id], 8);
	return to + m->table[id][7];
}

/* What a route frame gives for a line. */
struct line {
	struct tr_ids ids;
	struct tr_col w, len, origin;
	int has_w, has_len, has_origin, has_k;
	uint64_t k;
};

/* Picks of row r that the record had. */
static uint32_t
length(const struct line *l, uint64_t r)
{
	uint32_t n = l->ids.k;
	const uint64_t i = r * n;

	if (l->has_k)
		return (uint32_t)MIN(l->k, (uint64_t)n);
	if (l->has_len)
		return MIN(((const uint16_t *)l->len.data)[r], n);
	while (n && tr_id(&l->ids, i + n - 1) == UINT32_MAX)
		n--;
	return n;
}

static char *
picked(const struct mb *m, char *to, const struct line *l, uint64_t r)
{
	uint32_t n = length(l, r), c, id;
	const uint8_t *p8 = l->ids.u8 ? l->ids.u8 + r * l->ids.k : NULL;

	*to++ = '[';
	for (c = 0; c < n; c++) {
		id = p8 ? (p8[c] == 0xff ? UINT32_MAX : p8[c]) : tr_id(&l->ids, r * l->ids.k + c);
		if (id == UINT32_MAX) {
			memcpy(to, "-1, ", 4);
			to += 4;
		} else {
			to = number(m, to, id);
		}
	}
	to -= n ? 2 : 0;
	*to++ = ']';
	return to;
}

static unsigned
origin(const struct line *l, uint64_t r)
{
	return ((const uint16_t *)l->origin.data)[r];
}

static void
rows(struct mb *m, struct json_out *o, const struct line *l, const char *key)
{
	uint64_t r;
	uint32_t c, n;
	char *to, *p;
	int what = !strcmp(key, "origin_rows")    ? 0
		   : !strcmp(key, "topk_experts") ? 1
		   : !strcmp(key, "tokens")       ? 2
						  : 3;

	json_put_raw(o, "[", 1);
	for (r = 0; r < l->ids.rows; r++) {
		if (what == 3) {
			n = MIN(length(l, r), l->w.width);
			json_put_bytes(o, r ? ", [" : "[", r ? 3 : 1);
			for (c = 0; c < n; c++) {
				if (!(p = json_put_room(o, NUM_MAX + 4)))
					return;
				to = p;
				if (c)
					*to++ = ',', *to++ = ' ';
				to += repr(to, num_put_col(to, &l->w, r * l->w.width + c));
				o->n += (size_t)(to - p);
			}
			json_put_bytes(o, "]", 1);
			continue;
		}
		if (!(p = json_put_room(o, (size_t)l->ids.k * 8 + 80)))
			return;
		to = p;
		if (r)
			*to++ = ',', *to++ = ' ';
		if (what == 0) {
			to = number(m, to, origin(l, r)) - 2;
		} else if (what == 1) {
			to = picked(m, to, l, r);
		} else {
			*to++ = '{';
			if (l->has_origin) {
				to = stpcpy(to, "\"origin_row\": ");
				to = number(m, to, origin(l, r));
			}
			to = stpcpy(to, "\"topk_experts\": ");
			to = picked(m, to, l, r);
			*to++ = '}';
		}
		o->n += (size_t)(to - p);
	}
	json_put_bytes(o, "]", 1);
}

int
mb_put(struct mb *m, struct json_out *o, const struct tr_frame *f)
{
	struct line l = {.ids = {0}};
	char keys[TR_HEADER_MAX], text[TR_HEADER_MAX], name[TR_NAME_MAX], *key, *save = NULL;
	uint64_t n, batch = tr_get(f, "batch", 0);
	struct entry *b;
	int rc;

	snprintf(text, sizeof text, "%llu", (unsigned long long)batch);
	b = entry(&m->batch, text, 0);
	if ((rc = tr_ids(f, &l.ids)) <= 0)
		return rc ? rc : TR_ECOLS;
	if (table(m))
		return TR_ENOMEM;
	if ((l.has_w = tr_col(f, PRIVATE "w", &l.w)) < 0 ||
	    (!l.has_w && (l.has_w = tr_col(f, "w", &l.w)) < 0) ||
	    (l.has_len = tr_col(f, PRIVATE "len", &l.len)) < 0 ||
	    (l.has_origin = tr_col(f, "origin", &l.origin)) < 0)
		return TR_EENC;
	l.has_k = tr_num(f, PRIVATE "k", &l.k) > 0;
	if ((l.has_w && (l.w.width > l.ids.k || l.w.type < TR_F16 || l.w.type > TR_F64)) ||
	    (l.has_len && (l.len.width != 1 || l.len.type != TR_U16)) ||
	    (l.has_origin && (l.origin.width != 1 || l.origin.type != TR_U16)))
		return TR_ECOLS;

	if (tr_text(f, PRIVATE "keys", keys, sizeof keys) <= 0)
		usual_keys(keys, sizeof keys, b && b->request ? ",request_id" : "",
			   b && b->source ? ",source_file" : "",
			   l.has_origin                  ? ",origin_rows"
			   : tr_num(f, "origin", &n) > 0 ? ",origin_row"
							 : "",
			   l.has_w ? ",topk_weights" : "");

	json_put_open(o, '{');
	for (key = strtok_r(keys, ",", &save); key; key = strtok_r(NULL, ",", &save)) {
		snprintf(name, sizeof name, PRIVATE "%.18s", key);
		rc = tr_text(f, name, text, sizeof text);
		if (*key == 'x') {
			if (rc > 0)
				json_put_raw(o, text, (size_t)rc);
			continue;
		}
		if (!strcmp(key, "topk_weights") && !l.has_w && l.ids.rows)
			continue;
		json_put_key(o, key);
		if (!strcmp(key, "layer"))
			json_put_u64(o, tr_get(f, "layer", 0));
		else if (rc > 0)
			json_put_raw(o, text, (size_t)rc);
		else if (!strcmp(key, "batch_id"))
			json_put_u64(o, batch);
		else if (!strcmp(key, "request_id") && b && b->request)
			shown(o, b->request);
		else if (!strcmp(key, "source_file") && b && b->source)
			shown(o, b->source);
		else if (!strcmp(key, "origin_row"))
			json_put_u64(o, tr_get(f, "origin", 0));
		else if (!strcmp(key, "origin_rows") && !l.has_origin)
			json_put_raw(o, "[]", 2);
		else if (!strcmp(key, "origin_rows") || !strcmp(key, "topk_experts") ||
			 !strcmp(key, "topk_weights") || !strcmp(key, "tokens"))
			rows(m, o, &l, key);
		else
			json_put_raw(o, "null", 4);
	}
	json_put_close(o);
	json_put_bytes(o, "\n", 1);
	o->some = 0;
	return o->bad ? TR_EIO : 0;
}
