/* Added tokens. */
#include "added.h"
#include "chars.h"
#include "size.h"

int
added_build(struct added *a, const struct added_token *token, size_t n, int normalized)
{
	struct trie_key *key = malloc((n + 1) * sizeof *key);
	int rc;

	memset(a, 0, sizeof *a);
	if (!key)
		return -1;
	a->token = token;
	for (size_t i = 0; i < n; i++)
		if (token[i].content.n && token[i].normalized == normalized) {
			key[a->n++] = (struct trie_key){token[i].content.p, token[i].content.n,
							(uint32_t)i};
			a->first[(unsigned char)*token[i].content.p] = 1;
		}
	rc = trie_build(&a->trie, key, a->n);
	free(key);
	return rc;
}

/* \w, as far as categories tell */
static int
word(uint32_t c)
{
	char g;

	if (c < 128)
		return (c | 32) - 'a' < 26 || c - '0' < 10 || c == '_';
	g = chars_category(c);
	return g == 'L' || g == 'M' || g == 'N';
}

static size_t
before(const char *p, size_t at, uint32_t *c)
{
	size_t k = at - 1;

	while (k && ((unsigned char)p[k] & 0xc0) == 0x80)
		k--;
	chars_get(p + k, c);
	return k;
}

int
added_next(const struct added *a, const char *p, size_t n, size_t taken, size_t *from, size_t *at,
	   size_t *end, uint32_t *id)
{
	uint32_t c;

	for (size_t i = *from; a->n && i < n;) {
		uint32_t node = 0, found = TRIE_NONE;
		size_t stop = i, len;

		if (!a->first[(unsigned char)p[i]]) {
			i++;
			continue;
		}
		for (size_t k = i;
		     k < n && (node = trie_step(&a->trie, node, (unsigned char)p[k]));) {
			k++;
			if (a->trie.node[node].value != TRIE_NONE) {
				found = a->trie.node[node].value;
				stop = k;
			}
		}
		if (found == TRIE_NONE) {
			i++;
			continue;
		}
		*from = stop;
		if (a->token[found].single_word &&
		    ((i && (before(p, i, &c), word(c))) ||
		     (stop < n && (chars_get(p + stop, &c), word(c))))) {
			i = stop;
			continue;
		}
		if (a->token[found].lstrip)
			while (i > taken && (len = before(p, i, &c), chars_space(c)))
				i = len;
		if (a->token[found].rstrip)
			while (stop < n && (len = chars_get(p + stop, &c), chars_space(c)))
				stop += len;
		*at = MAX(i, taken);
		*end = stop;
		*id = a->token[found].id;
		return *end > taken;
	}
	return 0;
}

void
added_free(struct added *a)
{
	trie_free(&a->trie);
	memset(a, 0, sizeof *a);
}
