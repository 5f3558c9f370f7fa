/* A set of byte strings with a number each, and which of them a text begins with: a double array. */
#ifndef TOKEN_TRIE_H
#define TOKEN_TRIE_H

#include <stddef.h>
#include <stdint.h>

struct trie_key {
	const char *p;
	size_t n; /* not 0 */
	uint32_t value;
};

struct trie_node {
	uint32_t base; /* the child by byte b is base + b where parent says so */
	uint32_t parent;
	uint32_t value; /* TRIE_NONE: no key ends here */
};

#define TRIE_NONE UINT32_MAX

struct trie {
	struct trie_node *node; /* [n], 0 the root; 256 more than any base */
	size_t n;
};

/* Build one of n keys, which are sorted here; of equal ones the greatest value counts.
 * 0, or -1 no memory. */
int trie_build(struct trie *t, struct trie_key *key, size_t n);
void trie_free(struct trie *t);

/* Child of node by byte b, or 0. */
static inline uint32_t
trie_step(const struct trie *t, uint32_t node, unsigned char b)
{
	uint32_t to = t->node[node].base + b;

	return t->node[to].parent == node ? to : 0;
}

#endif
