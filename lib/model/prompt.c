#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/model/prompt.h"
#include "num.h"
#include "size.h"

static int
refuse(struct prompt_rules *x, uint64_t line, const char *why)
{
	snprintf(x->err, sizeof x->err, "%llu: %s", (unsigned long long)line, why);
	return -1;
}

void
prompt_rules_free(struct prompt_rules *x)
{
	free(x->rule);
	free(x->text);
	*x = (struct prompt_rules){0};
}

/* "a+b,c": no part is empty. */
static int
fields_ok(const char *s)
{
	size_t n;

	for (;; s += n + 1) {
		n = strcspn(s, "+,");
		if (!n)
			return 0;
		if (!s[n])
			return 1;
	}
}

static int
add_rule(struct prompt_rules *x, char *line, uint64_t number)
{
	struct prompt_rule *rules, *r;
	char *cell[5], *p = line;
	size_t n = 0;

	for (;;) {
		char *tab = strchr(p, '\t');

		if (n == LEN(cell))
			return refuse(x, number, "more than 5 cells");
		cell[n++] = p;
		if (!tab)
			break;
		*tab = 0;
		p = tab + 1;
	}
	if (n < LEN(cell))
		return refuse(x, number,
			      "fewer than 5 cells: dataset config fields prefix samples, by tabs");
	for (size_t i = 0; i < n; i++)
		if (!*cell[i])
			return refuse(x, number, "an empty cell");
	if (!(rules = realloc(x->rule, (x->n + 1) * sizeof *rules)))
		return refuse(x, number, "no memory");
	x->rule = rules;
	r = &rules[x->n++];
	*r = (struct prompt_rule){cell[0], cell[1], cell[3], cell[2], 0};
	if (!fields_ok(r->fields))
		return refuse(x, number, "fields without a name");
	if (num_u64(cell[4], 1, UINT32_MAX, &r->samples) < 0)
		return refuse(x, number, "samples is no number");
	return 0;
}

int
prompt_rules_parse(struct prompt_rules *x, const char *p, size_t n)
{
	uint64_t number = 1;
	char *line, *end;

	*x = (struct prompt_rules){0};
	if (memchr(p, 0, n))
		return refuse(x, number, "no text");
	if (!(x->text = malloc(n + 1)))
		return refuse(x, number, "no memory");
	memcpy(x->text, p, n);
	x->text[n] = 0;
	for (line = x->text; *line; line = end, number++) {
		end = line + strcspn(line, "\n");
		if (end > line && end[-1] == '\r')
			end[-1] = 0;
		if (*end)
			*end++ = 0;
		if (*line && *line != '#' && add_rule(x, line, number) < 0)
			return -1;
	}
	return x->n ? 0 : refuse(x, 1, "no rules");
}

const struct prompt_rule *
prompt_rule_find(const struct prompt_rules *x, const char *dataset, const char *config)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct prompt_rule *r = &x->rule[i];

		if ((!strcmp(r->dataset, "*") || !strcmp(r->dataset, dataset)) &&
		    (!strcmp(r->config, "*") || !strcmp(r->config, config)))
			return r;
	}
	return NULL;
}

/* Cut the next part off a name. */
static char *
part(char **name, const char *mark)
{
	char *p = *name, *end = p ? strstr(p, mark) : NULL;

	*name = end ? end + strlen(mark) : NULL;
	if (end)
		*end = 0;
	return p && *p ? p : NULL;
}

int
prompt_name_parse(struct prompt_name *x, const char *operand)
{
	const char *eq = strchr(operand, '='), *slash = strchr(operand, '/'), *base, *mark = ":";
	char *rest;

	*x = (struct prompt_name){.file = operand};
	base = strcmp(operand, "-") ? operand : "stdin";
	/* a hub name may have a slash, and so may a path with = in it, which is there */
	if (eq && (!slash || eq < slash || access(operand, F_OK) < 0)) {
		x->file = eq + 1;
		x->text = strndup(base, (size_t)(eq - operand));
	} else {
		base = strrchr(base, '/') ? strrchr(base, '/') + 1 : base;
		x->text = strndup(base, (size_t)(record_ending(base) - base));
		mark = "--";
	}
	if (!(rest = x->text))
		return -2;
	x->dataset = part(&rest, mark);
	x->config = part(&rest, mark);
	x->split = part(&rest, mark);
	if (!x->dataset || rest || !*x->file)
		return -1;
	if (asprintf(&x->id, "%s/%s/%s", x->dataset, x->config ? x->config : "default",
		     x->split ? x->split : "train") < 0) {
		x->id = NULL;
		return -2;
	}
	x->set = strndup(x->id, strlen(x->dataset) + (x->config ? strlen(x->config) + 1 : 0));
	return x->set ? 0 : -2;
}

void
prompt_name_free(struct prompt_name *x)
{
	free(x->text);
	free(x->id);
	free(x->set);
	*x = (struct prompt_name){0};
}

/* The character at p: its bytes and *u, or 0. */
static size_t
utf8(const unsigned char *p, size_t n, uint32_t *u)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t k = *p < 0x80             ? 1
		   : (*p & 0xe0) == 0xc0 ? 2
		   : (*p & 0xf0) == 0xe0 ? 3
		   : (*p & 0xf8) == 0xf0 ? 4
					 : 0;

	if (!k || k > n)
		return 0;
	*u = k == 1 ? *p : *p & (0x7f >> k);
	for (size_t i = 1; i < k; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*u = *u << 6 | (p[i] & 0x3f);
	}
	return *u < least[k] || *u > 0x10ffff || (*u >= 0xd800 && *u < 0xe000) ? 0 : k;
}

/* White space as Unicode and Python's strip have it. */
static int
is_space(uint32_t u)
{
	return (u >= 9 && u <= 13) || (u >= 0x1c && u <= 0x20) || u == 0x85 || u == 0xa0 ||
	       u == 0x1680 || (u >= 0x2000 && u <= 0x200a) || u == 0x2028 || u == 0x2029 ||
	       u == 0x202f || u == 0x205f || u == 0x3000;
}

static void
strip(struct record_text *t)
{
	const unsigned char *p = (const unsigned char *)t->p;
	size_t at = 0, first = t->n, last = 0, k;
	uint32_t u;

	for (; at < t->n; at += k) {
		if (!(k = utf8(p + at, t->n - at, &u)))
			k = 1, u = 'x';
		if (is_space(u))
			continue;
		first = MIN(first, at);
		last = at + k;
	}
	t->n = last > first ? last - first : 0;
	if (t->n)
		memmove(t->p, t->p + first, t->n);
}

int
prompt_text(const struct prompt_rule *rule, struct record *r, struct record_text *to)
{
	const char *s = rule->fields;
	char name[256];
	size_t n;

	to->n = 0;
	for (;; s += n + 1) {
		size_t was = to->n;

		n = strcspn(s, "+,");
		if (n < sizeof name) {
			memcpy(name, s, n);
			name[n] = 0;
			if (record_field(r, name, to) < 0)
				return -1;
		}
		if (to->n > was && s[n] == '+')
			continue;
		if (s[n] != '+') {
			strip(to);
			if (to->n || !s[n])
				return to->n > 0;
		}
	}
}

long long
prompt_chars(const char *p, size_t n)
{
	long long chars = 0;
	uint32_t u;
	size_t k;

	for (; n; p += k, n -= k, chars++)
		if (!(k = utf8((const unsigned char *)p, n, &u)))
			return -1;
	return chars;
}

size_t
prompt_cut(const char *p, size_t n, uint64_t chars)
{
	size_t at = 0, k;
	uint32_t u;

	for (; at < n && chars && (k = utf8((const unsigned char *)p + at, n - at, &u)); chars--)
		at += k;
	return at;
}
