/* Added tokens: looked for in the text before anything else is done with it. */
#ifndef TOKEN_ADDED_H
#define TOKEN_ADDED_H

#include "bytes.h"
#include "trie.h"

struct added_token {
	uint32_t id;
	int lstrip, rstrip, single_word;
	int special, normalized;
	struct bytes content; /* as it is looked for, then */
};

/* Those that are looked for in the text as it came, or as it was normalized. */
struct added {
	struct trie trie; /* values: numbers of token */
	unsigned char first[256];
	const struct added_token *token; /* the caller's */
	size_t n;
};

/* Of the n tokens those that are normalized, or not: 0, or -1 no memory. */
int added_build(struct added *a, const struct added_token *token, size_t n, int normalized);
/* The first token in the n bytes at p from *from: 1, its place with the white space that it
 * takes, and *from where to look on; 0 none.  What is before taken is another token's. */
int added_next(const struct added *a, const char *p, size_t n, size_t taken, size_t *from,
	       size_t *at, size_t *end, uint32_t *id);
void added_free(struct added *a);

#endif
