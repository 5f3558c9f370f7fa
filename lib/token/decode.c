/* Ids to text: the pieces as the vocabulary has them, then the decoders, each over all of them. */
#include "parts.h"
#include "size.h"

/* Tokens: spans of text. */
struct tokens {
	struct bytes text;
	struct spans span;
};

/* What was put behind from is a token: 0, or -1 no memory. */
static int
put_since(struct tokens *to, size_t from)
{
	return spans_put(&to->span, from, to->text.n - from);
}

/* A token with by for each from. */
static int
replace(struct tokens *to, const char *p, size_t n, const struct bytes *from,
	const struct bytes *by)
{
	const size_t start = to->text.n;
	const char *end = p + n, *q;

	while (p < end) {
		q = from->n ? memmem(p, (size_t)(end - p), from->p, from->n) : NULL;
		if (bytes_put(&to->text, p, (size_t)((q ? q : end) - p)) < 0 ||
		    (q && bytes_put(&to->text, by->p, by->n) < 0))
			return -1;
		p = q ? q + from->n : end;
	}
	return put_since(to, start);
}

static int
strip(struct tokens *to, const struct decode_step *s, const char *p, size_t n)
{
	const size_t len = s->from.n, start = to->text.n;

	for (uint64_t i = 0; i < s->left && len && n >= len && !memcmp(p, s->from.p, len); i++) {
		p += len;
		n -= len;
	}
	for (uint64_t i = 0;
	     i < s->right && len && n >= len && !memcmp(p + n - len, s->from.p, len); i++)
		n -= len;
	return bytes_put(&to->text, p, n) < 0 ? -1 : put_since(to, start);
}

/* Bytes of GPT-2's alphabet; a token that is not of it stands as it is. */
static int
put_bytes(struct bytes *to, const char *p, size_t n)
{
	const size_t start = to->n;
	uint32_t c;

	for (size_t i = 0; i < n;) {
		char b;
		int is;

		i += chars_get(p + i, &c);
		if ((is = parts_byte(c)) < 0) {
			to->n = start;
			return bytes_put(to, p, n);
		}
		b = (char)is;
		if (bytes_put(to, &b, 1) < 0)
			return -1;
	}
	return 0;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* <0x41>: its byte, or -1. */
static int
byte_token(const char *p, size_t n)
{
	return n == 6 && !memcmp(p, "<0x", 3) && p[5] == '>' && hex(p[3]) >= 0 && hex(p[4]) >= 0
		       ? hex(p[3]) * 16 + hex(p[4])
		       : -1;
}

/* Byte tokens that follow each other are a text, or U+FFFD each. */
static int
fall_back(struct tokens *to, const struct tokens *in)
{
	for (size_t i = 0; i < in->span.n;) {
		const struct span *v = &in->span.v[i];
		const size_t start = to->text.n;
		size_t k = i;
		int b;

		for (;
		     k < in->span.n && (b = byte_token(in->text.p + v[k - i].at, v[k - i].n)) >= 0;
		     k++) {
			char c = (char)b;

			if (bytes_put(&to->text, &c, 1) < 0)
				return -1;
		}
		if (k == i) {
			if (bytes_put(&to->text, in->text.p + v->at, v->n) < 0)
				return -1;
			k++;
		} else if (chars_valid(to->text.p + start, k - i) != k - i) {
			to->text.n = start;
			for (size_t x = i; x < k; x++)
				if (bytes_put(&to->text, "\xef\xbf\xbd", 3) < 0)
					return -1;
		}
		if (put_since(to, start) < 0)
			return -1;
		i = k;
	}
	return 0;
}

static int
step(const struct decode_step *s, const struct tokens *in, struct tokens *to)
{
	static const struct bytes blank = {(char *)" ", 1, 0}, none = {(char *)"", 0, 0};
	struct bytes all = {0};
	int rc = 0;

	to->text.n = to->span.n = 0;
	if (s->kind == DECODE_FALLBACK)
		return fall_back(to, in);
	for (size_t i = 0; i < in->span.n && rc == 0; i++) {
		const char *p = in->text.p + in->span.v[i].at;
		size_t n = in->span.v[i].n;

		switch (s->kind) {
		case DECODE_META:
			rc = replace(to, p, n, &s->from, i || s->keep ? &blank : &none);
			break;
		case DECODE_REPLACE:
			rc = replace(to, p, n, &s->from, &s->to);
			break;
		case DECODE_STRIP:
			rc = strip(to, s, p, n);
			break;
		case DECODE_BYTES:
			rc = put_bytes(&all, p, n);
			break;
		default:
			rc = bytes_put(&all, p, n);
			break;
		}
	}
	if (rc == 0 && (s->kind == DECODE_BYTES || s->kind == DECODE_FUSE))
		rc = chars_repair(&to->text, all.p, all.n) < 0 ? -1 : put_since(to, 0);
	free(all.p);
	return rc;
}

/* The piece of an id; 0: a special token, or -1 there is none. */
static int
piece(const struct tokenizer *t, uint32_t id, int special, const char **p, size_t *n)
{
	const struct added_token *a =
		id < t->ids && t->added[id] ? &t->token[t->added[id] - 1] : NULL;
	const struct vocab *v = &t->model.vocab;
	uint32_t e = id < t->ids ? t->entry[id] : 0;

	if (!a && !e)
		return -1;
	*p = a ? a->content.p : vocab_piece(v, e - 1);
	*n = a ? a->content.n : v->entry[e - 1].n;
	return special || !a || !a->special;
}

int
tokenizer_decode(const struct tokenizer *t, const uint32_t *id, size_t n, int special,
		 struct bytes *to, uint32_t *bad)
{
	struct tokens a[2] = {{{0}, {0}}, {{0}, {0}}};
	int rc = 0, at = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *p;
		size_t start = a[0].text.n, len;
		int is = piece(t, id[i], special, &p, &len);

		if (is < 0) {
			*bad = id[i];
			rc = TOKENIZER_ID;
		} else if (is &&
			   (bytes_put(&a[0].text, p, len) < 0 || put_since(&a[0], start) < 0)) {
			rc = TOKENIZER_NOMEM;
		}
	}
	for (size_t i = 0; i < t->decodes && rc == 0; i++, at = !at)
		rc = step(&t->decode[i], &a[at], &a[!at]) < 0 ? TOKENIZER_NOMEM : 0;
	for (size_t i = 0; i < a[at].span.n && rc == 0; i++) {
		const struct span *s = &a[at].span.v[i];

		if ((t->bare && i && bytes_put(to, " ", 1) < 0) ||
		    bytes_put(to, a[at].text.p + s->at, s->n) < 0)
			rc = TOKENIZER_NOMEM;
	}
	for (int i = 0; i < 2; i++) {
		free(a[i].text.p);
		free(a[i].span.v);
	}
	return rc;
}
