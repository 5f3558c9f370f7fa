#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "pairs.h"
#include "tool.h"

/* "0-3,9" in the order given. */
static size_t
numbers(const char *opt, const char *s, const char *end, uint64_t **to)
{
	size_t n = 0;

	for (const char *next; s <= end; s = next + 1) {
		uint64_t lo, hi;
		const char *dash;

		if (!(next = memchr(s, ',', (size_t)(end - s))))
			next = end;
		dash = memchr(s, '-', (size_t)(next - s));
		if (num_u64n(s, dash ? dash : next, 0, 1 << 20, &lo) < 0)
			die("--%s: \"%.40s\" is no list of numbers", opt, s);
		hi = lo;
		if (dash && (num_u64n(dash + 1, next, 0, 1 << 20, &hi) < 0 || hi < lo))
			die("--%s: \"%.40s\" is no list of numbers", opt, s);
		*to = xrealloc(*to, n + (hi - lo) + 1, sizeof **to);
		for (; lo <= hi; lo++)
			(*to)[n++] = lo;
	}
	return n;
}

static void
twice(const char *opt, const uint64_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (p[i] == p[k])
				die("--%s: %llu occurs twice", opt, (unsigned long long)p[i]);
}

void
pairs_parse(struct pairs *p, const char *opt, const char *val)
{
	const char *eq = strchr(val, '=');
	size_t n;

	if (p->n)
		die("--%s is given twice", opt);
	if (!eq)
		die("--%s %s: not LIST=LIST", opt, val);
	p->n = numbers(opt, val, eq, &p->from);
	n = numbers(opt, eq + 1, eq + strlen(eq), &p->to);
	if (n != p->n)
		die("--%s: %zu numbers on the left, %zu on the right", opt, p->n, n);
	twice(opt, p->from, n);
	twice(opt, p->to, n);
}

void
pairs_turns(struct pairs *p, const char *opt, const char *val)
{
	const char *eq = strchr(val, '=');
	uint64_t *source = NULL;
	size_t n;

	if (p->n)
		die("--%s is given twice", opt);
	if (!eq)
		die("--%s %.80s: not LIST=LIST", opt, val);
	p->n = numbers(opt, val, eq, &p->to);
	n = numbers(opt, eq + 1, eq + strlen(eq), &source);
	twice(opt, p->to, p->n);
	p->from = xcalloc(p->n, sizeof *p->from);
	for (size_t i = 0; i < p->n; i++)
		p->from[i] = source[i % n];
	free(source);
}

void
pairs_file(struct pairs *p, const char *opt, const char *file)
{
	struct tool_file m;
	const char *s, *end;

	if (p->n)
		die("--%s is given twice", opt);
	tool_slurp(&m, file);
	s = (const char *)m.p;
	end = s + m.n;
	for (;;) {
		const char *word;
		uint64_t id;

		while (s < end && strchr(" \t\n,", *s))
			s++;
		if (s == end)
			break;
		for (word = s; s < end && !strchr(" \t\n,", *s);)
			s++;
		if (num_u64n(word, s, 0, TR_EXPERTS_MAX - 1, &id) < 0)
			die("%s: number %zu is no expert", file, p->n + 1);
		p->from = xrealloc(p->from, p->n + 1, sizeof id);
		p->to = xrealloc(p->to, p->n + 1, sizeof id);
		p->from[p->n] = p->n;
		p->to[p->n++] = id;
	}
	tool_unslurp(&m);
	if (!p->n)
		die("%s: no numbers", file);
	twice(opt, p->to, p->n);
}

uint64_t
pairs_to(const struct pairs *p, uint64_t from)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->from[i] == from)
			return p->to[i];
	return from;
}
