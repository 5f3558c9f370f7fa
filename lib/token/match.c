/* Patterns: scanners, and PCRE2. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "chars.h"
#include "match.h"

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

enum kind { LITERAL, WORDS, CLASS, TAIL, PCRE };

struct range {
	uint32_t lo, hi;
};

struct match {
	enum kind kind;
	struct bytes text; /* LITERAL */

	/* WORDS: contractions, letters, numbers, the rest, white space */
	int gpt2;      /* 1: contractions in lower case, one blank before what is no space */
	size_t digits; /* of a number, at most */

	/* CLASS: perhaps a space, then members of a class */
	char lead;   /* 's': \s?, ' ': a blank, 0: none */
	size_t most; /* of them */
	int negated;
	char category[8]; /* \p{}, NUL-ended; 's': \s */
	struct range *range;
	size_t ranges, cap;
	unsigned char ascii[128];

#ifdef HAVE_PCRE2
	pcre2_code *code;
#endif
};

struct match_run {
#ifdef HAVE_PCRE2
	pcre2_match_data *data;
#else
	int none;
#endif
};

static const unsigned char ascii_class[128] = {
	[9] = CHARS_SPACE,
	[10] = CHARS_SPACE,
	[11] = CHARS_SPACE,
	[12] = CHARS_SPACE,
	[13] = CHARS_SPACE,
	[' '] = CHARS_SPACE,
	['0'] = CHARS_NUMBER,
	['1'] = CHARS_NUMBER,
	['2'] = CHARS_NUMBER,
	['3'] = CHARS_NUMBER,
	['4'] = CHARS_NUMBER,
	['5'] = CHARS_NUMBER,
	['6'] = CHARS_NUMBER,
	['7'] = CHARS_NUMBER,
	['8'] = CHARS_NUMBER,
	['9'] = CHARS_NUMBER,
#define L(c) [c] = CHARS_LETTER, [c - 32] = CHARS_LETTER
	L('a'),
	L('b'),
	L('c'),
	L('d'),
	L('e'),
	L('f'),
	L('g'),
	L('h'),
	L('i'),
	L('j'),
	L('k'),
	L('l'),
	L('m'),
	L('n'),
	L('o'),
	L('p'),
	L('q'),
	L('r'),
	L('s'),
	L('t'),
	L('u'),
	L('v'),
	L('w'),
	L('x'),
	L('y'),
	L('z'),
#undef L
};

/* Class and bytes of the character at p. */
static inline enum chars_class
class_at(const char *p, size_t *len)
{
	uint32_t c;

	if ((unsigned char)*p < 128) {
		*len = 1;
		return ascii_class[(unsigned char)*p];
	}
	*len = chars_get(p, &c);
	return chars_class(c);
}

/* The end of a run of that class from i, of at most so many. */
static inline size_t
run_of(const char *p, size_t n, size_t i, enum chars_class want, size_t most)
{
	size_t len;

	for (; most && i < n && class_at(p + i, &len) == want; most--)
		i += len;
	return i;
}

/* Bytes of a contraction at p, which is an apostrophe; 0: none. */
static size_t
contraction(const char *p, size_t n, int anycase)
{
	char c[2];

	for (size_t i = 0; i < 2; i++) {
		c[i] = n > i + 1 ? p[i + 1] : 0;
		if (anycase && c[i] >= 'A' && c[i] <= 'Z')
			c[i] = (char)(c[i] + 32);
	}
	if (strchr("stmd", c[0]) && c[0])
		return 2;
	if ((c[0] == 'r' && c[1] == 'e') || (c[0] == 'v' && c[1] == 'e') ||
	    (c[0] == 'l' && c[1] == 'l'))
		return 3;
	/* U+017F, which is an s of lower case, too */
	return anycase && n >= 3 && !memcmp(p + 1, "\xc5\xbf", 2) ? 3 : 0;
}

/* The end of the piece at i: one alternative after the other, as they stand in the pattern. */
static size_t
words_end(const struct match *m, const char *p, size_t n, size_t i)
{
	size_t len, len2 = 0, e, last;
	enum chars_class c = class_at(p + i, &len), next = CHARS_SPACE;

	if (p[i] == '\'' && (e = contraction(p + i, n - i, !m->gpt2)))
		return i + e;
	if (i + len < n)
		next = class_at(p + i + len, &len2);
	if (c == CHARS_LETTER)
		return run_of(p, n, i + len, CHARS_LETTER, SIZE_MAX);
	if (m->gpt2) {
		if (c == CHARS_SPACE && p[i] == ' ' && next != CHARS_SPACE)
			return run_of(p, n, i + len + len2, next, SIZE_MAX);
		if (c != CHARS_SPACE)
			return run_of(p, n, i + len, c, SIZE_MAX);
	} else {
		if (c != CHARS_NUMBER && next == CHARS_LETTER && p[i] != '\r' && p[i] != '\n')
			return run_of(p, n, i + len + len2, CHARS_LETTER, SIZE_MAX);
		if (c == CHARS_NUMBER)
			return run_of(p, n, i + len, CHARS_NUMBER, m->digits - 1);
		if (c == CHARS_OTHER || (p[i] == ' ' && next == CHARS_OTHER && i + len < n)) {
			e = run_of(p, n, i + len, CHARS_OTHER, SIZE_MAX);
			while (e < n && (p[e] == '\r' || p[e] == '\n'))
				e++;
			return e;
		}
	}
	/* white space: up to its last line end; or all; or all but the last, which goes with
	 * what follows */
	for (e = i, last = i; e < n && class_at(p + e, &len) == CHARS_SPACE; e += len)
		last = e;
	if (!m->gpt2)
		for (size_t k = e; k > i; k--)
			if (p[k - 1] == '\r' || p[k - 1] == '\n')
				return k;
	return e == n || last == i ? e : last;
}

static int
in_class(const struct match *m, uint32_t c)
{
	size_t lo = 0, hi = m->ranges;
	int is = 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->range[mid].hi < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	is = lo < m->ranges && m->range[lo].lo <= c;
	for (const char *g = m->category; *g && !is; g++)
		is = *g == 's' ? chars_space(c) : chars_category(c) == *g;
	return is != m->negated;
}

/* 1 if the character at p is of the class, and its bytes. */
static inline int
member(const struct match *m, const char *p, size_t *len)
{
	uint32_t c;

	if ((unsigned char)*p < 128) {
		*len = 1;
		return m->ascii[(unsigned char)*p];
	}
	*len = chars_get(p, &c);
	return in_class(m, c);
}

static int
class_next(const struct match *m, const char *p, size_t n, size_t i, size_t *at, size_t *end)
{
	size_t len, len2;

	for (; i < n; i += len) {
		size_t e = i, left = m->most;
		int is = member(m, p + i, &len);

		if (m->lead && i + len < n && member(m, p + i + len, &len2) &&
		    (m->lead == ' ' ? p[i] == ' ' : class_at(p + i, &len) == CHARS_SPACE))
			e += len;
		else if (!is)
			continue;
		*at = i;
		for (; left && e < n && member(m, p + e, &len); left--)
			e += len;
		*end = e;
		return 1;
	}
	return 0;
}

/* \s+$, where $ is also before a line end */
static int
tail_next(const char *p, size_t n, size_t i, size_t *at, size_t *end)
{
	size_t len;

	while (i < n) {
		size_t e, last = i;

		if (class_at(p + i, &len) != CHARS_SPACE) {
			i += len;
			continue;
		}
		e = run_of(p, n, i, CHARS_SPACE, SIZE_MAX);
		for (size_t k = i; k < e; k++)
			if (p[k] == '\n')
				last = k;
		*at = i;
		*end = e == n ? e : last;
		if (*end > i)
			return 1;
		i = e;
	}
	return 0;
}

struct match_run *
match_run_new(void)
{
	struct match_run *r = calloc(1, sizeof *r);

#ifdef HAVE_PCRE2
	if (r && !(r->data = pcre2_match_data_create(1, NULL))) {
		free(r);
		return NULL;
	}
#endif
	return r;
}

void
match_run_free(struct match_run *r)
{
#ifdef HAVE_PCRE2
	if (r)
		pcre2_match_data_free(r->data);
#endif
	free(r);
}

#ifdef HAVE_PCRE2
static int
pcre_next(const struct match *m, struct match_run *r, const char *p, size_t n, size_t i, size_t *at,
	  size_t *end)
{
	for (;;) {
		int rc = pcre2_match(m->code, (PCRE2_SPTR)p, n, i, PCRE2_NO_UTF_CHECK, r->data,
				     NULL);
		const PCRE2_SIZE *o = pcre2_get_ovector_pointer(r->data);
		uint32_t c;

		if (rc < 0)
			return rc == PCRE2_ERROR_NOMATCH ? 0 : MATCH_BAD;
		*at = o[0];
		*end = o[1];
		if (*end > *at)
			return 1;
		if (*at >= n)
			return 0;
		i = *at + chars_get(p + *at, &c);
	}
}
#endif

int
match_next(const struct match *m, struct match_run *r, const char *p, size_t n, size_t from,
	   size_t *at, size_t *end)
{
	const char *q;

	if (from >= n)
		return 0;
	switch (m->kind) {
	case LITERAL:
		if (!(q = memmem(p + from, n - from, m->text.p, m->text.n)))
			return 0;
		*at = (size_t)(q - p);
		*end = *at + m->text.n;
		return 1;
	case WORDS:
		*at = from;
		*end = words_end(m, p, n, from);
		return 1;
	case CLASS:
		return class_next(m, p, n, from, at, end);
	case TAIL:
		return tail_next(p, n, from, at, end);
	case PCRE:
		break;
	}
#ifdef HAVE_PCRE2
	return pcre_next(m, r, p, n, from, at, end);
#else
	return 0;
#endif
}

void
match_free(struct match *m)
{
	if (!m)
		return;
	free(m->text.p);
	free(m->range);
#ifdef HAVE_PCRE2
	pcre2_code_free(m->code);
#endif
	free(m);
}

static struct match *
make(enum kind kind)
{
	struct match *m = calloc(1, sizeof *m);

	if (m)
		m->kind = kind;
	return m;
}

struct match *
match_literal(const char *p, size_t n)
{
	struct match *m = make(LITERAL);

	if (m && bytes_put(&m->text, p, n) < 0) {
		match_free(m);
		return NULL;
	}
	return m;
}

static int
by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorted and apart; the table of ASCII. */
static void
class_end(struct match *m)
{
	size_t n = 0;

	if (m->ranges)
		qsort(m->range, m->ranges, sizeof *m->range, by_lo);
	for (size_t i = 0; i < m->ranges; i++) {
		struct range r = m->range[i];

		if (n && r.lo <= m->range[n - 1].hi) {
			if (r.hi > m->range[n - 1].hi)
				m->range[n - 1].hi = r.hi;
		} else {
			m->range[n++] = r;
		}
	}
	m->ranges = n;
	for (uint32_t c = 0; c < 128; c++)
		m->ascii[c] = (unsigned char)in_class(m, c);
}

struct match *
match_digits(int one)
{
	struct match *m = make(CLASS);

	if (!m)
		return NULL;
	m->category[0] = 'N';
	m->most = one ? 1 : SIZE_MAX;
	class_end(m);
	return m;
}

struct match *
match_spaces(void)
{
	struct match *m = make(CLASS);

	if (!m)
		return NULL;
	m->category[0] = 's';
	m->most = SIZE_MAX;
	class_end(m);
	return m;
}

struct match *
match_gpt2(void)
{
	struct match *m = make(WORDS);

	if (m)
		m->gpt2 = 1;
	return m;
}

/* One member at *p of a class: a character, or a category.  0 it is not so simple. */
static int
class_item(struct match *m, const char **p, const char *end, uint32_t *c, char *category)
{
	const char *q = *p;

	*category = 0;
	if (q == end || *q == '[' || *q == '&')
		return 0;
	if (*q != '\\') {
		*p = q + chars_get(q, c);
		return 1;
	}
	if (end - q < 2)
		return 0;
	*p = q + 2;
	switch (q[1]) {
	case 'r':
		*c = '\r';
		return 1;
	case 'n':
		*c = '\n';
		return 1;
	case 't':
		*c = '\t';
		return 1;
	case 's':
		*category = 's';
		return 1;
	case 'p':
		if (end - q < 5 || q[2] != '{' || q[4] != '}' || !strchr("LMNPSZ", q[3]))
			return 0;
		*category = q[3];
		*p = q + 5;
		return 1;
	default:
		*c = (unsigned char)q[1];
		return *c < 128 && ascii_class[*c] == CHARS_OTHER;
	}
}

/* 1 and m, if the pattern is (\s?| ?)(CLASS)(+|{1,N})? of simple members; 0 it is not; -1. */
static int
class_parse(struct match *m, const char *p, size_t n)
{
	const char *end = p + n;
	size_t categories = 0;
	uint32_t c, hi;
	char g;
	int bracket;

	m->most = 1;
	if (n > 3 && !memcmp(p, "\\s?", 3)) {
		m->lead = 's';
		p += 3;
	} else if (n > 2 && !memcmp(p, " ?", 2)) {
		m->lead = ' ';
		p += 2;
	}
	if (p == end)
		return 0;
	if ((bracket = *p == '[')) {
		p++;
		if (p < end && *p == '^') {
			m->negated = 1;
			p++;
		}
	} else if (*p != '\\') {
		return 0;
	}
	do {
		if (!class_item(m, &p, end, &c, &g))
			return 0;
		if (g) {
			if (categories + 1 == sizeof m->category)
				return 0;
			m->category[categories++] = g;
			continue;
		}
		hi = c;
		if (end - p > 1 && *p == '-' && p[1] != ']' && bracket) {
			p++;
			if (!class_item(m, &p, end, &hi, &g) || g || hi < c)
				return 0;
		}
		if (m->ranges == m->cap &&
		    bytes_grow(&m->range, &m->cap, m->ranges, 1, sizeof *m->range) < 0)
			return -1;
		m->range[m->ranges++] = (struct range){c, hi};
	} while (bracket && p < end && *p != ']');
	if (bracket && p++ == end)
		return 0;
	if (end - p == 1 && *p == '+')
		m->most = SIZE_MAX;
	else if (end - p == 5 && !memcmp(p, "{1,", 3) && p[3] >= '1' && p[3] <= '9' && p[4] == '}')
		m->most = (size_t)(p[3] - '0');
	else if (p != end)
		return 0;
	class_end(m);
	return 1;
}

static int
is(const char *p, size_t n, const char *pattern)
{
	return strlen(pattern) == n && !memcmp(p, pattern, n);
}

/* A part of the pattern that the library of these patterns, Oniguruma, takes for other characters
 * than PCRE2; NULL: none. */
static const char *
foreign(const char *p, size_t n)
{
	static const char *const part[] = {"\\w", "\\W", "\\b", "\\B", "\\h", "\\H",
					   "\\R", "\\X", "\\y", "\\Y", "[:",  "&&"};

	for (size_t i = 0; i + 1 < n; i += 1 + !memcmp(p + i, "\\\\", 2))
		for (size_t k = 0; k < sizeof part / sizeof *part; k++)
			if (!memcmp(p + i, part[k], 2))
				return part[k];
	return NULL;
}

#define CUT "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

struct match *
match_pattern(const char *p, size_t n, int *rc, char *why, size_t size)
{
	struct match *m = make(WORDS);

	*rc = MATCH_NOMEM;
	*why = '\0';
	if (!m)
		return NULL;
	if (is(p, n,
	       "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| "
	       "?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")) {
		m->gpt2 = 1;
		return m;
	}
	m->digits = is(p, n, CUT "\\p{N}" REST) ? 1 : is(p, n, CUT "\\p{N}{1,3}" REST) ? 3 : 0;
	if (m->digits)
		return m;
	if (is(p, n, "\\s+$")) {
		m->kind = TAIL;
		return m;
	}
	m->kind = CLASS;
	switch (class_parse(m, p, n)) {
	case 1:
		return m;
	case -1:
		match_free(m);
		return NULL;
	}
	match_free(m);
	if (foreign(p, n)) {
		*rc = MATCH_BAD;
		snprintf(why, size, "%s is not known", foreign(p, n));
		return NULL;
	}
#ifdef HAVE_PCRE2
	{
		int e;
		PCRE2_SIZE at;

		if (!(m = make(PCRE)))
			return NULL;
		/* ^ and $ at every line, as the Ruby dialect has it that these patterns are in */
		m->code = pcre2_compile((PCRE2_SPTR)p, n,
					PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
						PCRE2_NEVER_BACKSLASH_C,
					&e, &at, NULL);
		if (!m->code) {
			*rc = MATCH_BAD;
			pcre2_get_error_message(e, (PCRE2_UCHAR *)why, size);
			match_free(m);
			return NULL;
		}
		pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE);
		return m;
	}
#else
	*rc = MATCH_ABSENT;
	return NULL;
#endif
}

int
match_scans(const struct match *m)
{
	return m->kind != PCRE;
}
