/*
 * JSON or JSONC in, a line of text for each value out: the keys that lead to it,
 * a tab, the value.  For scripts that take a settings file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/json.h"
#include "size.h"
#include "tool.h"

static const char *keys;

static const struct opt opts[] = {
	{0, "keys", "NAME,...", OPT_STR, &keys, "keys that the outermost object may have", 0, 0},
	{0},
};

static struct tool t = {.name = "json2tsv",
			.operands = "[FILE]",
			.what = "list the values of a JSON file, a line each",
			.opts = opts,
			.flags = TOOL_BYTES | TOOL_NOIN};

static const char *file;
static struct json j;
static char *text; /* of any string of the file, with its NUL */
static size_t room;

static void
escape(struct json_out *o, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *e = p[i] == '\t'   ? "\\t"
				: p[i] == '\n' ? "\\n"
				: p[i] == '\\' ? "\\\\"
					       : NULL;

		json_put_bytes(o, e ? e : p + i, e ? 2 : 1);
	}
}

/* A string's or a number's text, or that of an empty container; where a string holds a NUL it has none. */
static size_t
text_of(int v, const char **p)
{
	size_t n;
	long len;

	if (json_type(&j, v) == JSON_ARR || json_type(&j, v) == JSON_OBJ) {
		*p = json_type(&j, v) == JSON_ARR ? "[]" : "{}";
		return 2;
	}
	if (json_type(&j, v) != JSON_STR) {
		*p = json_raw(&j, v, &n);
		return n;
	}
	if ((len = json_str(&j, v, text, room)) < 0 || strlen(text) != (size_t)len)
		die("%s:%s", file, (json_fail(&j, v, "a string that cannot be a line"), j.err));
	*p = text;
	return (size_t)len;
}

/* path: what led here. */
static void
list(int v, const char *path, size_t n)
{
	enum json_type type = json_type(&j, v);
	int nest = (type == JSON_ARR || type == JSON_OBJ) && json_first(&j, v) >= 0;
	char number[24];
	const char *p;
	size_t i = 0, k;

	for (int w = nest ? json_first(&j, v) : v; w >= 0;
	     w = nest ? json_next(&j, v, w) : -1, i++) {
		struct json_out o = {.n = 0};

		json_put_bytes(&o, path, n);
		if (nest && n)
			json_put_bytes(&o, ".", 1);
		if (nest && type == JSON_ARR) {
			json_put_bytes(&o, number, (size_t)sprintf(number, "%zu", i));
		} else {
			if (!nest && n)
				json_put_bytes(&o, "\t", 1);
			k = text_of(w, &p);
			escape(&o, p, k);
		}
		if (!nest)
			json_put_bytes(&o, "\n", 1);
		if (o.bad)
			die("no memory");
		if (nest)
			list(type == JSON_ARR ? w : w + 1, o.p, o.n);
		else if (sink_put(t.sink, o.p, o.n) < 0)
			tool_broken(&t);
		json_out_free(&o);
	}
}

/* Every key of the outermost object is one of the names. */
static void
check(void)
{
	for (int w = json_first(&j, 0); w >= 0; w = json_next(&j, 0, w)) {
		const char *p, *name = keys;
		size_t n = text_of(w, &p), len = 0;

		for (; *name; name += len + (name[len] == ',')) {
			len = strcspn(name, ",");
			if (len == n && !memcmp(name, p, n))
				break;
		}
		if (!*name)
			die("%s:%s", file, (json_fail(&j, w, "no key %.*s", (int)n, p), j.err));
	}
}

int
main(int argc, char **argv)
{
	struct tool_file in;
	char *copy;

	tool_start(&t, argc, argv);
	if (t.nfiles > 1)
		die("one file");
	tool_slurp(&in, t.nfiles ? t.files[0] : "-");
	file = in.name;
	room = in.n + 1;
	copy = malloc(room);
	text = malloc(room);
	if (!copy || !text)
		die("no memory");
	memcpy(copy, in.p, in.n);
	if (json_parse_c(&j, copy, in.n) < 0)
		die("%s:%s", file, j.err);
	if (keys && json_type(&j, 0) != JSON_OBJ)
		die("%s:%s", file, (json_fail(&j, 0, "no object"), j.err));
	if (keys)
		check();
	list(0, "", 0);
	json_free(&j);
	tool_unslurp(&in);
	free(copy);
	free(text);
	return tool_end(&t);
}
