#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "size.h"
#include "trtllm.h"

/* As much of YAML as such a file has: keys, numbers, lists in brackets or a line each, comments. */
struct yaml {
	const char *begin, *p, *end;
	unsigned line;
	char *err;
};

__attribute__((format(printf, 3, 4))) static int
yaml_fail(const struct yaml *y, unsigned line, const char *fmt, ...)
{
	int n = snprintf(y->err, FORMATS_ERR, "%u: ", line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(y->err + n, FORMATS_ERR - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* Over blanks, ends of lines and comments; what comes then, 0: the end. */
static int
yaml_skip(struct yaml *y)
{
	for (; y->p < y->end; y->p++) {
		if (*y->p == '#' && (y->p == y->begin || strchr(" \t\n", y->p[-1])))
			while (y->p + 1 < y->end && y->p[1] != '\n')
				y->p++;
		else if (*y->p == '\n')
			y->line++;
		else if (!*y->p || !strchr(" \t\r", *y->p))
			return *y->p;
	}
	return 0;
}

static int
yaml_number(struct yaml *y, uint64_t most, uint64_t *n)
{
	const char *q = y->p;

	while (q < y->end && *q >= '0' && *q <= '9')
		q++;
	if (num_u64n(y->p, q, 0, most, n) < 0 || (q < y->end && !strchr(" ,:]\t\r\n", *q)))
		return -1;
	y->p = q;
	return 0;
}

/* [0, 1] or a line each, - 0: how many, or -1. */
static long
yaml_list(struct yaml *y, uint16_t *v, size_t cap)
{
	int c = yaml_skip(y), flow = c == '[';
	unsigned line = y->line;
	uint64_t x;
	size_t n = 0;

	if (!flow && c != '-')
		return yaml_fail(y, line, "an assignment that is no list");
	y->p += flow;
	while ((c = yaml_skip(y)) && c != ']' && (flow || c == '-')) {
		y->p += !flow;
		if ((!flow && y->p < y->end && !strchr(" \t", *y->p)) || !yaml_skip(y) ||
		    yaml_number(y, PLACE_NONE - 1, &x) < 0 || n == cap)
			return yaml_fail(y, y->line, "an expert that is no number");
		v[n++] = (uint16_t)x;
		if (flow && yaml_skip(y) == ',')
			y->p++;
		else if (flow && yaml_skip(y) && *y->p != ']')
			return yaml_fail(y, y->line, "experts without a comma between");
	}
	if (flow && c != ']')
		return yaml_fail(y, line, "a list without its end");
	y->p += flow;
	return (long)n;
}

/* The layers under initial_global_assignments: a line each, or { } with commas between. */
static long
yaml_layers(struct yaml *y, uint32_t rows, uint32_t cols, struct placed **l)
{
	uint16_t *expert = malloc(((size_t)1 << 20) * sizeof *expert);
	char what[FORMATS_ERR];
	unsigned first = y->line;
	long n = 0, k;
	int c = yaml_skip(y), flow = c == '{';

	y->p += flow;
	while (n >= 0 && expert && (c = yaml_skip(y)) >= '0' && c <= '9') {
		unsigned line = y->line;
		struct placed *m = realloc(*l, (size_t)(n + 1) * sizeof *m);
		int r = -1;

		if (!m) {
			free(expert);
			expert = NULL;
			break;
		}
		*l = m;
		m += n;
		memset(m, 0, sizeof *m);
		if (yaml_number(y, 1 << 20, &m->layer) < 0 || yaml_skip(y) != ':')
			yaml_fail(y, line, "no layer");
		else if (y->p++,
			 (k = yaml_list(y, expert, (size_t)1 << 20)) >= 0 &&
				 (r = formats_slots(m, expert, (size_t)k, rows, cols, what)) < 0)
			yaml_fail(y, line, "%s", what);
		n = r < 0 ? -1 : n + 1;
		if (n < 0 || !flow || (c = yaml_skip(y)) == '}')
			continue;
		if (c && c != ',')
			n = yaml_fail(y, y->line, "layers without a comma between");
		y->p += c == ',';
	}
	if (!expert)
		return yaml_fail(y, y->line, "no memory");
	free(expert);
	if (n < 0)
		return -1;
	if (flow && c != '}')
		return yaml_fail(y, c ? y->line : first,
				 c ? "no layer" : "layers without their end");
	y->p += flow;
	return n ? n : yaml_fail(y, y->line, "no assignments");
}

/* The value of a key that is not ours: up to a line that is not indented. */
static void
yaml_pass(struct yaml *y)
{
	while (y->p < y->end &&
	       !(*y->p == '\n' && y->p + 1 < y->end && !strchr(" -\t\r\n#", y->p[1])))
		y->line += *y->p++ == '\n';
}

/* line 0: not there. */
struct yaml_key {
	const char *name;
	uint64_t value;
	unsigned line;
};

long
trtllm_read(const char *p, size_t size, uint32_t rows, uint32_t cols, struct placed **l,
	    char err[FORMATS_ERR])
{
	const char *end = p + size;
	struct yaml y = {p, p, end, 1, err};
	struct yaml_key key[] = {
		{"initial_global_assignments", 0, 0}, {"num_slots", 0, 0}, {"ep_size", 0, 0}};
	long n = 0;

	*l = NULL;
	while (n >= 0 && yaml_skip(&y)) {
		const char *colon = y.p;
		struct yaml_key *k = key, *last = key + LEN(key);

		if (end - y.p >= 3 && !memcmp(y.p, "---", 3)) { /* a document begins */
			y.p += 3;
			continue;
		}
		while (colon < end && !strchr(":\n", *colon))
			colon++;
		if (colon == end || *colon != ':')
			return yaml_fail(&y, y.line, "no key");
		while (k < last && (strlen(k->name) != (size_t)(colon - y.p) ||
				    memcmp(k->name, y.p, (size_t)(colon - y.p))))
			k++;
		y.p = colon + 1;
		if (k == last) {
			yaml_pass(&y);
			continue;
		}
		if (k->line)
			return yaml_fail(&y, y.line, "%s twice", k->name);
		k->line = y.line;
		if (k == key)
			n = yaml_layers(&y, rows, cols, l);
		else if (!yaml_skip(&y) || yaml_number(&y, UINT32_MAX, &k->value) < 0)
			return yaml_fail(&y, k->line, "%s is no number", k->name);
	}
	if (n < 0)
		return -1;
	if (!key[0].line) {
		snprintf(err, FORMATS_ERR, "no initial_global_assignments");
		return -1;
	}
	if (key[2].line && key[2].value != rows * cols)
		return yaml_fail(&y, key[2].line, "ep_size is %llu, the mesh has %u devices",
				 (unsigned long long)key[2].value, rows * cols);
	for (long i = 0; i < n && key[1].line; i++)
		if ((*l)[i].place.n != key[1].value)
			return yaml_fail(&y, key[1].line, "num_slots is %llu, layer %llu has %u",
					 (unsigned long long)key[1].value,
					 (unsigned long long)(*l)[i].layer, (*l)[i].place.n);
	return n;
}
