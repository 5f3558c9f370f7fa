/* Lists of GatingDataPoints: the pickle machine reads them, here is what it found. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gating.h"
#include "moetrace.h"
#include "pickle.h"
#include "size.h"

/* ---- reading ---- */

struct point {
	const struct array *routing, *ids, *tokens, *also, *hidden;
	int64_t layer, synthetic;
	int has_layer;
	const char *dataset, *sample;
};

struct gating_list {
	struct array_list a;
	struct point *p;
	size_t n, cap;
	float *routing, *hidden;
	int64_t *ids, *tokens;
};

static int
fail(char why[GATING_ERR], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, GATING_ERR, fmt, ap);
	va_end(ap);
	return -1;
}

void
gating_free(struct gating_list *l)
{
	if (!l)
		return;
	array_free(&l->a);
	free(l->p);
	free(l->routing);
	free(l->hidden);
	free(l->ids);
	free(l->tokens);
	free(l);
}

size_t
gating_count(const struct gating_list *l)
{
	return l->n;
}

uint64_t
gating_layer(const struct gating_list *l, size_t i)
{
	return (uint64_t)l->p[i].layer;
}

/* "17.layer_id": 17 and "layer_id"; NULL where it is no such path. */
static const char *
field(const char *path, size_t *i)
{
	char *end;
	unsigned long long n = strtoull(path, &end, 10);

	if (end == path || *end != '.' || n > UINT32_MAX)
		return NULL;
	*i = (size_t)n;
	return end + 1;
}

/* Record i: one that is known, or the next. */
static struct point *
point(struct gating_list *l, size_t i)
{
	if (i > l->n)
		return NULL;
	if (i == l->n) {
		if (l->n == l->cap) {
			const size_t cap = 2 * l->cap + 64;
			void *q = realloc(l->p, cap * sizeof *l->p);

			if (!q)
				return NULL;
			l->p = q;
			l->cap = cap;
		}
		memset(&l->p[l->n++], 0, sizeof *l->p);
	}
	return &l->p[i];
}

/* Arrays and scalars of the list, each to its record. */
static int
sort_out(struct gating_list *l, char why[GATING_ERR])
{
	const char *key;
	struct point *p;
	size_t n;

	for (size_t i = 0; i < l->a.n; i++) {
		const struct array *a = &l->a.a[i];

		if (!(key = field(a->path, &n)))
			return fail(why, "%s is in no list of dicts", a->path);
		if (!(p = point(l, n)))
			return fail(why, "no memory, or records without arrays before %zu", n);
		if (!strcmp(key, "target_routing"))
			p->routing = a;
		else if (!strcmp(key, "target_top_k"))
			p->ids = a;
		else if (!strcmp(key, "token_ids"))
			p->tokens = a;
		else if (!strcmp(key, "input_embeddings"))
			p->also = a;
		else if (!strcmp(key, "hidden_states"))
			p->hidden = a;
		else if (!strcmp(key, "layer_id") && a->ndim == 0)
			p->has_layer = array_i64(a, 0, 1, &p->layer) == 0;
	}
	for (size_t i = 0; i < l->a.nscalar; i++) {
		const struct array_scalar *s = &l->a.scalar[i];

		if (!(key = field(s->path, &n)))
			return fail(why, "%s is in no list of dicts", s->path);
		if (n >= l->n)
			return fail(why, "record %zu has no target_routing", n);
		p = &l->p[n];
		if (!strcmp(key, "layer_id") && !s->is_text)
			p->layer = s->i, p->has_layer = 1;
		else if (!strcmp(key, "synthetic") && !s->is_text)
			p->synthetic = s->i;
		else if (!strcmp(key, "dataset_name") && s->is_text)
			p->dataset = s->text;
		else if (!strcmp(key, "sample_id") && s->is_text)
			p->sample = s->text;
	}
	return 0;
}

static int
check(const struct gating_list *l, size_t i, char why[GATING_ERR])
{
	const struct point *p = &l->p[i], *first = l->p;

	if (!p->routing || !p->ids)
		return fail(why, "record %zu has no %s", i,
			    p->routing ? "target_top_k" : "target_routing");
	if (!p->has_layer || p->layer < 0)
		return fail(why, "record %zu: layer_id is no layer", i);
	if (p->routing->ndim != 2 || p->ids->ndim != 2 || p->ids->dim[0] != p->routing->dim[0])
		return fail(why,
			    "record %zu: target_routing and target_top_k are not [T, E] and "
			    "[T, k]",
			    i);
	if (p->routing->dim[1] != first->routing->dim[1] || p->ids->dim[1] != first->ids->dim[1])
		return fail(why, "record %zu: %llu experts, %llu picks, but %llu and %llu before",
			    i, (unsigned long long)p->routing->dim[1],
			    (unsigned long long)p->ids->dim[1],
			    (unsigned long long)first->routing->dim[1],
			    (unsigned long long)first->ids->dim[1]);
	if (p->routing->dim[1] < 2)
		return fail(why,
			    "record %zu: one expert: some versions of Transformers log the "
			    "best probability for all logits",
			    i);
	if (p->routing->dim[1] > TR_EXPERTS_MAX)
		return fail(why, "record %zu: %llu experts, at most %d are read", i,
			    (unsigned long long)p->routing->dim[1], TR_EXPERTS_MAX);
	if (!p->ids->dim[1] || p->ids->dim[1] > p->routing->dim[1])
		return fail(why, "record %zu: %llu picks of %llu experts", i,
			    (unsigned long long)p->ids->dim[1],
			    (unsigned long long)p->routing->dim[1]);
	return 0;
}

/* Where each first pick is 0 no router was logged. */
static int
all_zero(struct gating_list *l, char why[GATING_ERR])
{
	struct gating g;
	uint64_t rows = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (gating_get(l, i, &g, why) < 0)
			return -1;
		for (uint64_t r = 0; r < g.rows; r++)
			if (g.ids[r * g.topk])
				return 0;
		rows += g.rows;
	}
	return rows < 2 ? 0
			: fail(why, "each first pick is expert 0: some versions of Transformers "
				    "log the best probability for all logits");
}

struct gating_list *
gating_read(const unsigned char *p, size_t n, char why[GATING_ERR])
{
	const struct array_opts o = {.records = 1};
	struct gating_list *l = calloc(1, sizeof *l);
	int bad;

	if (!l) {
		fail(why, "no memory");
		return NULL;
	}
	if ((bad = pickle_read(&l->a, p, n, &o)))
		fail(why, "%s", l->a.err);
	bad = bad || sort_out(l, why);
	if (!bad && !l->n)
		bad = fail(why, "no list of GatingDataPoints");
	for (size_t i = 0; i < l->n && !bad; i++)
		bad = check(l, i, why);
	if (!bad && !all_zero(l, why))
		return l;
	gating_free(l);
	return NULL;
}

static int
room(void *p, uint64_t n, size_t size)
{
	void **to = p;
	size_t bytes;

	free(*to);
	*to = NULL;
	return size_mul(n, size, &bytes) < 0 || !(*to = malloc(bytes + 1)) ? -1 : 0;
}

int
gating_get(struct gating_list *l, size_t i, struct gating *g, char why[GATING_ERR])
{
	const struct point *p = &l->p[i];
	const struct array *t = p->tokens ? p->tokens : p->also;
	const uint64_t T = p->routing->dim[0], E = p->routing->dim[1], k = p->ids->dim[1];

	*g = (struct gating){.layer = (uint64_t)p->layer,
			     .rows = T,
			     .experts = E,
			     .topk = k,
			     .synthetic = p->synthetic == 1,
			     .dataset = p->dataset ? p->dataset : "",
			     .sample = p->sample ? p->sample : ""};
	if (room(&l->routing, T * E, sizeof *l->routing) || room(&l->ids, T * k, sizeof *l->ids))
		return fail(why, "no memory");
	if (array_f32(p->routing, 0, T, l->routing) || array_i64(p->ids, 0, T, l->ids))
		return fail(why, "record %zu: target_routing or target_top_k hold no such numbers",
			    i);
	for (uint64_t n = 0; n < T * k; n++)
		if (l->ids[n] < -1 || l->ids[n] >= (int64_t)E)
			return fail(why, "record %zu: pick %lld of %llu experts", i,
				    (long long)l->ids[n], (unsigned long long)E);
	g->routing = l->routing;
	g->ids = l->ids;
	if (t && t->ndim == 1 && t->dim[0] == T) {
		if (room(&l->tokens, T, sizeof *l->tokens))
			return fail(why, "no memory");
		if (array_i64(t, 0, T, l->tokens))
			return fail(why, "record %zu: token_ids hold no integers", i);
		g->tokens = l->tokens;
	}
	if (p->hidden && p->hidden->ndim == 2 && p->hidden->dim[0] == T && p->hidden->dim[1]) {
		g->d = p->hidden->dim[1];
		if (room(&l->hidden, T * g->d, sizeof *l->hidden))
			return fail(why, "no memory");
		if (array_f32(p->hidden, 0, T, l->hidden))
			return fail(why, "record %zu: hidden_states hold no numbers", i);
		g->hidden = l->hidden;
	}
	return 0;
}

/* ---- writing ---- */

/* Memo places. */
enum { RECONSTRUCT, NDARRAY, NAME_B, F4, I8, KEYS };

static unsigned char *
more(struct gating_out *o, size_t n)
{
	if (o->cap - o->n < n) {
		void *q = realloc(o->p, o->n + n + o->cap);

		if (!q)
			return NULL;
		o->p = q;
		o->cap += o->n + n;
	}
	o->n += n;
	return o->p + o->n - n;
}

static int
bytes(struct gating_out *o, const void *p, size_t n)
{
	unsigned char *to = more(o, n);

	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	return 0;
}
#define TEXT(o, s) bytes(o, s, sizeof(s) - 1)

static int
number(struct gating_out *o, int op, uint64_t x, size_t width)
{
	unsigned char s[9] = {(unsigned char)op};

	for (size_t i = 0; i < width; i++)
		s[1 + i] = (unsigned char)(x >> 8 * i);
	return bytes(o, s, 1 + width);
}

static int
integer(struct gating_out *o, uint64_t n)
{
	if (n <= INT32_MAX)
		return number(o, 'J', n, 4);
	return bytes(o, "\212\10", 2) || number(o, (int)(n & 0xff), n >> 8, 7) ? -1 : 0;
}

static int
string(struct gating_out *o, const char *s)
{
	const size_t n = strlen(s);

	return number(o, 'X', n, 4) || bytes(o, s, n) ? -1 : 0;
}

/* What is written once and then fetched from the memo: 1 where it is still to be written. */
static int
once(struct gating_out *o, int place, int *bad)
{
	if (o->memo >> place & 1) {
		*bad = number(o, 'h', (uint64_t)place, 1);
		return 0;
	}
	o->memo |= (uint64_t)1 << place;
	return 1;
}

static int
global(struct gating_out *o, int place, const char *text)
{
	int bad = 0;

	if (once(o, place, &bad))
		bad = bytes(o, text, strlen(text)) || number(o, 'q', (uint64_t)place, 1);
	return bad;
}

static int
key(struct gating_out *o, int place, const char *name)
{
	int bad = 0;

	if (once(o, place, &bad))
		bad = string(o, name) || number(o, 'q', (uint64_t)place, 1);
	return bad;
}

static int
dtype(struct gating_out *o, int place)
{
	int bad = 0;

	if (once(o, place, &bad))
		bad = TEXT(o, "cnumpy\ndtype\nX\2\0\0\0") ||
		      bytes(o, place == F4 ? "f4" : "i8", 2) ||
		      TEXT(o, "\211\210\207R(K\3X\1\0\0\0<"
			      "NNNJ\377\377\377\377J\377\377\377\377K\0tb") ||
		      number(o, 'q', (uint64_t)place, 1);
	return bad;
}

/* An array [rows][width], or [rows] where width is 0; of f32 or i64 by place of its dtype. */
static int
array(struct gating_out *o, int type, const void *p, uint64_t rows, uint64_t width)
{
	const size_t size = type == F4 ? 4 : 8;
	const uint64_t n = rows * (width ? width : 1);
	unsigned char *to;

	if (global(o, RECONSTRUCT, "cnumpy.core.multiarray\n_reconstruct\n") ||
	    global(o, NDARRAY, "cnumpy\nndarray\n") || TEXT(o, "K\0\205") ||
	    (o->memo >> NAME_B & 1 ? number(o, 'h', NAME_B, 1)
				   : TEXT(o, "C\1b") || number(o, 'q', NAME_B, 1)) ||
	    TEXT(o, "\207R(K\1") || integer(o, rows) || (width && integer(o, width)) ||
	    bytes(o, width ? "\206" : "\205", 1) || dtype(o, type) || TEXT(o, "\211"))
		return -1;
	o->memo |= (uint64_t)1 << NAME_B;
	if (n * size > UINT32_MAX ? number(o, 0x8e, n * size, 8) : number(o, 'B', n * size, 4))
		return -1;
	if (!(to = more(o, n * size)))
		return -1;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (n)
		memcpy(to, p, n * size);
	return TEXT(o, "tb");
#endif
	for (uint64_t i = 0; i < n; i++) {
		uint64_t u = 0;
		uint32_t f;

		if (type == F4)
			memcpy(&f, (const float *)p + i, 4), u = f;
		else
			memcpy(&u, (const int64_t *)p + i, 8);
		for (size_t b = 0; b < size; b++)
			*to++ = (unsigned char)(u >> 8 * b);
	}
	return TEXT(o, "tb");
}

static int
tokens(struct gating_out *o, const struct gating *g)
{
	return g->tokens ? array(o, I8, g->tokens, g->rows, 0) : TEXT(o, "N");
}

int
gating_put(struct gating_out *o, const struct gating *g)
{
	if (!o->begun && TEXT(o, "\200\4]"))
		return -1;
	o->begun = 1;
	if (TEXT(o, "}(") || key(o, KEYS, "layer_id") || integer(o, g->layer) ||
	    key(o, KEYS + 1, "hidden_states") ||
	    (g->d ? array(o, F4, g->hidden, g->rows, g->d) : TEXT(o, "N")) ||
	    key(o, KEYS + 2, "input_embeddings") || tokens(o, g) ||
	    key(o, KEYS + 3, "target_routing") || array(o, F4, g->routing, g->rows, g->experts) ||
	    key(o, KEYS + 4, "target_top_k") || array(o, I8, g->ids, g->rows, g->topk) ||
	    key(o, KEYS + 5, "prev_layer_gates") || TEXT(o, "]") ||
	    key(o, KEYS + 6, "sequence_length") || integer(o, g->rows) ||
	    key(o, KEYS + 7, "token_ids") || tokens(o, g) || key(o, KEYS + 8, "dataset_name") ||
	    string(o, g->dataset) || key(o, KEYS + 9, "sample_id") || string(o, g->sample) ||
	    (g->synthetic && (key(o, KEYS + 10, "synthetic") || TEXT(o, "\210"))))
		return -1;
	return TEXT(o, "ua");
}

int
gating_end(struct gating_out *o)
{
	return o->begun ? TEXT(o, ".") : TEXT(o, "\200\4].");
}

void
gating_out_free(struct gating_out *o)
{
	free(o->p);
	*o = (struct gating_out){0};
}
