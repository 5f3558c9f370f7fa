/* The components of a tokenizer.json. */
#include <stdio.h>

#include "../format/base64.h"
#include "parts.h"
#include "size.h"

int
parts_str(struct json *j, int v, struct bytes *to)
{
	size_t raw;
	long n;

	if (json_type(j, v) != JSON_STR) {
		json_fail(j, MAX(v, 0), "not a string");
		return TOKENIZER_BAD;
	}
	json_raw(j, v, &raw);
	if (bytes_room(to, raw + 1) < 0)
		return TOKENIZER_NOMEM;
	if ((n = json_str(j, v, to->p + to->n, raw + 1)) < 0 ||
	    chars_valid(to->p + to->n, (size_t)n) != (size_t)n) {
		json_fail(j, v, "not a string of Unicode");
		return TOKENIZER_BAD;
	}
	to->n += (size_t)n;
	return 0;
}

int
parts_flag(struct json *j, int v, const char *key, int dflt)
{
	enum json_type type = json_type(j, json_find(j, v, key));

	return type == JSON_TRUE ? 1 : type == JSON_FALSE ? 0 : dflt;
}

int
parts_refuse(struct json *j, int v, const char *what)
{
	int type = json_find(j, v, "type");
	size_t n = 0;
	const char *raw = type < 0 ? NULL : json_raw(j, type, &n);

	if (raw && n <= 64)
		json_fail(j, v, "%s %.*s is not known", what, (int)n, raw);
	else
		json_fail(j, MAX(v, 0), "%s without a type that is known", what);
	return TOKENIZER_BAD;
}

int
parts_each(struct tokenizer *t, struct json *j, int v, const char *key,
	   int (*one)(struct tokenizer *, struct json *, int))
{
	int list = json_find(j, v, key), rc = 0;

	if (json_type(j, list) != JSON_ARR) {
		json_fail(j, v, "no array %s", key);
		return TOKENIZER_BAD;
	}
	for (int i = json_first(j, list); i >= 0 && rc == 0; i = json_next(j, list, i))
		rc = one(t, j, i);
	return rc;
}

struct match *
parts_match(struct json *j, int v, int *rc)
{
	int string = json_find(j, v, "String"), regex = json_find(j, v, "Regex");
	struct bytes p = {0};
	struct match *m = NULL;
	char why[128] = "";
	size_t n;

	if ((*rc = parts_str(j, string >= 0 ? string : regex, &p)) < 0)
		goto end;
	*rc = TOKENIZER_NOMEM;
	if (string >= 0 && p.n) {
		m = match_literal(p.p, p.n);
	} else if (string >= 0) {
		json_fail(j, v, "an empty pattern");
		*rc = TOKENIZER_BAD;
	} else if (!(m = match_pattern(p.p, p.n, rc, why, sizeof why))) {
		/* as it stands there: on one line */
		const char *raw = json_raw(j, regex, &n);

		for (n = MIN(n, 80); n && ((unsigned char)raw[n] & 0xc0) == 0x80;)
			n--;
		json_fail(j, regex, "pattern %.*s%s%s", (int)n, raw,
			  *rc == MATCH_ABSENT ? " takes PCRE2, without which this was built" : ": ",
			  why);
		*rc = *rc == MATCH_ABSENT ? TOKENIZER_ABSENT
		      : *rc == MATCH_BAD  ? TOKENIZER_BAD
					  : TOKENIZER_NOMEM;
	}
end:
	free(p.p);
	return m;
}

static int
is_type(struct json *j, int v, const char *type)
{
	return json_is(j, json_find(j, v, "type"), type);
}

int
parts_normalizer(struct tokenizer *t, struct json *j, int v)
{
	static const char *const form[] = {"NFC", "NFD", "NFKC", "NFKD"};
	struct normal *n;
	int rc = 0;

	if (json_type(j, v) == JSON_NULL || v < 0)
		return 0;
	if (is_type(j, v, "Sequence"))
		return parts_each(t, j, v, "normalizers", parts_normalizer);
	if (t->normals == t->capnormal &&
	    bytes_grow(&t->normal, &t->capnormal, t->normals, 1, sizeof *t->normal) < 0)
		return TOKENIZER_NOMEM;
	n = &t->normal[t->normals++];
	*n = (struct normal){0};
	for (int i = 0; i < (int)LEN(form); i++)
		if (is_type(j, v, form[i])) {
			n->kind = NORMAL_FORM;
			n->form = (enum chars_form)i;
			return 0;
		}
	if (is_type(j, v, "Prepend")) {
		n->kind = NORMAL_PREPEND;
		return parts_str(j, json_find(j, v, "prepend"), &n->text);
	}
	if (is_type(j, v, "Replace")) {
		n->kind = NORMAL_REPLACE;
		if (!(n->match = parts_match(j, json_find(j, v, "pattern"), &rc)))
			return rc;
		return parts_str(j, json_find(j, v, "content"), &n->text);
	}
	if (is_type(j, v, "Strip")) {
		n->kind = NORMAL_STRIP;
		n->left = parts_flag(j, v, "strip_left", 1);
		n->right = parts_flag(j, v, "strip_right", 1);
		return 0;
	}
	if (is_type(j, v, "Precompiled")) {
		int map = json_find(j, v, "precompiled_charsmap");
		struct bytes b = {0};
		long len;

		n->kind = NORMAL_CHARSMAP;
		if (json_type(j, map) == JSON_NULL) { /* no map */
			t->normals--;
			return 0;
		}
		if ((rc = parts_str(j, map, &b)) == 0 &&
		    ((len = base64_get(b.p, b.p, b.n)) < 0 ||
		     (b.n = (size_t)len, normal_charsmap(n, &b)) < 0)) {
			json_fail(j, map, "not a map of SentencePiece");
			rc = TOKENIZER_BAD;
		}
		free(b.p);
		return rc;
	}
	t->normals--;
	return parts_refuse(j, v, "normalizer");
}

static int
behavior(struct json *j, int v, enum pieces_keep *keep)
{
	static const char *const name[] = {"Isolated", "Removed", "MergedWithPrevious",
					   "MergedWithNext", "Contiguous"};
	int b = json_find(j, v, "behavior");

	for (int i = 0; i < (int)LEN(name); i++)
		if (json_is(j, b, name[i])) {
			*keep = (enum pieces_keep)i;
			return 0;
		}
	json_fail(j, v, "a behavior that is not known");
	return TOKENIZER_BAD;
}

static int
metaspace(struct tokenizer *t, struct json *j, int v, struct pieces_step *s)
{
	int scheme = json_find(j, v, "prepend_scheme"), rc;

	s->kind = PIECES_META;
	s->split = parts_flag(j, v, "split", 1);
	s->prepend = parts_flag(j, v, "add_prefix_space", 1) ? ALWAYS : NEVER;
	if (json_is(j, scheme, "first"))
		s->prepend = FIRST;
	else if (json_is(j, scheme, "always"))
		s->prepend = ALWAYS;
	else if (json_is(j, scheme, "never"))
		s->prepend = NEVER;
	else if (scheme >= 0) {
		json_fail(j, scheme, "a prepend_scheme that is not known");
		return TOKENIZER_BAD;
	}
	if ((rc = parts_str(j, json_find(j, v, "replacement"), &s->blank)) < 0)
		return rc;
	if (!s->blank.n) {
		json_fail(j, v, "an empty replacement");
		return TOKENIZER_BAD;
	}
	return 0;
}

int
parts_pieces(struct tokenizer *t, struct json *j, int v)
{
	struct pieces_step *s;
	int rc = 0;

	if (json_type(j, v) == JSON_NULL || v < 0)
		return 0;
	if (is_type(j, v, "Sequence"))
		return parts_each(t, j, v, "pretokenizers", parts_pieces);
	if (t->steps && t->step[t->steps - 1].kind == PIECES_BYTES) {
		json_fail(j, v, "a pre-tokenizer behind ByteLevel");
		return TOKENIZER_BAD;
	}
	if (t->steps == t->capstep &&
	    bytes_grow(&t->step, &t->capstep, t->steps, 1, sizeof *t->step) < 0)
		return TOKENIZER_NOMEM;
	s = &t->step[t->steps++];
	*s = (struct pieces_step){.kind = PIECES_SPLIT, .prepend = NEVER};
	if (is_type(j, v, "Metaspace"))
		return metaspace(t, j, v, s);
	if (is_type(j, v, "WhitespaceSplit")) {
		s->keep = KEEP_REMOVED;
		s->match = match_spaces();
		return s->match ? 0 : TOKENIZER_NOMEM;
	}
	if (is_type(j, v, "Digits")) {
		s->match = match_digits(parts_flag(j, v, "individual_digits", 0));
		return s->match ? 0 : TOKENIZER_NOMEM;
	}
	if (is_type(j, v, "ByteLevel")) {
		s->kind = PIECES_BYTES;
		s->prepend = parts_flag(j, v, "add_prefix_space", 1) ? ALWAYS : NEVER;
		t->model.bytes = 1;
		return parts_flag(j, v, "use_regex", 1) && !(s->match = match_gpt2())
			       ? TOKENIZER_NOMEM
			       : 0;
	}
	if (is_type(j, v, "Split")) {
		s->invert = parts_flag(j, v, "invert", 0);
		if ((rc = behavior(j, v, &s->keep)) == 0)
			s->match = parts_match(j, json_find(j, v, "pattern"), &rc);
		return s->match ? 0 : rc;
	}
	t->steps--;
	return parts_refuse(j, v, "pre_tokenizer");
}

/* "</s>" of {"ids": [1], ..} in special_tokens */
static int
template_ids(struct json *j, int v, int token, struct ids *to)
{
	struct bytes name = {0};
	uint64_t id;
	int rc = parts_str(j, json_find(j, token, "id"), &name), list = -1;

	if (rc == 0 && bytes_put(&name, "", 1) < 0)
		rc = TOKENIZER_NOMEM;
	if (rc == 0)
		list = json_find(j, json_find(j, json_find(j, v, "special_tokens"), name.p), "ids");
	free(name.p);
	if (rc < 0)
		return rc;
	if (json_type(j, list) != JSON_ARR) {
		json_fail(j, token, "a special token without ids");
		return TOKENIZER_BAD;
	}
	for (int i = json_first(j, list); i >= 0; i = json_next(j, list, i)) {
		if (json_u64(j, i, &id) || id >= UINT32_MAX) {
			json_fail(j, i, "not an id");
			return TOKENIZER_BAD;
		}
		if (ids_put(to, (uint32_t)id) < 0)
			return TOKENIZER_NOMEM;
	}
	return 0;
}

/* Ids before what is put around already, or behind it. */
static int
around(struct tokenizer *t, const struct ids *before, const struct ids *behind)
{
	struct ids all = {0};

	for (size_t i = 0; i < before->n; i++)
		if (ids_put(&all, before->v[i]) < 0)
			goto nomem;
	for (size_t i = 0; i < t->before.n; i++)
		if (ids_put(&all, t->before.v[i]) < 0)
			goto nomem;
	for (size_t i = 0; i < behind->n; i++)
		if (ids_put(&t->behind, behind->v[i]) < 0)
			goto nomem;
	free(t->before.v);
	t->before = all;
	return 0;
nomem:
	free(all.v);
	return TOKENIZER_NOMEM;
}

static int template(struct tokenizer *t, struct json *j, int v)
{
	int list = json_find(j, v, "single"), seen = 0, rc = 0;
	struct ids side[2] = {{0}, {0}};

	for (int i = json_first(j, list); i >= 0 && rc == 0; i = json_next(j, list, i)) {
		int special = json_find(j, i, "SpecialToken");

		if (special >= 0)
			rc = template_ids(j, v, special, &side[seen]);
		else if (json_find(j, i, "Sequence") >= 0 && !seen)
			seen = 1;
		else
			rc = (json_fail(j, i, "not part of a template"), TOKENIZER_BAD);
	}
	if (rc == 0 && !seen)
		rc = (json_fail(j, v, "a template without the text"), TOKENIZER_BAD);
	if (rc == 0)
		rc = around(t, &side[0], &side[1]);
	free(side[0].v);
	free(side[1].v);
	return rc;
}

/* ["</s>", 2] */
static int
pair_id(struct json *j, int v, const char *key, uint32_t *to)
{
	int list = json_find(j, v, key), i = json_first(j, list);
	uint64_t id;

	if (i < 0 || json_u64(j, json_next(j, list, i), &id) || id >= UINT32_MAX) {
		json_fail(j, v, "no token %s", key);
		return TOKENIZER_BAD;
	}
	*to = (uint32_t)id;
	return 0;
}

int
parts_post(struct tokenizer *t, struct json *j, int v)
{
	if (json_type(j, v) == JSON_NULL || v < 0 || is_type(j, v, "ByteLevel"))
		return 0;
	if (is_type(j, v, "Sequence"))
		return parts_each(t, j, v, "processors", parts_post);
	if (is_type(j, v, "TemplateProcessing"))
		return template(t, j, v);
	if (is_type(j, v, "RobertaProcessing") || is_type(j, v, "BertProcessing")) {
		uint32_t cls, sep;
		int rc;

		if ((rc = pair_id(j, v, "cls", &cls)) < 0 || (rc = pair_id(j, v, "sep", &sep)) < 0)
			return rc;
		return around(t, &(struct ids){&cls, 1, 1}, &(struct ids){&sep, 1, 1});
	}
	return parts_refuse(j, v, "post_processor");
}

int
parts_decoder(struct tokenizer *t, struct json *j, int v)
{
	struct decode_step *s;
	int rc, scheme;

	if (json_type(j, v) == JSON_NULL || v < 0)
		return 0;
	if (is_type(j, v, "Sequence"))
		return parts_each(t, j, v, "decoders", parts_decoder);
	if (t->decodes == t->capdecode &&
	    bytes_grow(&t->decode, &t->capdecode, t->decodes, 1, sizeof *t->decode) < 0)
		return TOKENIZER_NOMEM;
	s = &t->decode[t->decodes++];
	*s = (struct decode_step){.kind = DECODE_BYTES};
	if (is_type(j, v, "ByteLevel"))
		return 0;
	if (is_type(j, v, "ByteFallback")) {
		s->kind = DECODE_FALLBACK;
		return 0;
	}
	if (is_type(j, v, "Fuse")) {
		s->kind = DECODE_FUSE;
		return 0;
	}
	if (is_type(j, v, "Metaspace")) {
		s->kind = DECODE_META;
		scheme = json_find(j, v, "prepend_scheme");
		s->keep = scheme >= 0 ? json_is(j, scheme, "never")
				      : !parts_flag(j, v, "add_prefix_space", 1);
		return parts_str(j, json_find(j, v, "replacement"), &s->from);
	}
	if (is_type(j, v, "Strip")) {
		s->kind = DECODE_STRIP;
		if (json_u64(j, json_find(j, v, "start"), &s->left) ||
		    json_u64(j, json_find(j, v, "stop"), &s->right)) {
			json_fail(j, v, "Strip without start and stop");
			return TOKENIZER_BAD;
		}
		return parts_str(j, json_find(j, v, "content"), &s->from);
	}
	if (is_type(j, v, "Replace")) {
		int pattern = json_find(j, v, "pattern"), string = json_find(j, pattern, "String");

		s->kind = DECODE_REPLACE;
		if (string < 0) {
			json_fail(j, v, "decoder Replace without a String");
			return TOKENIZER_BAD;
		}
		if ((rc = parts_str(j, string, &s->from)) < 0)
			return rc;
		return parts_str(j, json_find(j, v, "content"), &s->to);
	}
	t->decodes--;
	return parts_refuse(j, v, "decoder");
}
