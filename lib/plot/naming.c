#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "moetrace.h"
#include "naming.h"
#include "size.h"

static const char *
ending(uint64_t n)
{
	static const char *const end[] = {"th", "st", "nd", "rd"};

	return n / 10 % 10 == 1 || n % 10 > 3 ? "th" : end[n % 10];
}

/* 1, 0 where it is unknown, -1 no such key. */
static int
value(const char *key, const struct facts *f, char *to, size_t size)
{
	const struct {
		const char *key;
		uint64_t n;
	} number[] = {{"layer", f->layer},
		      {"expert", f->expert},
		      {"k", f->k},
		      {"rank", f->rank},
		      {"trim", f->trim}};
	const struct {
		const char *key, *text;
	} word[] = {{"dataset", f->dataset}, {"model", f->model}, {"of", f->of}};
	uint64_t place = f->k != TR_NONE ? f->k : f->rank;

	*to = 0;
	if (!strcmp(key, "ordinal")) {
		snprintf(to, size, "%llu%s", (unsigned long long)place, ending(place));
		return place != TR_NONE;
	}
	if (!strcmp(key, "a") || !strcmp(key, "b")) {
		place = *key == 'a' ? f->a : f->b;
		if (place)
			snprintf(to, size, "%llu", (unsigned long long)place);
		return 1;
	}
	for (size_t i = 0; i < LEN(number); i++)
		if (!strcmp(key, number[i].key)) {
			snprintf(to, size, "%llu", (unsigned long long)number[i].n);
			return number[i].n != TR_NONE;
		}
	for (size_t i = 0; i < LEN(word); i++)
		if (!strcmp(key, word[i].key)) {
			snprintf(to, size, "%s", word[i].text);
			return *to != 0;
		}
	return -1;
}

int
naming_put(char to[NAMING_MAX], const char *template, const struct facts *f, int file,
	   char err[NAMING_ERR])
{
	char key[16], text[64];
	size_t n = 0;

	for (const char *p = template, *end; *p && n < NAMING_MAX - sizeof text; p = end) {
		int r;

		if (*p != '{') {
			to[n++] = *p;
			end = p + 1;
			continue;
		}
		end = strchr(p, '}');
		r = end && (size_t)(end - p) <= sizeof key ? 1 : -1;
		snprintf(key, sizeof key, "%.*s", r > 0 ? (int)(end - p - 1) : 0, p + 1);
		if (r > 0)
			r = value(key, f, text, sizeof text);
		if (r <= 0) {
			snprintf(err, NAMING_ERR,
				 r ? "%.100s: %.80s is no key" : "%.100s: a panel has no %.80s",
				 template, r || !end ? p : key);
			return -1;
		}
		for (char *c = text; *c; c++)
			to[n++] = (char)(!file || isalnum((unsigned char)*c) || strchr("+-_", *c) ||
							 (*c == '.' && c > text)
						 ? *c
						 : '_');
		end++;
	}
	to[n] = 0;
	if (n >= NAMING_MAX - sizeof text) {
		snprintf(err, NAMING_ERR, "%.100s...: too long", template);
		return -1;
	}
	return 0;
}

int
naming_has(const char *template, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = template; (p = strchr(p, '{')); p++)
		if (!strncmp(p + 1, key, n) && p[n + 1] == '}')
			return 1;
	return 0;
}
