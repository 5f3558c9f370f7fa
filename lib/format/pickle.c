/*
 * The machine of pt-format, sections 4 to 9: a stack of tagged values, marks and
 * a memo.  REDUCE and BUILD look up a fixed table; nothing is ever called.
 * All storage stays a view into the input.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"
#include "picklestate.h"
#include "size.h"

int
pk_fail(struct pickle *m, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return array_err(m->c->l, "%s%soffset %zu: %s", m->c->entry, *m->c->entry ? ": " : "",
			 m->op, text);
}

int
pk_grow(void **p, uint32_t n, uint32_t *cap, size_t size, uint32_t limit)
{
	uint32_t want;
	void *q;

	if (n < *cap)
		return 0;
	if (n >= limit)
		return -1;
	want = *cap ? *cap * 2 : 16;
	if (want > limit)
		want = limit;
	if (!(q = realloc(*p, want * size)))
		return -1;
	*p = q;
	*cap = want;
	return 0;
}

int
pk_push(struct pickle *m, uint32_t v)
{
	if (pk_grow((void **)&m->stack, m->nstack, &m->capstack, sizeof *m->stack,
		    pk_tables(m) ? TABLE_STACK : pk_limit(m, MAX_VALUES, 4)))
		return pk_fail(m, "the stack is too deep");
	m->stack[m->nstack++] = v;
	return 0;
}

struct value *
pk_make(struct pickle *m, enum tag tag)
{
	struct value *v;

	if (pk_grow((void **)&m->v, m->nv, &m->capv, sizeof *m->v, pk_limit(m, MAX_VALUES, 4))) {
		pk_fail(m, "more than %u values", pk_limit(m, MAX_VALUES, 4));
		return NULL;
	}
	v = &m->v[m->nv];
	memset(v, 0, sizeof *v);
	v->tag = tag;
	return pk_push(m, m->nv++) ? NULL : v;
}

int
pk_make_int(struct pickle *m, enum tag tag, int64_t i)
{
	struct value *v = pk_make(m, tag);

	if (!v)
		return -1;
	v->u.i = i;
	return 0;
}

int
pk_make_bytes(struct pickle *m, enum tag tag, const unsigned char *p, size_t n)
{
	struct value *v = pk_make(m, tag);

	if (!v)
		return -1;
	v->u.s.p = p;
	v->u.s.n = n;
	return 0;
}

/* Places of the stack above the last mark are the program's own. */
static uint32_t
floor_of(const struct pickle *m)
{
	return m->nmark ? m->mark[m->nmark - 1] : 0;
}

int
pk_pop(struct pickle *m, uint32_t *v)
{
	if (m->nstack <= floor_of(m))
		return pk_fail(m, "the stack is empty");
	*v = m->stack[--m->nstack];
	return 0;
}

int
pk_top(struct pickle *m, uint32_t *v)
{
	if (m->nstack <= floor_of(m))
		return pk_fail(m, "the stack is empty");
	*v = m->stack[m->nstack - 1];
	return 0;
}

/* Take the mark off: *from is the first place above it. */
static int
unmark(struct pickle *m, uint32_t *from)
{
	if (!m->nmark)
		return pk_fail(m, "no mark");
	*from = m->mark[--m->nmark];
	return 0;
}

static int
append(struct pickle *m, uint32_t c, const uint32_t *v, uint32_t n)
{
	struct value *w = &m->v[c];
	uint64_t need = (uint64_t)w->u.c.n + n;

	m->items += n;
	if (m->items > pk_limit(m, MAX_ITEMS, 4))
		return pk_fail(m, "more than %u items", pk_limit(m, MAX_ITEMS, 4));
	if (need > w->u.c.cap) {
		uint64_t cap = MAX(need, (uint64_t)w->u.c.cap * 2);
		uint32_t *q = realloc(w->u.c.v, cap * sizeof *q);

		if (!q)
			return pk_fail(m, "no memory");
		w->u.c.v = q;
		w->u.c.cap = (uint32_t)cap;
	}
	if (n)
		memcpy(w->u.c.v + w->u.c.n, v, n * sizeof *v);
	w->u.c.n = (uint32_t)need;
	return 0;
}

/* The n topmost values become one container. */
static int
gather(struct pickle *m, enum tag tag, uint32_t from)
{
	uint32_t n = m->nstack - from, c;

	if (tag == V_DICT && n % 2)
		return pk_fail(m, "a key without a value");
	if (!pk_make(m, tag))
		return -1;
	c = m->stack[--m->nstack];
	if (append(m, c, m->stack + from, n))
		return -1;
	m->nstack = from;
	return pk_push(m, c);
}

static int
tuple(struct pickle *m, uint32_t n)
{
	if (m->nstack - floor_of(m) < n)
		return pk_fail(m, "the stack is empty");
	return gather(m, V_TUPLE, m->nstack - n);
}

static int
need(struct pickle *m, uint64_t n)
{
	return n <= m->n - m->at ? 0 : pk_fail(m, "the pickle ends inside an instruction");
}

static uint64_t
le(const unsigned char *p, int n)
{
	uint64_t x = 0;

	while (n--)
		x = x << 8 | p[n];
	return x;
}

static int
take(struct pickle *m, int n, uint64_t *x)
{
	if (need(m, (uint64_t)n))
		return -1;
	*x = le(m->p + m->at, n);
	m->at += (size_t)n;
	return 0;
}

/* A string behind its length of width bytes. */
static int
counted(struct pickle *m, enum tag tag, int width)
{
	const unsigned char *p;
	uint64_t n;

	if (take(m, width, &n) || need(m, n))
		return -1;
	p = m->p + m->at;
	m->at += n;
	return pk_make_bytes(m, tag, p, n);
}

static int
line(struct pickle *m, const unsigned char **s, size_t *n)
{
	const unsigned char *e = memchr(m->p + m->at, '\n', m->n - m->at);

	if (!e)
		return pk_fail(m, "a line without an end");
	*s = m->p + m->at;
	*n = (size_t)(e - *s);
	m->at += *n + 1;
	return 0;
}

/* INT and LONG in decimal; 00 and 01 of INT are bools. */
static int
text_int(struct pickle *m, int is_int)
{
	const unsigned char *s;
	size_t n, i = 0;
	uint64_t x = 0;
	int neg;

	if (line(m, &s, &n))
		return -1;
	if (is_int && n == 2 && s[0] == '0' && (s[1] == '0' || s[1] == '1'))
		return pk_make_int(m, V_BOOL, s[1] - '0');
	if (!is_int && n && s[n - 1] == 'L')
		n--;
	neg = n && s[0] == '-';
	if (neg)
		i++;
	if (i == n || n - i > 18)
		return pk_fail(m, "a number that is no 64-bit integer");
	for (; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return pk_fail(m, "a number that is no integer");
		x = x * 10 + (s[i] - '0');
	}
	return pk_make_int(m, V_INT, neg ? -(int64_t)x : (int64_t)x);
}

static int
long1(struct pickle *m)
{
	const unsigned char *p;
	uint64_t n, x;

	if (take(m, 1, &n) || need(m, n))
		return -1;
	p = m->p + m->at;
	m->at += n;
	if (n > 8)
		return pk_make_bytes(m, V_BIG, p, n);
	x = le(p, (int)n);
	if (n && n < 8 && p[n - 1] & 0x80)
		x |= ~(uint64_t)0 << 8 * n;
	return pk_make_int(m, V_INT, (int64_t)x);
}

static int
memoize(struct pickle *m, uint64_t i)
{
	uint32_t v, cap;
	uint32_t *q;

	if (pk_top(m, &v))
		return -1;
	if (i >= (pk_tables(m) ? TABLE_MEMO : pk_limit(m, MAX_VALUES, 4)))
		return pk_fail(m, "memo place %llu is too high", (unsigned long long)i);
	if (i >= m->capmemo) {
		cap = MAX((uint32_t)i + 1, m->capmemo * 2);
		cap = MIN(MAX(cap, 64u), pk_limit(m, MAX_VALUES, 4));
		if (!(q = realloc(m->memo, cap * sizeof *q)))
			return pk_fail(m, "no memory");
		memset(q + m->capmemo, 0, (cap - m->capmemo) * sizeof *q);
		m->memo = q;
		m->capmemo = cap;
	}
	if (!m->memo[i])
		m->nmemo++;
	m->memo[i] = v + 1;
	return 0;
}

static int
recall(struct pickle *m, uint64_t i)
{
	if (i >= m->capmemo || !m->memo[i])
		return pk_fail(m, "memo place %llu was never set", (unsigned long long)i);
	return pk_push(m, m->memo[i] - 1);
}

static int
set_items(struct pickle *m, uint32_t from)
{
	uint32_t d, n = m->nstack - from;

	if (from <= floor_of(m))
		return pk_fail(m, "the stack is empty");
	d = m->stack[from - 1];
	if (m->v[d].tag != V_DICT)
		return pk_fail(m, "items for something that is no dict");
	if (n % 2)
		return pk_fail(m, "a key without a value");
	if (append(m, d, m->stack + from, n))
		return -1;
	m->nstack = from;
	return 0;
}

static int
appends(struct pickle *m, uint32_t from, enum tag tag)
{
	uint32_t c;

	if (from <= floor_of(m))
		return pk_fail(m, "the stack is empty");
	c = m->stack[from - 1];
	if (m->v[c].tag != tag)
		return pk_fail(m, "items for something that holds none");
	if (tag == V_LIST && append(m, c, m->stack + from, m->nstack - from))
		return -1;
	m->nstack = from;
	return 0;
}

static int
stack_global(struct pickle *m)
{
	const struct value *a, *b;
	uint32_t i, j;

	if (pk_pop(m, &i) || pk_pop(m, &j))
		return -1;
	a = &m->v[j];
	b = &m->v[i];
	if (a->tag != V_STR || b->tag != V_STR)
		return pk_fail(m, "a global whose name is no text");
	return pk_global(m, a->u.s.p, a->u.s.n, b->u.s.p, b->u.s.n);
}

static int
step(struct pickle *m, int op, int *stop)
{
	const unsigned char *s, *s2;
	struct value *v;
	uint32_t i, from = 0;
	uint64_t x;
	size_t n, n2;

	switch (op) {
	case '.':
		*stop = 1;
		if (m->nmark)
			return pk_fail(m, "STOP above a mark");
		return pk_pop(m, &m->root);
	case '(':
		if (pk_grow((void **)&m->mark, m->nmark, &m->capmark, sizeof *m->mark,
			    pk_tables(m) ? TABLE_STACK : pk_limit(m, MAX_VALUES, 4)))
			return pk_fail(m, "too many marks");
		m->mark[m->nmark++] = m->nstack;
		return 0;
	case '0': /* POP: of a mark, if that is on top */
		if (m->nmark && m->nstack == floor_of(m))
			return unmark(m, &from);
		return pk_pop(m, &i);
	case '1':
		if (unmark(m, &from))
			return -1;
		m->nstack = from;
		return 0;
	case '2':
		return pk_top(m, &i) ? -1 : pk_push(m, i);
	case 'N':
		return pk_make(m, V_NONE) ? 0 : -1;
	case 0x88:
		return pk_make_int(m, V_BOOL, 1);
	case 0x89:
		return pk_make_int(m, V_BOOL, 0);
	case 'J':
		return take(m, 4, &x) ? -1 : pk_make_int(m, V_INT, (int32_t)x);
	case 'K':
		return take(m, 1, &x) ? -1 : pk_make_int(m, V_INT, (int64_t)x);
	case 'M':
		return take(m, 2, &x) ? -1 : pk_make_int(m, V_INT, (int64_t)x);
	case 'I':
	case 'L':
		return text_int(m, op == 'I');
	case 0x8a:
		return long1(m);
	case 'G':
		if (need(m, 8) || !(v = pk_make(m, V_FLOAT)))
			return -1;
		x = __builtin_bswap64(le(m->p + m->at, 8));
		memcpy(&v->u.f, &x, 8);
		m->at += 8;
		return 0;
	case 'X':
		return counted(m, V_STR, 4);
	case 0x8c:
		return counted(m, V_STR, 1);
	case 0x8d:
		return counted(m, V_STR, 8);
	case 'U': /* Python 2 strings are bytes of numpy, or names */
		return counted(m, V_BYTES, 1);
	case 'T':
		return counted(m, V_BYTES, 4);
	case 'C':
		return counted(m, V_BYTES, 1);
	case 'B':
		return counted(m, V_BYTES, 4);
	case 0x8e:
	case 0x96:
		return counted(m, V_BYTES, 8);
	case '}':
		return pk_make(m, V_DICT) ? 0 : -1;
	case ']':
		return pk_make(m, V_LIST) ? 0 : -1;
	case ')':
		return pk_make(m, V_TUPLE) ? 0 : -1;
	case 0x8f:
		return pk_make(m, V_OPAQUE) ? 0 : -1;
	case 0x85:
		return tuple(m, 1);
	case 0x86:
		return tuple(m, 2);
	case 0x87:
		return tuple(m, 3);
	case 't':
		return unmark(m, &from) ? -1 : gather(m, V_TUPLE, from);
	case 'l':
		return unmark(m, &from) ? -1 : gather(m, V_LIST, from);
	case 'd':
		return unmark(m, &from) ? -1 : gather(m, V_DICT, from);
	case 0x91: /* FROZENSET */
		if (unmark(m, &from))
			return -1;
		m->nstack = from;
		return pk_make(m, V_OPAQUE) ? 0 : -1;
	case 0x90: /* ADDITEMS */
		return unmark(m, &from) ? -1 : appends(m, from, V_OPAQUE);
	case 'e':
		return unmark(m, &from) ? -1 : appends(m, from, V_LIST);
	case 'a':
		if (m->nstack < floor_of(m) + 2)
			return pk_fail(m, "the stack is empty");
		return appends(m, m->nstack - 1, V_LIST);
	case 'u':
		return unmark(m, &from) ? -1 : set_items(m, from);
	case 's':
		if (m->nstack < floor_of(m) + 3)
			return pk_fail(m, "the stack is empty");
		return set_items(m, m->nstack - 2);
	case 'q':
		return take(m, 1, &x) ? -1 : memoize(m, x);
	case 'r':
		return take(m, 4, &x) ? -1 : memoize(m, x);
	case 0x94:
		return memoize(m, m->nmemo);
	case 'h':
		return take(m, 1, &x) ? -1 : recall(m, x);
	case 'j':
		return take(m, 4, &x) ? -1 : recall(m, x);
	case 'c':
		if (line(m, &s, &n) || line(m, &s2, &n2))
			return -1;
		return pk_global(m, s, n, s2, n2);
	case 0x93:
		return stack_global(m);
	case 'R':
		return pk_reduce(m);
	case 'b':
		return pk_build(m);
	case 'Q':
		return pk_persid(m);
	case 0x95:
		return take(m, 8, &x) ? -1 : need(m, x);
	case 0x80:
		return pk_fail(m, "a second protocol mark");
	default:
		return pk_fail(m, "instruction 0x%02x is not allowed", op);
	}
}

/* What tables are written with; BINFLOAT for a number beside them. */
static int
table_op(int op)
{
	static const unsigned char ops[] = {'.',  '(',  'N',  'J',  'K',  'M',  'G',  'X',  'C',
					    'B',  '}',  ')',  't',  'u',  's',  'q',  'r',  'h',
					    'j',  'c',  'R',  'b',  0x85, 0x86, 0x87, 0x88, 0x89,
					    0x8a, 0x8c, 0x8e, 0x93, 0x94, 0x95, 0x96};

	return memchr(ops, op, sizeof ops) != NULL;
}

struct pickle *
pickle_run(struct ctx *c, const unsigned char *p, size_t n, size_t *used)
{
	struct pickle *m = calloc(1, sizeof *m);
	int stop = 0;

	if (!m) {
		array_err(c->l, "no memory");
		return NULL;
	}
	m->c = c;
	m->p = p;
	m->n = n;
	if (n < 2 || p[0] != 0x80) {
		pk_fail(m, "not a pickle of protocol 2 to 5%s%s", kind_told(p, n) ? " but " : "",
			kind_told(p, n) ? kind_told(p, n) : "");
		goto bad;
	}
	if (p[1] < 2 || p[1] > 5) {
		pk_fail(m, "pickle protocol %d, only 2 to 5 are read", p[1]);
		goto bad;
	}
	m->at = 2;
	while (!stop) {
		m->op = m->at;
		if (m->at == n) {
			pk_fail(m, "the pickle ends without STOP");
			goto bad;
		}
		if (pk_tables(m) && !table_op(p[m->at])) {
			pk_fail(m, "instruction 0x%02x is not allowed", p[m->at]);
			goto bad;
		}
		if (step(m, p[m->at++], &stop))
			goto bad;
	}
	*used = m->at;
	return m;
bad:
	pickle_free(m);
	return NULL;
}

void
pickle_free(struct pickle *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->nv; i++)
		if (m->v[i].tag == V_TUPLE || m->v[i].tag == V_LIST || m->v[i].tag == V_DICT)
			free(m->v[i].u.c.v);
	free(m->v);
	free(m->stack);
	free(m->mark);
	free(m->memo);
	free(m->t);
	free(m);
}
