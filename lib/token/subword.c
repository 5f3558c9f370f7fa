/* Unigram and BPE. */
#include "subword.h"
#include "chars.h"
#include "size.h"

/* As the Unigram model of SentencePiece has it: an unknown character is that much worse than the
 * worst piece. */
#define UNK_PENALTY 10.0

struct best {
	double score;
	size_t start; /* SIZE_MAX: no path ends here */
	uint32_t id, entry;
};

/* Part of a word while it is merged. */
struct part {
	uint32_t id, rank, to; /* rank and result of a merge with the next; VOCAB_NONE: none */
	uint32_t prev, next;
};

int
subword_unigram_end(struct subword *m)
{
	size_t n = m->vocab.entries;
	struct trie_key *key = malloc((n + 1) * sizeof *key);
	double least = n ? m->score[0] : 0;
	size_t k = 0;
	int rc;

	if (!key)
		return -1;
	for (size_t i = 0; i < n; i++) {
		least = MIN(least, m->score[i]);
		if (m->vocab.entry[i].n)
			key[k++] = (struct trie_key){vocab_piece(&m->vocab, i), m->vocab.entry[i].n,
						     (uint32_t)i};
	}
	m->unk_score = least - UNK_PENALTY;
	rc = trie_build(&m->trie, key, k);
	free(key);
	return rc;
}

/* What the vocabulary lacks: its bytes, or unk. */
static int
put_unknown(const struct subword *m, const char *p, size_t n, struct ids *to)
{
	size_t i = 0;

	if (m->byte_fallback) {
		while (i < n && m->byte[(unsigned char)p[i]] != VOCAB_NONE)
			i++;
		if (i == n) {
			for (i = 0; i < n; i++)
				if (ids_put(to, m->byte[(unsigned char)p[i]]) < 0)
					return -1;
			return 0;
		}
	}
	return m->unk == VOCAB_NONE ? -2 : ids_put(to, m->unk);
}

static inline void
offer(struct best *b, double score, size_t start, uint32_t id)
{
	if (b->start == SIZE_MAX || score > b->score) {
		b->score = score;
		b->start = start;
		b->id = id;
	}
}

static int
unigram(const struct subword *m, struct subword_run *r, const char *p, size_t n, struct ids *to)
{
	const size_t first = to->n;
	struct best *b;
	uint32_t c;

	if (n + 1 > r->capbest && bytes_grow(&r->best, &r->capbest, 0, n + 1, sizeof *r->best) < 0)
		return -1;
	b = r->best;
	b[0].score = 0;
	for (size_t i = 1; i <= n; i++)
		b[i].start = SIZE_MAX;
	for (size_t at = 0, len; at < n; at += len) {
		const double so_far = b[at].score;
		uint32_t node = 0;
		int single = 0;

		len = chars_get(p + at, &c);
		for (size_t i = at;
		     i < n && (node = trie_step(&m->trie, node, (unsigned char)p[i]));) {
			uint32_t entry = m->trie.node[node].value;

			i++;
			if (entry == TRIE_NONE)
				continue;
			offer(&b[i], so_far + m->score[entry], at, m->vocab.entry[entry].id);
			single |= i == at + len;
		}
		if (!single)
			offer(&b[at + len], so_far + m->unk_score, at, VOCAB_NONE);
	}
	/* from behind; unknown characters that follow each other are one */
	for (size_t end = n; end > 0; end = b[end].start) {
		size_t start = b[end].start;
		int unknown = b[end].id == VOCAB_NONE || b[end].id == m->unk;

		b[end].entry = 0;
		if (m->fuse_unk && unknown)
			while (start > 0 && (b[start].id == VOCAB_NONE || b[start].id == m->unk))
				start = b[start].start;
		if (!unknown || (start == b[end].start && b[end].id != VOCAB_NONE)) {
			if (ids_put(to, b[end].id) < 0)
				return -1;
		} else {
			size_t from = to->n;
			int rc = put_unknown(m, p + start, end - start, to);

			if (rc < 0)
				return rc;
			for (size_t i = from, k = to->n; i + 1 < k; i++) {
				uint32_t x = to->v[i];

				to->v[i] = to->v[--k];
				to->v[k] = x;
			}
		}
		b[end].start = start;
	}
	for (size_t i = first, k = to->n; i + 1 < k; i++) {
		uint32_t x = to->v[i];

		to->v[i] = to->v[--k];
		to->v[k] = x;
	}
	return 0;
}

static inline size_t
merge_slot(const struct subword *m, uint32_t left, uint32_t right)
{
	uint64_t h = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h ^ h >> 32) & (m->slots - 1);

	while (m->merge[i].rank != VOCAB_NONE &&
	       (m->merge[i].left != left || m->merge[i].right != right))
		i = (i + 1) & (m->slots - 1);
	return i;
}

int
subword_merges(struct subword *m, size_t n)
{
	size_t all;

	for (m->slots = 16; m->slots < 2 * n; m->slots *= 2)
		;
	if (size_mul(m->slots, sizeof *m->merge, &all) < 0 || !(m->merge = malloc(all)))
		return -1;
	memset(m->merge, 0xff, all);
	return 0;
}

void
subword_merge_add(struct subword *m, uint32_t left, uint32_t right, uint32_t rank, uint32_t to)
{
	m->merge[merge_slot(m, left, right)] = (struct merge){left, right, rank, to};
}

/* Rank and result of a part with the next. */
static inline void
rank_of(const struct subword *m, struct part *part, uint32_t i)
{
	struct part *a = &part[i];
	const struct merge *g;

	a->rank = VOCAB_NONE;
	if (a->next == VOCAB_NONE)
		return;
	g = &m->merge[merge_slot(m, a->id, part[a->next].id)];
	a->rank = g->rank;
	a->to = g->to;
}

static void
heap_put(uint64_t *h, size_t *n, uint64_t x)
{
	size_t i = (*n)++;

	for (; i && h[(i - 1) / 2] > x; i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = x;
}

static uint64_t
heap_take(uint64_t *h, size_t *n)
{
	uint64_t top = h[0], x = h[--*n];
	size_t i = 0, k;

	while ((k = 2 * i + 1) < *n) {
		k += k + 1 < *n && h[k + 1] < h[k];
		if (h[k] >= x)
			break;
		h[i] = h[k];
		i = k;
	}
	h[i] = x;
	return top;
}

/* Merge the pair of least rank, of equal ones the leftmost, until none is left. */
static int
merge_all(const struct subword *m, struct subword_run *r, size_t n)
{
	struct part *part = r->part;
	size_t waiting = 0;

	/* a merge adds at most two, and there are fewer than n */
	if (3 * n > r->capheap && bytes_grow(&r->heap, &r->capheap, 0, 3 * n, sizeof *r->heap) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		part[i].prev = i ? i - 1 : VOCAB_NONE;
		part[i].next = i + 1 < n ? i + 1 : VOCAB_NONE;
	}
	for (uint32_t i = 0; i < n; i++) {
		rank_of(m, part, i);
		if (part[i].rank != VOCAB_NONE)
			heap_put(r->heap, &waiting, (uint64_t)part[i].rank << 32 | i);
	}
	while (waiting) {
		uint64_t top = heap_take(r->heap, &waiting);
		uint32_t i = (uint32_t)top, old;

		if (part[i].rank != top >> 32)
			continue; /* it has been merged meanwhile */
		old = part[i].next;
		part[i].id = part[i].to;
		part[i].next = part[old].next;
		part[old].rank = VOCAB_NONE;
		if (part[i].next != VOCAB_NONE)
			part[part[i].next].prev = i;
		rank_of(m, part, i);
		if (part[i].rank != VOCAB_NONE)
			heap_put(r->heap, &waiting, (uint64_t)part[i].rank << 32 | i);
		if ((i = part[i].prev) == VOCAB_NONE)
			continue;
		rank_of(m, part, i);
		if (part[i].rank != VOCAB_NONE)
			heap_put(r->heap, &waiting, (uint64_t)part[i].rank << 32 | i);
	}
	return 0;
}

static int
bpe(const struct subword *m, struct subword_run *r, const char *p, size_t n, struct ids *to)
{
	size_t k = 0, len;
	uint32_t id, c;
	int unknown = 0;

	if (m->whole && (id = vocab_find(&m->vocab, p, n)) != VOCAB_NONE)
		return ids_put(to, id);
	if (n >= UINT32_MAX - 1)
		return -1;
	if (n > r->cappart && bytes_grow(&r->part, &r->cappart, 0, n, sizeof *r->part) < 0)
		return -1;
	for (size_t i = 0; i < n; i += len) {
		size_t b = 0;

		len = m->bytes ? 1 : chars_get(p + i, &c);
		id = len == 1 ? m->first[(unsigned char)p[i]] : vocab_find(&m->vocab, p + i, len);
		if (id == VOCAB_NONE && m->byte_fallback) {
			while (b < len && m->byte[(unsigned char)p[i + b]] != VOCAB_NONE)
				b++;
			for (size_t j = 0; b == len && j < len; j++)
				r->part[k++].id = m->byte[(unsigned char)p[i + j]];
			if (b == len) {
				unknown = 0;
				continue;
			}
		}
		if (id == VOCAB_NONE) {
			/* without a token for it a character is left out */
			if (m->unk != VOCAB_NONE && !(unknown && m->fuse_unk))
				r->part[k++].id = m->unk;
			unknown = 1;
			continue;
		}
		unknown = 0;
		r->part[k++].id = id;
	}
	if (!k)
		return 0;
	if (merge_all(m, r, k) < 0)
		return -1;
	for (uint32_t i = 0; i != VOCAB_NONE; i = r->part[i].next)
		if (ids_put(to, r->part[i].id) < 0)
			return -1;
	return 0;
}

int
subword_encode(const struct subword *m, struct subword_run *r, const char *p, size_t n,
	       struct ids *to)
{
	return m->kind == SUBWORD_UNIGRAM ? unigram(m, r, p, n, to) : bpe(m, r, p, n, to);
}

void
subword_run_free(struct subword_run *r)
{
	free(r->best);
	free(r->part);
	free(r->heap);
	memset(r, 0, sizeof *r);
}

void
subword_free(struct subword *m)
{
	vocab_free(&m->vocab);
	free(m->score);
	trie_free(&m->trie);
	free(m->merge);
	memset(m, 0, sizeof *m);
}
