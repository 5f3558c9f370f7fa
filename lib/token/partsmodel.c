/* Models and added tokens of a tokenizer.json. */
#include <stdio.h>

#include "parts.h"
#include "size.h"

/* GPT-2's alphabet: bytes that print stand for themselves, the others for U+0100 and on. */
int
parts_byte(uint32_t c)
{
	int n = 0;

	if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255))
		return (int)c;
	if (c < 256 || c > 256 + 67)
		return -1;
	for (int b = 0; b < 256; b++)
		if (!((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174) &&
		    n++ == (int)c - 256)
			return b;
	return -1;
}

/* The table of the same, made once a tokenizer. */
static void
alphabet(int16_t to[324])
{
	for (uint32_t c = 0; c < 324; c++)
		to[c] = (int16_t)parts_byte(c);
}

/* A piece in GPT-2's alphabet becomes the bytes that it stands for: 1, or 0 it is none. */
static int
piece_bytes(const int16_t map[324], const char *p, size_t n, char *to, size_t *len)
{
	uint32_t c;

	*len = 0;
	for (size_t i = 0; i < n;) {
		i += chars_get(p + i, &c);
		if (c >= 324 || map[c] < 0)
			return 0;
		to[(*len)++] = (char)map[c];
	}
	return 1;
}

/* Ids of <0x00> .. <0xFF>, and of single bytes. */
static void
byte_ids(struct subword *m)
{
	char name[8];

	for (int b = 0; b < 256; b++) {
		char c = (char)b;

		snprintf(name, sizeof name, "<0x%02X>", b);
		m->byte[b] = vocab_find(&m->vocab, name, 6);
		m->first[b] = m->bytes || b < 128 ? vocab_find(&m->vocab, &c, 1) : VOCAB_NONE;
	}
}

static int
unigram_vocab(struct subword *m, struct json *j, int list)
{
	struct bytes piece = {0};
	size_t cap = 0;
	int rc = 0;

	for (int i = json_first(j, list); i >= 0 && rc == 0; i = json_next(j, list, i)) {
		int p = json_first(j, i), s = p < 0 ? -1 : json_next(j, i, p);
		uint32_t n = (uint32_t)m->vocab.entries;

		piece.n = 0;
		if (n == cap && bytes_grow(&m->score, &cap, n, 1, sizeof *m->score) < 0)
			rc = TOKENIZER_NOMEM;
		else if (json_type(j, i) != JSON_ARR || json_f64(j, s, &m->score[n]))
			rc = (json_fail(j, i, "not a piece with its score"), TOKENIZER_BAD);
		else if ((rc = parts_str(j, p, &piece)) == 0 &&
			 vocab_add(&m->vocab, piece.p, piece.n, n) < 0)
			rc = TOKENIZER_NOMEM;
	}
	free(piece.p);
	return rc;
}

static int
unigram(struct tokenizer *t, struct json *j, int v)
{
	int list = json_find(j, v, "vocab"), unk = json_find(j, v, "unk_id"), rc;
	struct subword *m = &t->model;
	uint64_t id;

	m->kind = SUBWORD_UNIGRAM;
	if (json_type(j, list) != JSON_ARR || !json_size(j, list))
		return json_fail(j, v, "Unigram without a vocab"), TOKENIZER_BAD;
	if ((rc = unigram_vocab(m, j, list)) < 0)
		return rc;
	m->unk = VOCAB_NONE;
	if (unk >= 0 && json_type(j, unk) != JSON_NULL) {
		if (json_u64(j, unk, &id) || id >= m->vocab.entries)
			return json_fail(j, unk, "unk_id is not an id"), TOKENIZER_BAD;
		m->unk = (uint32_t)id;
	}
	if (m->bytes)
		return json_fail(j, v, "model Unigram behind ByteLevel"), TOKENIZER_BAD;
	m->fuse_unk = 1;
	byte_ids(m);
	return t->use == TOKENIZER_ENCODE && subword_unigram_end(m) < 0 ? TOKENIZER_NOMEM : 0;
}

/* "a b", or ["a", "b"]: the pieces, one behind the other in both, split at *n. */
static int
merge_pair(struct json *j, int v, struct bytes *both, size_t *n)
{
	int second, rc;
	char *blank;

	both->n = 0;
	if (json_type(j, v) == JSON_STR) {
		if ((rc = parts_str(j, v, both)) < 0)
			return rc;
		if (!(blank = memchr(both->p, ' ', both->n)))
			return json_fail(j, v, "not a pair"), TOKENIZER_BAD;
		*n = (size_t)(blank - both->p);
		memmove(blank, blank + 1, --both->n - *n);
		return 0;
	}
	if (json_type(j, v) != JSON_ARR || json_size(j, v) != 2)
		return json_fail(j, v, "not a pair"), TOKENIZER_BAD;
	second = json_next(j, v, json_first(j, v));
	if ((rc = parts_str(j, json_first(j, v), both)) < 0)
		return rc;
	*n = both->n;
	return parts_str(j, second, both);
}

static int
merges(struct tokenizer *t, struct json *j, int list, const struct vocab *names)
{
	struct subword *m = &t->model;
	struct bytes both = {0};
	uint32_t rank = 0;
	size_t n;
	int rc = 0;

	if (json_type(j, list) != JSON_ARR)
		return json_fail(j, MAX(list, 0), "BPE without merges"), TOKENIZER_BAD;
	if (subword_merges(m, (size_t)json_size(j, list)) < 0)
		return TOKENIZER_NOMEM;
	for (int i = json_first(j, list); i >= 0; i = json_next(j, list, i)) {
		uint32_t left, right, to;

		if ((rc = merge_pair(j, i, &both, &n)) < 0)
			break;
		left = vocab_find(names, both.p, n);
		right = vocab_find(names, both.p + n, both.n - n);
		to = vocab_find(names, both.p, both.n);
		if (left == VOCAB_NONE || right == VOCAB_NONE || to == VOCAB_NONE) {
			rc = (json_fail(j, i, "a merge of what is not in the vocab"),
			      TOKENIZER_BAD);
			break;
		}
		subword_merge_add(m, left, right, rank++, to);
		/* with such a piece words cannot be told by their first character */
		if (t->mark.n && n && memmem(both.p + 1, both.n - 1, t->mark.p, t->mark.n)) {
			const char *p = both.p, *end = p + both.n;

			while ((size_t)(end - p) >= t->mark.n && !memcmp(p, t->mark.p, t->mark.n))
				p += t->mark.n;
			if (memmem(p, (size_t)(end - p), t->mark.p, t->mark.n))
				t->mark.n = 0;
		}
	}
	free(both.p);
	return rc;
}

/* No piece has a part before or behind that is not told by the vocabulary. */
static int
plain_bpe(struct json *j, int v)
{
	static const char *const key[] = {"continuing_subword_prefix", "end_of_word_suffix"};
	int dropout = json_find(j, v, "dropout");
	double x;

	for (size_t i = 0; i < LEN(key); i++) {
		int k = json_find(j, v, key[i]);

		if (k >= 0 && json_type(j, k) != JSON_NULL && !json_is(j, k, ""))
			return json_fail(j, k, "%s of BPE is not known", key[i]), TOKENIZER_BAD;
	}
	if (dropout >= 0 && json_type(j, dropout) != JSON_NULL &&
	    (json_f64(j, dropout, &x) || x != 0))
		return json_fail(j, dropout, "dropout of BPE is not known"), TOKENIZER_BAD;
	return 0;
}

static int
bpe_vocab(struct tokenizer *t, struct json *j, int list, struct vocab *names)
{
	struct subword *m = &t->model;
	struct bytes piece = {0};
	int16_t map[324];
	size_t len;
	int rc = 0;

	if (json_type(j, list) != JSON_OBJ || !json_size(j, list))
		return json_fail(j, MAX(list, 0), "BPE without a vocab"), TOKENIZER_BAD;
	alphabet(map);
	for (int i = json_first(j, list); i >= 0 && rc == 0; i = json_next(j, list, i)) {
		uint64_t id;

		piece.n = 0;
		if (json_u64(j, i + 1, &id) || id >= UINT32_MAX)
			rc = (json_fail(j, i + 1, "not an id"), TOKENIZER_BAD);
		else if ((rc = parts_str(j, i, &piece)) == 0 &&
			 (vocab_add(names, piece.p, piece.n, (uint32_t)id) < 0 ||
			  (names != &m->vocab &&
			   piece_bytes(map, piece.p, piece.n, piece.p, &len) &&
			   vocab_add(&m->vocab, piece.p, len, (uint32_t)id) < 0)))
			rc = TOKENIZER_NOMEM;
	}
	free(piece.p);
	return rc;
}

static int
bpe(struct tokenizer *t, struct json *j, int v)
{
	int unk = json_find(j, v, "unk_token"), rc;
	struct subword *m = &t->model;
	struct vocab own = {0}, *names = m->bytes ? &own : &m->vocab;
	struct bytes piece = {0};

	m->kind = SUBWORD_BPE;
	m->unk = VOCAB_NONE;
	m->whole = parts_flag(j, v, "ignore_merges", 0);
	if ((rc = plain_bpe(j, v)) < 0 ||
	    (rc = bpe_vocab(t, j, json_find(j, v, "vocab"), names)) < 0)
		goto end;
	if (unk >= 0 && json_type(j, unk) != JSON_NULL) {
		if ((rc = parts_str(j, unk, &piece)) < 0)
			goto end;
		m->unk = vocab_find(names, piece.p, piece.n);
		if (m->unk == VOCAB_NONE) {
			rc = (json_fail(j, unk, "unk_token is not in the vocab"), TOKENIZER_BAD);
			goto end;
		}
	}
	if (bytes_put(&t->mark, "\xe2\x96\x81", 3) < 0) {
		rc = TOKENIZER_NOMEM;
		goto end;
	}
	if (m->bytes || m->whole || vocab_find(names, t->mark.p, t->mark.n) == VOCAB_NONE)
		t->mark.n = 0;
	byte_ids(m);
	for (int b = 0; m->bytes && m->byte_fallback && b < 256; b++)
		if (m->first[b] == VOCAB_NONE) {
			rc = (json_fail(j, v, "byte_fallback behind ByteLevel"), TOKENIZER_BAD);
			goto end;
		}
	if (t->use == TOKENIZER_ENCODE)
		rc = merges(t, j, json_find(j, v, "merges"), names);
end:
	vocab_free(&own);
	free(piece.p);
	return rc;
}

int
parts_model(struct tokenizer *t, struct json *j, int v)
{
	int type = json_find(j, v, "type");

	t->model.byte_fallback = parts_flag(j, v, "byte_fallback", 0);
	t->model.fuse_unk = parts_flag(j, v, "fuse_unk", 0);
	/* old files do not say it */
	if (json_is(j, type, "Unigram") || (type < 0 && json_find(j, v, "unk_id") >= 0))
		return unigram(t, j, v);
	if (json_is(j, type, "BPE") || (type < 0 && json_find(j, v, "merges") >= 0))
		return bpe(t, j, v);
	return parts_refuse(j, v, "model");
}

int
parts_added(struct tokenizer *t, struct json *j, int v)
{
	for (int i = json_first(j, v); i >= 0; i = json_next(j, v, i)) {
		struct added_token *a;
		uint64_t id;
		int rc;

		if (t->tokens == t->captoken &&
		    bytes_grow(&t->token, &t->captoken, t->tokens, 1, sizeof *t->token) < 0)
			return TOKENIZER_NOMEM;
		a = &t->token[t->tokens++];
		*a = (struct added_token){0};
		if (json_u64(j, json_find(j, i, "id"), &id) || id >= UINT32_MAX)
			return json_fail(j, i, "an added token without an id"), TOKENIZER_BAD;
		a->id = (uint32_t)id;
		a->lstrip = parts_flag(j, i, "lstrip", 0);
		a->rstrip = parts_flag(j, i, "rstrip", 0);
		a->single_word = parts_flag(j, i, "single_word", 0);
		a->special = parts_flag(j, i, "special", 0);
		a->normalized = parts_flag(j, i, "normalized", !a->special);
		if ((rc = parts_str(j, json_find(j, i, "content"), &a->content)) < 0)
			return rc;
	}
	return 0;
}
