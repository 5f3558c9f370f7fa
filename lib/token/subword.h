/*
 * What makes ids of a piece of text: Unigram (the best path by scores) or BPE (merges by rank).
 * Both are read from a vocabulary; ids of byte tokens stand for what is not in it.
 */
#ifndef TOKEN_SUBWORD_H
#define TOKEN_SUBWORD_H

#include "trie.h"
#include "vocab.h"

struct ids {
	uint32_t *v;
	size_t n, cap;
};

static inline int
ids_put(struct ids *s, uint32_t id)
{
	if (s->n == s->cap && bytes_grow(&s->v, &s->cap, s->n, 1, sizeof *s->v) < 0)
		return -1;
	s->v[s->n++] = id;
	return 0;
}

enum subword_kind { SUBWORD_UNIGRAM, SUBWORD_BPE };

/* A pair that merges; rank VOCAB_NONE: an empty slot. */
struct merge {
	uint32_t left, right, rank, to;
};

struct subword {
	enum subword_kind kind;
	struct vocab vocab; /* by piece; of BPE behind ByteLevel the bytes that it stands for */
	uint32_t unk;       /* VOCAB_NONE: none */
	int fuse_unk, byte_fallback;
	uint32_t byte[256]; /* tokens <0x00> .. <0xFF> */

	/* Unigram */
	double *score; /* by entry of the vocabulary */
	struct trie trie;
	double unk_score;

	/* BPE */
	int whole;           /* ignore_merges: a piece that is in the vocabulary stays whole */
	int bytes;           /* pieces are bytes, not characters */
	uint32_t first[256]; /* id of a byte, or of an ASCII character */
	struct merge *merge; /* [slots], a power of two */
	size_t slots;
};

/* Room of one thread. */
struct subword_run {
	struct best *best; /* Unigram: [capbest] */
	struct part *part; /* BPE: [cappart] */
	uint64_t *heap;
	size_t capbest, cappart, capheap;
};

/* Once vocabulary and scores are there: 0, or -1 no memory. */
int subword_unigram_end(struct subword *m);
/* Room for n merges: 0, or -1 no memory; then each with its rank, a later one of the same pair counts. */
int subword_merges(struct subword *m, size_t n);
void subword_merge_add(struct subword *m, uint32_t left, uint32_t right, uint32_t rank,
		       uint32_t to);

/* Append the ids of the n bytes at p: 0, -1 no memory, -2 no token stands for a character. */
int subword_encode(const struct subword *m, struct subword_run *r, const char *p, size_t n,
		   struct ids *to);
void subword_run_free(struct subword_run *r);
void subword_free(struct subword *m);

#endif
