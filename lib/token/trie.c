/* A double array, laid out breadth first. */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "size.h"
#include "trie.h"

enum { TRIES = 64 }; /* free places tried before a new block is begun */

struct branch {
	size_t lo, hi, depth; /* keys that share their first depth bytes */
	uint32_t node;
};

struct build {
	struct trie *t;
	uint32_t *next; /* a free place at or behind, by union and find */
	size_t cap, capnext;
	uint32_t hint;
};

static int
by_bytes(const void *a, const void *b)
{
	const struct trie_key *x = a, *y = b;
	int d = memcmp(x->p, y->p, MIN(x->n, y->n));

	if (d || x->n != y->n)
		return d ? d : x->n < y->n ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

static int
reach(struct build *b, size_t n)
{
	struct trie *t = b->t;
	size_t more = n > t->n ? n - t->n : 0;

	if (n > UINT32_MAX / 2 ||
	    (n > b->cap && bytes_grow(&t->node, &b->cap, t->n, more, sizeof *t->node) < 0) ||
	    (n + 1 > b->capnext &&
	     bytes_grow(&b->next, &b->capnext, t->n, more + 1, sizeof *b->next) < 0))
		return -1;
	for (; t->n < n; t->n++) {
		t->node[t->n] = (struct trie_node){0, TRIE_NONE, TRIE_NONE};
		b->next[t->n] = (uint32_t)t->n;
	}
	b->next[t->n] = (uint32_t)t->n;
	return 0;
}

static uint32_t
free_from(struct build *b, uint32_t i)
{
	while (b->next[i] != i)
		i = b->next[i] = b->next[b->next[i]];
	return i;
}

/* A base under which all n bytes are free; 0 no memory. */
static uint32_t
place(struct build *b, const unsigned char *byte, int n)
{
	uint32_t at = free_from(b, b->hint);

	for (int tries = 0;; tries++) {
		int k = 0;
		uint32_t base;

		if (tries == TRIES)
			at = b->hint = free_from(b, (uint32_t)MAX((size_t)b->hint, b->t->n - 256));
		if (at <= byte[0])
			at = free_from(b, byte[0] + 1u);
		if (reach(b, (size_t)at + 512) < 0)
			return 0;
		base = at - byte[0];
		while (k < n && b->t->node[base + byte[k]].parent == TRIE_NONE)
			k++;
		if (k == n)
			return base;
		at = free_from(b, at + 1);
	}
}

int
trie_build(struct trie *t, struct trie_key *key, size_t n)
{
	struct build b = {.t = t, .hint = 1};
	struct branch *queue = NULL;
	size_t cap = 0, head = 0, tail = 0;

	memset(t, 0, sizeof *t);
	if (n)
		qsort(key, n, sizeof *key, by_bytes);
	if (reach(&b, 512) < 0 || bytes_grow(&queue, &cap, 0, 1, sizeof *queue) < 0)
		goto nomem;
	t->node[0].parent = 0;
	b.next[0] = 1;
	queue[tail++] = (struct branch){0, n, 0, 0};
	while (head < tail) {
		struct branch q = queue[head++];
		unsigned char byte[256];
		uint32_t base;
		int children = 0;

		for (; q.lo < q.hi && key[q.lo].n == q.depth; q.lo++)
			t->node[q.node].value = key[q.lo].value;
		for (size_t i = q.lo; i < q.hi; i++) {
			unsigned char c = (unsigned char)key[i].p[q.depth];

			if (!children || byte[children - 1] != c)
				byte[children++] = c;
		}
		if (!children)
			continue;
		if (!(base = place(&b, byte, children)) ||
		    (tail + 256 > cap && bytes_grow(&queue, &cap, tail, 256, sizeof *queue) < 0))
			goto nomem;
		t->node[q.node].base = base;
		for (int i = 0; i < children; i++) {
			size_t hi = q.lo;
			uint32_t to = base + byte[i];

			while (hi < q.hi && (unsigned char)key[hi].p[q.depth] == byte[i])
				hi++;
			t->node[to].parent = q.node;
			b.next[to] = to + 1;
			queue[tail++] = (struct branch){q.lo, hi, q.depth + 1, to};
			q.lo = hi;
		}
	}
	free(queue);
	free(b.next);
	return 0;
nomem:
	free(queue);
	free(b.next);
	trie_free(t);
	return -1;
}

void
trie_free(struct trie *t)
{
	free(t->node);
	memset(t, 0, sizeof *t);
}
