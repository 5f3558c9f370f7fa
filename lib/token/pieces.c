/* Pre-tokenizers. */
#include "pieces.h"

/* One part of a piece: a match, or what lies between two. */
static int
put_part(const struct pieces_step *s, struct spans *to, size_t first, size_t at, size_t n,
	 int match, int *was)
{
	struct span *last = to->n > first ? &to->v[to->n - 1] : NULL;
	int join = 0;

	if (!n)
		return 0;
	match ^= s->invert;
	switch (s->keep) {
	case KEEP_ISOLATED:
		break;
	case KEEP_REMOVED:
		if (match)
			return 0;
		break;
	case KEEP_PREVIOUS:
		join = match && !*was;
		break;
	case KEEP_NEXT:
		join = !match && *was;
		break;
	case KEEP_CONTIGUOUS:
		join = match == *was;
		break;
	}
	*was = match;
	if (join && last && last->at + last->n == at) {
		last->n += n;
		return 0;
	}
	return spans_put(to, at, n);
}

static int
split(const struct pieces_step *s, struct match_run *r, const char *text, struct span in,
      struct spans *to)
{
	const size_t first = to->n;
	size_t done = 0, at, end;
	int rc, was = 0;

	while ((rc = match_next(s->match, r, text + in.at, in.n, done, &at, &end)) > 0) {
		if (s->keep == KEEP_ISOLATED) { /* the usual case, fast */
			if (spans_put(to, in.at + done, at - done) < 0 ||
			    spans_put(to, in.at + at, end - at) < 0)
				return -1;
			done = end;
			continue;
		}
		if (put_part(s, to, first, in.at + done, at - done, 0, &was) < 0 ||
		    put_part(s, to, first, in.at + at, end - at, 1, &was) < 0)
			return -1;
		done = end;
	}
	if (rc < 0)
		return -2;
	return put_part(s, to, first, in.at + done, in.n - done, 0, &was);
}

static int
starts(const char *p, size_t n, const struct bytes *with)
{
	return n >= with->n && !memcmp(p, with->p, with->n);
}

static int
meta(const struct pieces_step *s, const char *text, struct span in, int first, struct bytes *buf,
     struct spans *to)
{
	const char *p = text + in.at, *end = p + in.n;
	size_t from = buf->n;

	if ((s->prepend == ALWAYS || (s->prepend == FIRST && first)) && *p != ' ' &&
	    !starts(p, in.n, &s->blank) && bytes_put(buf, s->blank.p, s->blank.n) < 0)
		return -1;
	while (p < end) {
		const char *blank = memchr(p, ' ', (size_t)(end - p)), *stop = blank ? blank : end;

		if (bytes_put(buf, p, (size_t)(stop - p)) < 0 ||
		    (blank && bytes_put(buf, s->blank.p, s->blank.n) < 0))
			return -1;
		p = blank ? stop + 1 : end;
	}
	if (!s->split)
		return spans_put(to, from, buf->n - from);
	while (from < buf->n) {
		size_t end = from + starts(buf->p + from, buf->n - from, &s->blank) * s->blank.n;
		const char *next = NULL;

		/* its first byte is rare, so that memchr does most of the work */
		while (end < buf->n && (next = memchr(buf->p + end, *s->blank.p, buf->n - end)) &&
		       !starts(next, buf->n - (size_t)(next - buf->p), &s->blank))
			end = (size_t)(next - buf->p) + 1;
		end = next ? (size_t)(next - buf->p) : buf->n;
		if (spans_put(to, from, end - from) < 0)
			return -1;
		from = end;
	}
	return 0;
}

static int
prefix(const char *text, struct span in, struct bytes *buf, struct spans *to)
{
	size_t from = buf->n;

	if ((text[in.at] != ' ' && bytes_put(buf, " ", 1) < 0) ||
	    bytes_put(buf, text + in.at, in.n) < 0)
		return -1;
	return spans_put(to, from, buf->n - from);
}

/* One step over all pieces; those of a step that rewrites lie in buf. */
static int
step(struct pieces *p, const struct pieces_step *s, int first, int rewrites)
{
	const struct spans *in = &p->span[p->at];
	struct spans *out = &p->span[!p->at];
	struct bytes *buf = p->text == p->buf[0].p ? &p->buf[1] : &p->buf[0];
	int rc = 0;

	out->n = 0;
	if (rewrites)
		buf->n = 0;
	for (size_t i = 0; i < in->n && rc == 0; i++) {
		struct span v = in->v[i];

		if (!rewrites)
			rc = split(s, p->match, p->text, v, out);
		else if (s->kind == PIECES_META)
			rc = meta(s, p->text, v, first && !v.at, buf, out);
		else
			rc = prefix(p->text, v, buf, out);
	}
	p->at = !p->at;
	if (rewrites)
		p->text = buf->p;
	return rc;
}

int
pieces_cut(struct pieces *p, const struct pieces_step *s, size_t steps, const char *text, size_t n,
	   int first)
{
	p->text = text;
	p->at = 0;
	p->span[0].n = 0;
	if (spans_put(&p->span[0], 0, n) < 0)
		return -1;
	for (size_t i = 0; i < steps && p->span[p->at].n; i++) {
		int rc = 0;

		if (s[i].kind == PIECES_META || s[i].prepend == ALWAYS)
			rc = step(p, &s[i], first, 1);
		if (rc == 0 && s[i].match)
			rc = step(p, &s[i], first, 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
pieces_free(struct pieces *p)
{
	for (int i = 0; i < 2; i++) {
		free(p->buf[i].p);
		free(p->span[i].v);
	}
	match_run_free(p->match);
	memset(p, 0, sizeof *p);
}

void
pieces_step_free(struct pieces_step *s)
{
	match_free(s->match);
	free(s->blank.p);
}
