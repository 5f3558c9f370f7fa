/* Bytes that grow: zero it, free p. */
#ifndef TOKEN_BYTES_H
#define TOKEN_BYTES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	char *p; /* n bytes, no NUL */
	size_t n, cap;
};

/* Part of such bytes. */
struct span {
	size_t at, n;
};

struct spans {
	struct span *v;
	size_t n, cap;
};

/* Room for n elements of size behind the first n0: 0, or -1 no memory. */
int bytes_grow(void *p, size_t *cap, size_t n0, size_t n, size_t size);

static inline int
bytes_room(struct bytes *b, size_t n)
{
	return b->cap - b->n >= n ? 0 : bytes_grow(&b->p, &b->cap, b->n, n, 1);
}

static inline int
bytes_put(struct bytes *b, const char *p, size_t n)
{
	if (bytes_room(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

/* Add a span, unless it is empty: 0, or -1 no memory. */
static inline int
spans_put(struct spans *s, size_t at, size_t n)
{
	if (!n)
		return 0;
	if (s->n == s->cap && bytes_grow(&s->v, &s->cap, s->n, 1, sizeof *s->v) < 0)
		return -1;
	s->v[s->n++] = (struct span){at, n};
	return 0;
}

#endif
