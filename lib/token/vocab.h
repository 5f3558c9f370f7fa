/* Pieces of text and their ids. */
#ifndef TOKEN_VOCAB_H
#define TOKEN_VOCAB_H

#include <stdint.h>

#include "bytes.h"

#define VOCAB_NONE UINT32_MAX

struct vocab_entry {
	size_t at, n;
	uint32_t id;
};

struct vocab {
	struct bytes text;
	struct vocab_entry *entry; /* [entries], in the order of vocab_add */
	size_t entries, cap;
	uint32_t *slot; /* [slots], number of an entry + 1; a power of two */
	size_t slots;
};

/* Add a piece; of equal ones the last counts.  0, or -1 no memory. */
int vocab_add(struct vocab *v, const char *p, size_t n, uint32_t id);
/* The id of a piece, or VOCAB_NONE. */
uint32_t vocab_find(const struct vocab *v, const char *p, size_t n);
/* The piece of an entry, lent. */
static inline const char *
vocab_piece(const struct vocab *v, size_t entry)
{
	return v->text.p + v->entry[entry].at;
}
void vocab_free(struct vocab *v);

/* A hash of bytes, the same on every machine. */
static inline uint64_t
vocab_hash(const char *p, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15u, x;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&x, p, 8);
		h = (h ^ x) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	x = 0;
	memcpy(&x, p, n);
	h = (h ^ x) * 0x9fb21c651e98df25u;
	h ^= h >> 29;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

#endif
