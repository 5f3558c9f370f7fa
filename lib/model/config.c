/* config.json of a checkpoint, in the spellings of all versions. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "size.h"

enum { BYTES_MAX = 1 << 24 };

int
model_why(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, MODEL_WHY, fmt, ap);
	va_end(ap);
	return -1;
}

static char *
slurp(const char *file, size_t *n, char *why)
{
	struct stat st;
	char *p = NULL;
	ssize_t got = 1;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	*n = 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		model_why(why, "%s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > BYTES_MAX) {
		model_why(why, "%s: not a file of at most %d bytes", file, BYTES_MAX);
	} else if (!(p = malloc((size_t)st.st_size + 1))) {
		model_why(why, "%s: no memory", file);
	} else {
		while (*n < (size_t)st.st_size && got > 0)
			if ((got = read(fd, p + *n, (size_t)st.st_size - *n)) > 0)
				*n += (size_t)got;
		if (got < 0) {
			model_why(why, "%s: %s", file, strerror(errno));
			free(p);
			p = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return p;
}

int
config_open(struct config *c, const char *dir, char *why)
{
	size_t n = strlen(dir) + sizeof "/config.json";

	memset(c, 0, sizeof *c);
	if (!(c->file = malloc(n)))
		return model_why(why, "%s: no memory", dir);
	snprintf(c->file, n, "%s/config.json", dir);
	if (!(c->text = slurp(c->file, &n, why))) {
		config_free(c);
		return -1;
	}
	if (json_parse(&c->json, c->text, n) < 0)
		model_why(why, "%s:%s", c->file, c->json.err);
	else if (json_type(&c->json, 0) != JSON_OBJ)
		model_why(why, "%s: not an object", c->file);
	else
		return 0;
	config_free(c);
	return -1;
}

void
config_free(struct config *c)
{
	json_free(&c->json);
	free(c->text);
	free(c->file);
	memset(c, 0, sizeof *c);
}

/* One spelling of n bytes, into the objects that its dots name. */
static int
spelling(const struct json *j, const char *key, size_t n)
{
	int v = 0;

	while (n && v >= 0) {
		const char *dot = memchr(key, '.', n);
		size_t part = dot ? (size_t)(dot - key) : n;
		char name[128];

		if (json_type(j, v) != JSON_OBJ || part >= sizeof name)
			return -1;
		memcpy(name, key, part);
		name[part] = 0;
		v = json_find(j, v, name);
		part += dot != NULL;
		key += part;
		n -= part;
	}
	return json_type(j, v) == JSON_NULL ? -1 : v;
}

int
config_find(const struct config *c, const char *keys)
{
	for (int v; *keys; keys += *keys == '|') {
		size_t n = strcspn(keys, "|");

		if ((v = spelling(&c->json, keys, n)) >= 0)
			return v;
		keys += n;
	}
	return -1;
}

int
config_has(const struct config *c, const char *keys)
{
	return config_find(c, keys) >= 0;
}

int
config_need(const struct config *c, const char *keys, char *why)
{
	return config_has(c, keys) ? 0 : model_why(why, "%s: no %s", c->file, keys);
}

int
config_u64(const struct config *c, const char *keys, uint64_t lo, uint64_t hi, uint64_t *to,
	   char *why)
{
	int v = config_find(c, keys);
	uint64_t n;

	if (v < 0)
		return 0;
	if (json_u64(&c->json, v, &n) < 0 || n < lo || n > hi)
		return model_why(why, "%s: %s: not an integer from %llu to %llu", c->file, keys,
				 (unsigned long long)lo, (unsigned long long)hi);
	*to = n;
	return 0;
}

int
config_f64(const struct config *c, const char *keys, double *to, char *why)
{
	int v = config_find(c, keys);
	double x;

	if (v < 0)
		return 0;
	if (json_f64(&c->json, v, &x) < 0 || !isfinite(x))
		return model_why(why, "%s: %s: not a finite number", c->file, keys);
	*to = x;
	return 0;
}

int
config_bool(const struct config *c, const char *keys, int *to, char *why)
{
	int v = config_find(c, keys);
	enum json_type t = json_type(&c->json, v);

	if (v < 0)
		return 0;
	if (t != JSON_TRUE && t != JSON_FALSE)
		return model_why(why, "%s: %s: neither true nor false", c->file, keys);
	*to = t == JSON_TRUE;
	return 0;
}

int
config_text(const struct config *c, const char *keys, char *to, size_t size, char *why)
{
	int v = config_find(c, keys);
	long n;

	if (v < 0)
		return 0;
	if ((n = json_str(&c->json, v, to, size)) < 0)
		return model_why(why, "%s: %s: not a string of less than %zu bytes", c->file, keys,
				 size);
	return (int)n;
}

int
config_is(const struct config *c, const char *keys, const char *word)
{
	return json_is(&c->json, config_find(c, keys), word);
}
