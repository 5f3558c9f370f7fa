/*
 * The pickle machine's inside, shared by pickle.c (the machine), picklecall.c (what
 * the globals of the table mean) and pickletree.c (what the result holds).  Functions
 * return 0, or -1 and the list's err; make returns NULL then.
 */
#ifndef PICKLESTATE_H
#define PICKLESTATE_H

#include <stdint.h>
#include <string.h>

#include "pickle.h"

enum {
	MAX_VALUES = 1000000, /* values, stack places, memo places */
	MAX_ITEMS = 4000000,  /* places in all containers */
	MAX_TENSORS = 131072,
	MAX_STEPS = 1000000, /* of the walk over the result: bounds shared values */
	MAX_DEPTH = 64,
	MAX_PATH = 1024,
	MAX_PATHS = 16 << 20, /* bytes of all paths */
	MAX_SCALARS = 65536,  /* later ones are not listed */
	TABLE_STACK = 10000,  /* of tables (router-analysis 2) */
	TABLE_MEMO = 100000,
};

enum tag {
	V_NONE,
	V_BOOL,
	V_INT,
	V_BIG,
	V_FLOAT,
	V_STR,
	V_BYTES,
	V_TUPLE,
	V_LIST,
	V_DICT,
	V_GLOBAL,
	V_STORE,
	V_TENSOR,
	V_DTYPE,
	V_OPAQUE,
};

struct value {
	uint8_t tag;
	uint8_t is_odict;
	uint8_t swap;  /* V_DTYPE */
	uint8_t type;  /* V_DTYPE: array_type */
	uint8_t plain; /* V_OPAQUE: an array that was begun and not built */
	union {
		int64_t i; /* bool, int, global (index of the table) */
		double f;
		struct {
			const unsigned char *p;
			size_t n;
		} s;
		struct {
			uint32_t *v; /* dict: key, value, key, value, ... */
			uint32_t n, cap;
		} c;
		uint32_t x; /* place in ctx->store or tensor[] */
	} u;
};

struct tensor {
	enum array_type type;
	int swap, ndim;
	uint32_t store; /* UINT32_MAX: data */
	uint32_t list;  /* object array: its element list */
	uint64_t off;
	const unsigned char *data;
	uint64_t dim[ARRAY_DIMS], stride[ARRAY_DIMS];
};

struct pickle {
	struct ctx *c;
	const unsigned char *p;
	size_t n, at, op; /* op: offset of the instruction */
	struct value *v;
	uint32_t nv, capv;
	uint32_t *stack, nstack, capstack;
	uint32_t *mark, nmark, capmark;
	uint32_t *memo, capmemo; /* value + 1 */
	uint32_t nmemo;          /* entries made: the next index of MEMOIZE */
	struct tensor *t;
	uint32_t nt, capt;
	uint64_t items;
	uint64_t decoded; /* bytes made by _codecs.encode and given to embedded files */
	uint32_t root;
	uint64_t steps;
	size_t paths;
};

struct type {
	uint32_t size; /* of an element */
	const char *name;
};
extern const struct type pk_types[]; /* by enum array_type */

/* Set the list's err to the offset and what is wrong there: -1. */
int pk_fail(struct pickle *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for one more of n elements of that size; limit is the most there may be.  It says nothing. */
int pk_grow(void **p, uint32_t n, uint32_t *cap, size_t size, uint32_t limit);

/* The stack holds places of m->v. */
int pk_push(struct pickle *m, uint32_t v);
int pk_pop(struct pickle *m, uint32_t *v);
int pk_top(struct pickle *m, uint32_t *v);
/* A new value on the stack; a pointer lives until the next is made. */
struct value *pk_make(struct pickle *m, enum tag tag);
int pk_make_int(struct pickle *m, enum tag tag, int64_t i);
int pk_make_bytes(struct pickle *m, enum tag tag, const unsigned char *p, size_t n); /* lent */

/* GLOBAL, REDUCE, BUILD and BINPERSID, the operands on the stack but for the name's. */
int pk_global(struct pickle *m, const unsigned char *mod, size_t nmod, const unsigned char *name,
	      size_t nn);
int pk_reduce(struct pickle *m);
int pk_build(struct pickle *m);
int pk_persid(struct pickle *m);

/* Only tables of numbers are read. */
static inline int
pk_tables(const struct pickle *m)
{
	return m->c->o && m->c->o->tables;
}

/* A limit, and of records one more for so many bytes of the file. */
static inline uint32_t
pk_limit(const struct pickle *m, uint32_t most, size_t bytes)
{
	const size_t more = m->c->o && m->c->o->records ? m->n / bytes : 0;

	return more < UINT32_MAX / 2 ? most + (uint32_t)more : UINT32_MAX / 2;
}

static inline const struct value *
pk_item(const struct pickle *m, const struct value *c, uint32_t i)
{
	return &m->v[c->u.c.v[i]];
}

static inline int
pk_is_str(const struct value *v, const char *s)
{
	return v->tag == V_STR && v->u.s.n == strlen(s) && !memcmp(v->u.s.p, s, v->u.s.n);
}

#endif
