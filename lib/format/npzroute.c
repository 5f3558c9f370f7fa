/*
 * Routing in NPZ files, see npzroute.h.
 *
 * The array lies token by token; a frame wants it layer by layer.  So a few tokens
 * at a time are narrowed to the type of the column, which vectorizes, and the runs
 * of k are dealt out from there while they are in the first cache.
 */
#include "npzroute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "num.h"
#include "size.h"
#include "zip.h"

enum { CHUNK = 128, BLOCK = 8192 }; /* values of a vectorized step, and of a block */

/* As they lie in the file: a member of a zip is not aligned. */
typedef int8_t in_i8 __attribute__((may_alias));
typedef int16_t in_i16 __attribute__((may_alias, aligned(1)));
typedef int32_t in_i32 __attribute__((may_alias, aligned(1)));
typedef int64_t in_i64 __attribute__((may_alias, aligned(1)));
typedef uint8_t in_u8 __attribute__((may_alias));
typedef uint16_t in_u16 __attribute__((may_alias, aligned(1)));
typedef uint32_t in_u32 __attribute__((may_alias, aligned(1)));

/* n values narrowed, negative ones to all ones; the greatest + 1, 0 if all are negative.
 * The compiler makes vectors of a loop whose length it knows. */
#define NARROW(NAME, IN, WORK, LEAST, OUT, EXPR)                                     \
	static uint64_t NAME(const void *restrict from, size_t n, void *restrict to) \
	{                                                                            \
		const IN *p = from;                                                  \
		OUT *q = to;                                                         \
		WORK best = LEAST;                                                   \
		size_t i = 0;                                                        \
                                                                                     \
		for (; i < n && n >= CHUNK; i += CHUNK) {                            \
			i = MIN(i, n - CHUNK); /* the last overlaps */               \
			for (int j = 0; j < CHUNK; j++) {                            \
				WORK x = (WORK)p[i + (size_t)j];                     \
                                                                                     \
				best = x > best ? x : best;                          \
			}                                                            \
			for (int j = 0; j < CHUNK; j++) {                            \
				WORK x = (WORK)p[i + (size_t)j];                     \
                                                                                     \
				q[i + (size_t)j] = (OUT)(EXPR);                      \
			}                                                            \
		}                                                                    \
		for (; i < n; i++) {                                                 \
			WORK x = (WORK)p[i];                                         \
                                                                                     \
			best = MAX(best, x);                                         \
			q[i] = (OUT)(EXPR);                                          \
		}                                                                    \
		return (uint64_t)best + 1;                                           \
	}
/* The greatest of n values + 1, 0 if all are negative. */
#define MOST(NAME, IN, WORK, LEAST)                               \
	static uint64_t NAME(const void *restrict from, size_t n) \
	{                                                         \
		const IN *p = from;                               \
		WORK best = LEAST;                                \
		size_t i = 0;                                     \
                                                                  \
		for (; i + CHUNK <= n; i += CHUNK)                \
			for (int j = 0; j < CHUNK; j++) {         \
				WORK x = (WORK)p[i + (size_t)j];  \
                                                                  \
				best = x > best ? x : best;       \
			}                                         \
		for (; i < n; i++)                                \
			best = MAX(best, (WORK)p[i]);             \
		return (uint64_t)best + 1;                        \
	}
#define SIGNED(BITS)                                                                          \
	NARROW(i##BITS##_u8, in_i##BITS, int##BITS##_t, -1, uint8_t, x | (x >> (BITS - 1)))   \
	NARROW(i##BITS##_u16, in_i##BITS, int##BITS##_t, -1, uint16_t, x | (x >> (BITS - 1))) \
	MOST(i##BITS##_most, in_i##BITS, int##BITS##_t, -1)
#define UNSIGNED(BITS)                                                    \
	NARROW(u##BITS##_u8, in_u##BITS, uint##BITS##_t, 0, uint8_t, x)   \
	NARROW(u##BITS##_u16, in_u##BITS, uint##BITS##_t, 0, uint16_t, x) \
	MOST(u##BITS##_most, in_u##BITS, uint##BITS##_t, 0)
SIGNED(8)
SIGNED(16)
SIGNED(32)
SIGNED(64)
UNSIGNED(8)
UNSIGNED(16)
UNSIGNED(32)

typedef uint64_t narrow(const void *restrict from, size_t n, void *restrict to);

static narrow *
narrower(const struct npzroute *r, int wide)
{
	switch (r->fast ? r->ids->type : ARRAY_I64) {
	case ARRAY_I8:
		return wide ? i8_u16 : i8_u8;
	case ARRAY_I16:
		return wide ? i16_u16 : i16_u8;
	case ARRAY_I32:
		return wide ? i32_u16 : i32_u8;
	case ARRAY_U8:
		return wide ? u8_u16 : u8_u8;
	case ARRAY_U16:
		return wide ? u16_u16 : u16_u8;
	case ARRAY_U32:
		return wide ? u32_u16 : u32_u8;
	default:
		return wide ? i64_u16 : i64_u8;
	}
}

/* ---- opening ---- */

/* Member name of the zip, if it is there: 1, 0, -1. */
static int
member(struct npzroute *r, const struct zip *z, const char *name, const unsigned char **p,
       size_t *n, const struct array_opts *o)
{
	char file[64];
	const struct zip_entry *e;
	void *mem;

	snprintf(file, sizeof file, "%s.npy", name);
	if (!(e = zip_find(z, file)))
		return 0;
	if (zip_read(z, e, o->no_crc, p, &mem, r->l.err) < 0)
		return -1;
	*n = e->size;
	if (mem && array_own(&r->l, mem) < 0) {
		free(mem);
		return array_err(&r->l, "no memory");
	}
	return 1;
}

static int
number(const struct array *a)
{
	return a->type <= ARRAY_I64 && a->type != ARRAY_BOOL;
}

static int
request(struct npzroute *r, const unsigned char *p, size_t n, const struct array_opts *o)
{
	const struct array *a;
	struct array one;
	uint64_t u;
	int64_t i;
	double d;
	int got = npy_text(&r->l, "request_id", p, n, r->request, sizeof r->request);

	if (got < 0)
		return -1;
	if (got) {
		r->named = num_u64(r->request, 0, INT64_MAX, &u) < 0;
		if (!r->named)
			snprintf(r->request, sizeof r->request, "%llu", (unsigned long long)u);
		return 0;
	}
	if (npy_read(&r->l, "request_id", p, n, o) < 0)
		return -1;
	if (!(a = array_find(&r->l, "request_id"))) /* None */
		return 0;
	if (array_count(a) != 1)
		return array_err(&r->l, "request_id: %llu elements, one is expected",
				 (unsigned long long)array_count(a));
	one = *a;
	one.ndim = 0;
	if (number(a) ? array_i64(&one, 0, 1, &i) < 0
		      : array_f64(&one, 0, 1, &d) < 0 || !(d > -0x1p63 && d < 0x1p63))
		return array_err(&r->l, "request_id: not a number that can be one");
	snprintf(r->request, sizeof r->request, "%lld", (long long)(number(a) ? i : (int64_t)d));
	return 0;
}

static int
none(struct npzroute *r, const char *why)
{
	array_err(&r->l, "routed_experts: %s", why);
	return 0;
}

int
npzroute_open(struct npzroute *r, const unsigned char *p, size_t n, const struct array_opts *o)
{
	static const char *const names[] = {"prompt_token_ids", "output_token_ids"};
	const unsigned char *q;
	struct zip z = {0};
	uint64_t step = 1;
	int got = 1;
	size_t len;

	memset(r, 0, sizeof *r);
	switch (array_sniff(p, n, r->l.err)) {
	case ARRAY_NPY:
		if (npy_read(&r->l, "routed_experts", p, n, o) < 0)
			return -1;
		break;
	case ARRAY_NPZ:
		if (zip_open(&z, p, n, o->max_bytes) < 0) {
			array_err(&r->l, "%s", z.err);
			got = -1;
		} else {
			got = member(r, &z, "routed_experts", &q, &len, o);
		}
		if (got > 0 && npy_read(&r->l, "routed_experts", q, len, o) < 0)
			got = -1;
		for (int i = 0; i < 2 && got > 0; i++) {
			int has = member(r, &z, names[i], &q, &len, o);

			if (has < 0 || (has && npy_read(&r->l, names[i], q, len, o) < 0))
				got = -1;
		}
		if (got > 0) {
			int has = member(r, &z, "request_id", &q, &len, o);

			if (has < 0 || (has && request(r, q, len, o) < 0))
				got = -1;
		}
		zip_free(&z);
		if (got < 0)
			return -1;
		if (!got)
			return none(r, "there is no such member");
		break;
	case ARRAY_UNKNOWN:
		return -1;
	default:
		return array_err(&r->l, "no NPZ or NPY file: pt2trace reads it");
	}
	for (int i = 0; i < 2; i++) {
		const struct array *a = r->tok[i] = array_find(&r->l, names[i]);

		if (a && (a->ndim != 1 || !number(a)))
			return array_err(&r->l, "%s: not one row of integers", names[i]);
		r->ntok[i] = a ? a->dim[0] : 0;
	}
	if (!(r->ids = array_find(&r->l, "routed_experts")))
		return none(r, "it is None");
	if (r->ids->ndim == 2)
		return none(r, "a matrix: --count -k N reads counts of layers x experts");
	if (r->ids->ndim != 3)
		return none(r, "not an array of tokens, layers and picks");
	if (!array_count(r->ids))
		return none(r, "it is empty");
	if (!number(r->ids))
		return array_err(&r->l, "routed_experts: %s are no integers", r->ids->dtype);
	r->tokens = r->ids->dim[0];
	r->layers = r->ids->dim[1];
	r->k = r->ids->dim[2];
	if (r->layers > 65536 || r->k > 4096)
		return array_err(&r->l, "routed_experts: %llu layers, %llu picks are too many",
				 (unsigned long long)r->layers, (unsigned long long)r->k);
	/* u64 goes through i64, where all ones are refused. */
	r->fast = !r->ids->swap && r->ids->type != ARRAY_U64;
	for (int i = 3; i-- > 0; step *= r->ids->dim[i])
		if (r->ids->dim[i] > 1 && r->ids->stride[i] != step)
			r->fast = 0;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	r->fast = r->ids->size == 1;
#endif
	return 1;
}

void
npzroute_close(struct npzroute *r)
{
	array_free(&r->l);
	r->ids = r->tok[0] = r->tok[1] = NULL;
}

/* ---- ids ---- */

struct block {
	uint64_t row;   /* values of a token */
	uint64_t at, n; /* those of them that are wanted */
	uint64_t tokens;
	int64_t *values; /* where they do not lie as they should; NULL */
	uint16_t *narrowed;
};

static int
block_open(struct block *b, const struct npzroute *r, uint32_t first, uint32_t last)
{
	b->row = r->layers * r->k;
	b->at = first * r->k;
	b->n = (last - first + 1) * r->k;
	b->tokens = MAX(BLOCK / b->n, 1u);
	b->values = r->fast ? NULL : malloc(b->tokens * b->row * sizeof *b->values);
	b->narrowed = malloc(b->tokens * b->n * sizeof *b->narrowed);
	return b->narrowed && (r->fast || b->values) ? 0 : -1;
}

static void
block_close(struct block *b)
{
	free(b->values);
	free(b->narrowed);
}

/* What is wanted of n tokens from first, narrowed; the greatest id + 1. */
static uint64_t
block_read(struct block *b, const struct npzroute *r, uint64_t first, uint64_t n, int wide)
{
	narrow *f = narrower(r, wide);
	const unsigned char *p = r->ids->data;
	size_t size = r->ids->size;
	uint64_t max = 0;

	if (r->fast) {
		p += first * b->row * size;
	} else {
		if (array_i64(r->ids, first, n, b->values) < 0) /* a u64 that i64 does not hold */
			return UINT64_MAX;
		p = (const unsigned char *)b->values;
		size = sizeof *b->values;
	}
	if (b->n == b->row)
		return f(p, n * b->row, b->narrowed);
	for (uint64_t t = 0; t < n; t++) {
		/* strides defeat the processor's own guess */
		for (size_t i = 0; i < b->n * size; i += 64)
			__builtin_prefetch(p + ((t + 16) * b->row + b->at) * size + i);
		uint64_t m = f(p + (t * b->row + b->at) * size, b->n,
			       (unsigned char *)b->narrowed + t * b->n * (wide ? 2 : 1));

		max = MAX(max, m);
	}
	return max;
}

uint64_t
npzroute_limit(const struct npzroute *r)
{
	struct block b;
	uint64_t max = 0;

	if (r->fast) {
		const unsigned char *p = r->ids->data;
		size_t n = r->tokens * r->layers * r->k;

		switch (r->ids->type) {
		case ARRAY_I8:
			return i8_most(p, n);
		case ARRAY_I16:
			return i16_most(p, n);
		case ARRAY_I32:
			return i32_most(p, n);
		case ARRAY_U8:
			return u8_most(p, n);
		case ARRAY_U16:
			return u16_most(p, n);
		case ARRAY_U32:
			return u32_most(p, n);
		default:
			return i64_most(p, n);
		}
	}
	if (block_open(&b, r, 0, (uint32_t)r->layers - 1) < 0)
		max = UINT64_MAX;
	for (uint64_t t = 0; t < r->tokens && max < UINT64_MAX; t += b.tokens)
		max = MAX(max, block_read(&b, r, t, MIN(b.tokens, r->tokens - t), 0));
	block_close(&b);
	return max;
}

/* n runs of that many bytes, every from bytes apart, one after the other. */
static void
deal(unsigned char *restrict to, const unsigned char *restrict from, uint64_t n, size_t step,
     size_t bytes)
{
	switch (bytes) { /* a length that is known is a move, not a call */
	case 4:
		for (uint64_t t = 0; t < n; t++)
			memcpy(to + t * 4, from + t * step, 4);
		return;
	case 8:
		for (uint64_t t = 0; t < n; t++)
			memcpy(to + t * 8, from + t * step, 8);
		return;
	case 12:
		for (uint64_t t = 0; t < n; t++)
			memcpy(to + t * 12, from + t * step, 12);
		return;
	case 16:
		for (uint64_t t = 0; t < n; t++)
			memcpy(to + t * 16, from + t * step, 16);
		return;
	default:
		for (uint64_t t = 0; t < n; t++)
			memcpy(to + t * bytes, from + t * step, bytes);
	}
}

/* Name the first id of the tokens that is too large. */
static void
say_which(const struct npzroute *r, const struct block *b, uint64_t first, uint64_t n,
	  uint64_t experts, char err[ARRAY_ERR])
{
	int64_t *v = malloc(b->row * sizeof *v);

	snprintf(err, ARRAY_ERR, "routed_experts: no memory");
	for (uint64_t t = first; v && t < first + n; t++) {
		int too_large = array_i64(r->ids, t, 1, v) < 0;
		uint64_t i = b->at, row = b->at + b->n;

		while (!too_large && i < row && (v[i] < 0 || (uint64_t)v[i] < experts))
			i++;
		if (too_large)
			snprintf(err, ARRAY_ERR, "routed_experts: token %llu: an id above 2^63",
				 (unsigned long long)t);
		else if (i < row)
			snprintf(err, ARRAY_ERR,
				 "routed_experts: token %llu, layer %llu of the axis, slot %llu: "
				 "expert %lld, there are %llu",
				 (unsigned long long)t, (unsigned long long)(i / r->k),
				 (unsigned long long)(i % r->k), (long long)v[i],
				 (unsigned long long)experts);
		if (too_large || i < row)
			break;
	}
	free(v);
}

int
npzroute_ids(const struct npzroute *r, uint64_t first, uint64_t n, const uint32_t *layer,
	     uint32_t nlayer, uint64_t experts, void *to, size_t step, char err[ARRAY_ERR])
{
	int wide = experts > 255;
	size_t bytes = r->k * (wide ? 2 : 1);
	struct block b;
	int rc = 0;

	if (block_open(&b, r, layer[0], layer[nlayer - 1]) < 0) {
		snprintf(err, ARRAY_ERR, "no memory");
		block_close(&b);
		return -1;
	}
	for (uint64_t t = 0; t < n && !rc; t += b.tokens) {
		uint64_t m = MIN(b.tokens, n - t);

		if (block_read(&b, r, first + t, m, wide) > experts) {
			say_which(r, &b, first + t, m, experts, err);
			rc = -1;
		}
		for (uint32_t i = 0; i < nlayer && !rc; i++)
			deal((unsigned char *)to + i * step + t * bytes,
			     (const unsigned char *)b.narrowed + (layer[i] - layer[0]) * bytes, m,
			     b.n / r->k * bytes, bytes);
	}
	block_close(&b);
	return rc;
}
