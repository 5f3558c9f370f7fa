/* Text to ids: added tokens apart, what lies between them normalized, cut, looked up. */
#include <stdio.h>

#include "parts.h"
#include "size.h"

enum {
	CACHE = 1 << 14, /* words; 64 bytes each */
	CACHE_KEY = 25,
	CACHE_IDS = 8,
};

struct cached {
	uint32_t hash;
	unsigned char len, ids; /* len 0: empty */
	char key[CACHE_KEY + 1];
	uint32_t id[CACHE_IDS];
};

struct token_run {
	const struct tokenizer *t;
	struct bytes text[2]; /* of the normalizers */
	struct pieces pieces;
	struct subword_run model;
	struct cached *cache;
};

/* Added tokens that are looked for in normalized text are normalized, too. */
static int
normalize_tokens(struct tokenizer *t)
{
	struct match_run *r = match_run_new();
	int rc = r ? 0 : -1;

	for (size_t i = 0; i < t->tokens && rc == 0; i++)
		for (size_t k = 0; k < t->normals && t->token[i].normalized && rc == 0; k++) {
			struct bytes b = {0};

			rc = normal_step(&t->normal[k], r, t->token[i].content.p,
					 t->token[i].content.n, &b);
			free(t->token[i].content.p);
			t->token[i].content = b;
		}
	match_run_free(r);
	return rc == -2 ? TOKENIZER_LIMIT : rc < 0 ? TOKENIZER_NOMEM : 0;
}

/* Which piece an id is. */
static int
number(struct tokenizer *t)
{
	const struct vocab *v = &t->model.vocab;

	for (size_t i = 0; i < v->entries; i++)
		t->ids = MAX(t->ids, (size_t)v->entry[i].id + 1);
	for (size_t i = 0; i < t->tokens; i++)
		t->ids = MAX(t->ids, (size_t)t->token[i].id + 1);
	if (!(t->entry = calloc(t->ids + 1, sizeof *t->entry)) ||
	    !(t->added = calloc(t->ids + 1, sizeof *t->added)))
		return TOKENIZER_NOMEM;
	for (size_t i = 0; i < v->entries; i++)
		t->entry[v->entry[i].id] = (uint32_t)i + 1;
	for (size_t i = 0; i < t->tokens; i++)
		t->added[t->token[i].id] = (uint32_t)i + 1;
	return 0;
}

static int
read_parts(struct tokenizer *t, struct json *j, enum tokenizer_use use)
{
	int rc = 0;

	t->use = use;
	if (json_type(j, 0) != JSON_OBJ || json_find(j, 0, "model") < 0) {
		json_fail(j, 0, "no tokenizer: it has no model");
		return TOKENIZER_BAD;
	}
	if ((rc = parts_added(t, j, json_find(j, 0, "added_tokens"))) < 0)
		return rc;
	if (use == TOKENIZER_ENCODE) {
		if (!chars_built()) {
			json_fail(j, 0, "encoding takes utf8proc, without which this was built");
			return TOKENIZER_ABSENT;
		}
		if ((rc = parts_normalizer(t, j, json_find(j, 0, "normalizer"))) < 0 ||
		    (rc = parts_pieces(t, j, json_find(j, 0, "pre_tokenizer"))) < 0 ||
		    (rc = parts_post(t, j, json_find(j, 0, "post_processor"))) < 0)
			return rc;
	}
	if ((rc = parts_model(t, j, json_find(j, 0, "model"))) < 0)
		return rc;
	if (use == TOKENIZER_DECODE) {
		t->bare = json_type(j, json_find(j, 0, "decoder")) <= JSON_NULL;
		if ((rc = parts_decoder(t, j, json_find(j, 0, "decoder"))) < 0 ||
		    (rc = number(t)) < 0)
			return rc;
		return 0;
	}
	if ((rc = normalize_tokens(t)) < 0)
		return rc;
	return added_build(&t->raw, t->token, t->tokens, 0) < 0 ||
			       added_build(&t->normalized, t->token, t->tokens, 1) < 0
		       ? TOKENIZER_NOMEM
		       : 0;
}

struct tokenizer *
tokenizer_read(const char *json, size_t n, enum tokenizer_use use, int *rc, char *why)
{
	struct tokenizer *t = calloc(1, sizeof *t);
	struct json j = {0};

	*rc = TOKENIZER_NOMEM;
	if (t)
		*rc = json_parse(&j, json, n) ? TOKENIZER_BAD : read_parts(t, &j, use);
	if (*rc < 0) {
		snprintf(why, TOKENIZER_WHY, "%s",
			 *rc == TOKENIZER_NOMEM || !*j.err ? tokenizer_strerror(*rc) : j.err);
		tokenizer_free(t);
		t = NULL;
	}
	json_free(&j);
	return t;
}

void
tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->normals; i++)
		normal_free(&t->normal[i]);
	for (size_t i = 0; i < t->steps; i++)
		pieces_step_free(&t->step[i]);
	for (size_t i = 0; i < t->decodes; i++) {
		free(t->decode[i].from.p);
		free(t->decode[i].to.p);
	}
	for (size_t i = 0; i < t->tokens; i++)
		free(t->token[i].content.p);
	free(t->normal);
	free(t->step);
	free(t->decode);
	free(t->token);
	added_free(&t->raw);
	added_free(&t->normalized);
	subword_free(&t->model);
	free(t->before.v);
	free(t->behind.v);
	free(t->mark.p);
	free(t->entry);
	free(t->added);
	free(t);
}

size_t
tokenizer_around(const struct tokenizer *t)
{
	return t->before.n + t->behind.n;
}

struct token_run *
token_run_new(const struct tokenizer *t)
{
	struct token_run *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->t = t;
	r->cache = calloc(CACHE, sizeof *r->cache);
	r->pieces.match = match_run_new();
	if (!r->cache || !r->pieces.match) {
		token_run_free(r);
		return NULL;
	}
	return r;
}

void
token_run_free(struct token_run *r)
{
	if (!r)
		return;
	free(r->text[0].p);
	free(r->text[1].p);
	pieces_free(&r->pieces);
	subword_run_free(&r->model);
	free(r->cache);
	free(r);
}

/* One piece: what the cache has, or the model. */
static int
encode_piece(struct token_run *r, const char *p, size_t n, struct ids *to)
{
	const size_t from = to->n;
	struct cached *c;
	uint64_t h;
	int rc;

	if (n > CACHE_KEY)
		return subword_encode(&r->t->model, &r->model, p, n, to);
	h = vocab_hash(p, n);
	c = &r->cache[h & (CACHE - 1)];
	if (c->len == n && c->hash == h >> 32 && !memcmp(c->key, p, n)) {
		if (to->cap - to->n < CACHE_IDS &&
		    bytes_grow(&to->v, &to->cap, to->n, CACHE_IDS, sizeof *to->v) < 0)
			return -1;
		memcpy(to->v + to->n, c->id, sizeof c->id);
		to->n += c->ids;
		return 0;
	}
	if ((rc = subword_encode(&r->t->model, &r->model, p, n, to)) < 0)
		return rc;
	if (to->n - from > CACHE_IDS)
		return 0;
	c->hash = (uint32_t)(h >> 32);
	c->len = (unsigned char)n;
	c->ids = (unsigned char)(to->n - from);
	memcpy(c->key, p, n);
	memcpy(c->id, to->v + from, c->ids * sizeof *c->id);
	return 0;
}

/* A piece of BPE, cut where a word begins if no merge can reach over that. */
static int
encode_words(struct token_run *r, const char *p, size_t n, struct ids *to)
{
	const struct bytes *mark = &r->t->mark;

	for (size_t from = 0, end; mark->n && from < n; from = end) {
		int rc;

		for (end = from; n - end >= mark->n && !memcmp(p + end, mark->p, mark->n);)
			end += mark->n;
		while (end < n && !(n - end >= mark->n && !memcmp(p + end, mark->p, mark->n)))
			end++;
		if ((rc = encode_piece(r, p + from, end - from, to)) < 0)
			return rc;
	}
	return mark->n ? 0 : encode_piece(r, p, n, to);
}

static int
encode_text(struct token_run *r, const char *p, size_t n, int first, size_t stop, struct ids *to)
{
	const struct tokenizer *t = r->t;
	struct pieces *s = &r->pieces;
	int rc = n ? pieces_cut(s, t->step, t->steps, p, n, first) : 0;

	if (rc < 0)
		return rc == -2 ? TOKENIZER_LIMIT : TOKENIZER_NOMEM;
	for (size_t i = 0; n && rc == 0 && i < s->span[s->at].n && to->n < stop; i++)
		rc = encode_words(r, s->text + s->span[s->at].v[i].at, s->span[s->at].v[i].n, to);
	return rc == -2 ? TOKENIZER_UNK : rc;
}

/* What lies between added tokens of the text as it came. */
static int
encode_between(struct token_run *r, const char *p, size_t n, int first, size_t stop, struct ids *to)
{
	const struct tokenizer *t = r->t;
	size_t from = 0, done = 0, at, end;
	uint32_t id;
	int rc;

	for (size_t i = 0; i < t->normals; i++) {
		struct bytes *b = &r->text[i & 1];

		b->n = 0;
		if ((rc = normal_step(&t->normal[i], r->pieces.match, p, n, b)) < 0)
			return rc == -2 ? TOKENIZER_LIMIT : TOKENIZER_NOMEM;
		p = b->p;
		n = b->n;
	}
	while (added_next(&t->normalized, p, n, done, &from, &at, &end, &id)) {
		if ((rc = encode_text(r, p + done, at - done, first && !done, stop, to)) < 0)
			return rc;
		if (ids_put(to, id) < 0)
			return TOKENIZER_NOMEM;
		done = end;
	}
	return encode_text(r, p + done, n - done, first && !done, stop, to);
}

int
tokenizer_encode(struct token_run *r, const char *p, size_t n, size_t most, struct ids *to)
{
	const struct tokenizer *t = r->t;
	size_t from = 0, done = 0, at, end, start, room, stop;
	int rc = 0;
	uint32_t id;

	if (chars_valid(p, n) != n)
		return TOKENIZER_UTF8;
	for (size_t i = 0; i < t->before.n; i++)
		if (ids_put(to, t->before.v[i]) < 0)
			return TOKENIZER_NOMEM;
	start = to->n;
	room = most ? most - MIN(most, tokenizer_around(t)) : SIZE_MAX - start;
	stop = start + room;
	while (to->n < stop && added_next(&t->raw, p, n, done, &from, &at, &end, &id)) {
		if (at > done && (rc = encode_between(r, p + done, at - done, !done, stop, to)) < 0)
			break;
		if (ids_put(to, id) < 0)
			return TOKENIZER_NOMEM;
		done = end;
	}
	if (rc == 0 && to->n < stop && done < n)
		rc = encode_between(r, p + done, n - done, !done, stop, to);
	if (rc < 0)
		return rc;
	if (to->n > stop)
		to->n = stop;
	for (size_t i = 0; i < t->behind.n; i++)
		if (ids_put(to, t->behind.v[i]) < 0)
			return TOKENIZER_NOMEM;
	return 0;
}

const char *
tokenizer_strerror(int rc)
{
	switch (rc) {
	case TOKENIZER_UTF8:
		return "no UTF-8";
	case TOKENIZER_UNK:
		return "a character without a token, and the tokenizer has no unknown token";
	case TOKENIZER_LIMIT:
		return "a pattern that takes too long";
	case TOKENIZER_ID:
		return "an id without a token";
	default:
		return "no memory";
	}
}
