/* Pieces of text and their ids: open addressing. */
#include "vocab.h"

static uint32_t *
slot_of(const struct vocab *v, const char *p, size_t n)
{
	for (size_t i = vocab_hash(p, n);; i++) {
		uint32_t *s = &v->slot[i & (v->slots - 1)];
		const struct vocab_entry *e = *s ? &v->entry[*s - 1] : NULL;

		if (!e || (e->n == n && !memcmp(v->text.p + e->at, p, n)))
			return s;
	}
}

static int
rehash(struct vocab *v)
{
	size_t slots = v->slots ? 2 * v->slots : 1024;
	uint32_t *new = calloc(slots, sizeof *new);

	if (!new)
		return -1;
	free(v->slot);
	v->slot = new;
	v->slots = slots;
	for (size_t i = 0; i < v->entries; i++)
		*slot_of(v, vocab_piece(v, i), v->entry[i].n) = (uint32_t)i + 1;
	return 0;
}

int
vocab_add(struct vocab *v, const char *p, size_t n, uint32_t id)
{
	size_t at = v->text.n;

	if (v->entries >= UINT32_MAX - 1 || (2 * v->entries >= v->slots && rehash(v) < 0) ||
	    (v->entries == v->cap &&
	     bytes_grow(&v->entry, &v->cap, v->entries, 1, sizeof *v->entry) < 0) ||
	    bytes_put(&v->text, p, n) < 0)
		return -1;
	v->entry[v->entries] = (struct vocab_entry){at, n, id};
	*slot_of(v, p, n) = (uint32_t)++v->entries;
	return 0;
}

uint32_t
vocab_find(const struct vocab *v, const char *p, size_t n)
{
	uint32_t s = v->slots ? *slot_of(v, p, n) : 0;

	return s ? v->entry[s - 1].id : VOCAB_NONE;
}

void
vocab_free(struct vocab *v)
{
	free(v->text.p);
	free(v->entry);
	free(v->slot);
	memset(v, 0, sizeof *v);
}
