/* Fuzz target: JSON, JSONC and the record splitter.  What is accepted is read
 * back value by value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/base64.h"
#include "../../lib/format/json.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

static void
walk(const struct json *j)
{
	char buf[64];
	int64_t i;
	uint64_t u;
	double x;
	size_t len;
	int v, k;

	for (v = 0; json_type(j, v) != JSON_NONE; v++) {
		json_raw(j, v, &len);
		json_str(j, v, buf, sizeof buf);
		json_u64(j, v, &u);
		json_i64(j, v, &i);
		json_f64(j, v, &x);
		json_find(j, v, "a");
		for (k = json_first(j, v); k >= 0; k = json_next(j, v, k))
			if (k <= v)
				abort();
	}
}

static const char *
take(void *arg, const char *key, size_t nkey, const char *p, const char *end)
{
	return nkey == 1 ? json_ints2(arg, p, end) : json_ints(arg, p, end);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	static struct json j;
	static struct json_ints a;
	char *copy = malloc(n + 1), *rec;
	struct json_split *s;
	uint64_t line;
	size_t len;
	int fd[2], rc, i;

	if (!copy)
		return 0;
	memcpy(copy, p, n);
	rc = json_parse(&j, copy, n);
	if (!rc)
		walk(&j);
	if (!json_parse_take(&j, copy, n, take, &a))
		walk(&j);
	else if (!rc)
		abort(); /* taking values out never makes a document wrong */
	base64_get(copy, (const char *)p, n);
	memcpy(copy, p, n);
	if (!json_parse_c(&j, copy, n))
		walk(&j);
	else if (!rc)
		abort();
	for (i = 0; i < 2 && n < 60000 && !pipe(fd); i++) {
		rc = write(fd[1], p, n) == (ssize_t)n;
		close(fd[1]);
		if (rc && (s = json_split_open(fd[0], i ? "a" : NULL, 1 << 16))) {
			while (json_split_next(s, &rec, &len, &line) > 0)
				if (!json_parse(&j, rec, len))
					walk(&j);
			json_split_free(s);
		}
		close(fd[0]);
	}
	free(copy);
	return 0;
}

#include "replay.h"
