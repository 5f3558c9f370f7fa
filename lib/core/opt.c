/* Option tables: parsed, explained.  The tool's own table first, then what
 * its flags say it shares. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "die.h"
#include "num.h"
#include "opt.h"
#include "size.h"

enum { OPTS = 64, LONG_ONLY = 256 };

static void
usage_line(const struct opt_all *all, char *buf, size_t size)
{
	snprintf(buf, size, "%s [options]%s%s", all->name, *all->operands ? " " : "",
		 all->operands);
}

/* c is what getopt said of argv[optind - 1]: '?' or ':'. */
_Noreturn static void
wrong(const struct opt_all *all, int c, char **argv)
{
	const char *typed = argv[optind - 1];
	char letter[] = {'-', (char)optopt, 0};

	if (c == ':')
		for (int i = 0; i < all->n; i++)
			if (optopt && all->opt[i]->letter == optopt)
				die("-%c: no %s after it", optopt, all->opt[i]->arg);
	if (c == ':')
		die("%s: nothing after it", typed);
	if (optopt && optopt < 256 && strncmp(typed, "--", 2))
		typed = letter;
	die("%.*s: no such option: --help lists them", (int)strcspn(typed, "="), typed);
}

static int
word(const char *words, const char *val)
{
	size_t n = strlen(val);

	for (int i = 0;; i++) {
		size_t len = strcspn(words, "|");

		if (len == n && !memcmp(words, val, n))
			return i;
		if (!words[len])
			return -1;
		words += len + 1;
	}
}

static void
set(const struct opt *o, const char *val)
{
	uint64_t n;
	int w;

	switch (o->type) {
	case OPT_FLAG:
		*(int *)o->var = 1;
		break;
	case OPT_U64:
		if (num_u64(val, o->lo, o->hi ? o->hi : INT64_MAX, &n) < 0) {
			if (o->hi)
				die("--%s %s: not a number from %llu to %llu", o->name, val,
				    (unsigned long long)o->lo, (unsigned long long)o->hi);
			die("--%s %s: not a number from %llu up", o->name, val,
			    (unsigned long long)o->lo);
		}
		*(uint64_t *)o->var = n;
		break;
	case OPT_SIZE:
		if (num_size(val, &n) < 0 || n < o->lo || (o->hi && n > o->hi))
			die("--%s %s: not a size (a number, K, M or G behind it)", o->name, val);
		*(uint64_t *)o->var = n;
		break;
	case OPT_F64:
		if (num_f64(val, val + strlen(val), o->var) < 0)
			die("--%s %s: not a number", o->name, val);
		break;
	case OPT_STR:
		*(const char **)o->var = val;
		break;
	case OPT_LIST:
		if (tr_list_parse(o->var, val) < 0)
			die("--%s %s: not a list such as 0-3,7", o->name, val);
		break;
	case OPT_WORD:
		if ((w = word(o->arg, val)) < 0)
			die("--%s %s: not one of %s", o->name, val, o->arg);
		*(int *)o->var = w;
		break;
	case OPT_FUNC:
		((void (*)(const char *))o->var)(val);
		break;
	}
}

/* Options that cannot change the result stay out of @prog. */
static int
recorded(const struct opt *o)
{
	static const char *const silent[] = {"jobs",  "output",   "quiet",         "verbose",
					     "force", "progress", "line-buffered", "device",
					     "text",  "no-prog",  "resume"};

	for (size_t i = 0; i < LEN(silent); i++)
		if (!strcmp(o->name, silent[i]))
			return 0;
	return 1;
}

/* Is the value of o its own choice: --zstd, --zstd=19? */
static int
may_have(const struct opt *o)
{
	return !strcmp(o->name, "zstd") || !strcmp(o->name, "gpu");
}

static void
record(struct opt_all *all, char *s)
{
	all->args = xrealloc(all->args, (size_t)all->nargs + 2, sizeof *all->args);
	all->args[all->nargs++] = s;
	all->args[all->nargs] = NULL;
}

static void
record_opt(struct opt_all *all, const struct opt *o, int is_long, char *val)
{
	char buf[64];

	if (!recorded(o))
		return;
	if (is_long)
		snprintf(buf, sizeof buf, "--%s", o->name);
	else
		snprintf(buf, sizeof buf, "-%c", o->letter);
	record(all, xstrdup(buf));
	if (val)
		record(all, val);
}

/* Options and their help, as --help prints them. */
_Noreturn static void
help(const struct opt_all *all)
{
	size_t cap = 16384, n;
	char *s = xmalloc(cap), left[80], usage[256];

	usage_line(all, usage, sizeof usage);
	n = (size_t)snprintf(s, cap, "%s: %s\nusage: %s\n", all->name, all->what, usage);
	for (int i = 0; i < all->n; i++) {
		const struct opt *o = all->opt[i];
		int optional = may_have(o);
		int w = snprintf(left, sizeof left, "  %c%c%s --%s%s%s%s", o->letter ? '-' : ' ',
				 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
				 optional ? "[="
				 : o->arg ? " "
					  : "",
				 o->arg ? o->arg : "", optional ? "]" : "");

		if (w > 30)
			n += (size_t)snprintf(s + n, cap - n, "%s\n%32s%s\n", left, "", o->help);
		else
			n += (size_t)snprintf(s + n, cap - n, "%-32s%s\n", left, o->help);
	}
	die_help(s);
}

void
opt_parse(struct opt_all *all, int argc, char **argv)
{
	struct option longs[OPTS + 1];
	char shorts[4 * OPTS], *p = shorts;
	int c, at = -1;

	*p++ = '-'; /* operands come in their place, as code 1 */
	*p++ = ':';
	for (int i = 0; i < all->n; i++) {
		const struct opt *o = all->opt[i];
		int optional = may_have(o);
		int has = o->type == OPT_FLAG ? no_argument
			  : optional          ? optional_argument
					      : required_argument;

		longs[i] = (struct option){o->name, has, NULL, LONG_ONLY + i};
		if (o->letter) {
			*p++ = (char)o->letter;
			if (has)
				*p++ = ':';
			if (optional)
				*p++ = ':';
		}
	}
	*p = 0;
	longs[all->n] = (struct option){0};
	opterr = 0;
	all->operand = xcalloc((size_t)argc + 1, sizeof *all->operand);
	record(all, (char *)all->name);
	while ((c = getopt_long(argc, argv, shorts, longs, &at)) != -1) {
		const struct opt *o = NULL;

		if (c == 1) {
			all->operand[all->noperand++] = optarg;
			continue;
		}
		if (c >= LONG_ONLY && c < LONG_ONLY + all->n) {
			o = all->opt[c - LONG_ONLY];
		} else {
			for (int i = 0; i < all->n && !o; i++)
				if (all->opt[i]->letter == c && c != '?' && c != ':')
					o = all->opt[i];
		}
		if (!o)
			wrong(all, c, argv);
		/* getopt takes --lay for --layer: abbreviations freeze names */
		if (c >= LONG_ONLY) {
			const char *typed = argv[optind - 1];

			if (optarg && optind >= 2 && optarg == argv[optind - 1])
				typed = argv[optind - 2];
			size_t n = strcspn(typed, "=");

			if (strncmp(typed, "--", 2) || n != strlen(o->name) + 2)
				die("%.*s: no such option: --help lists them", (int)n, typed);
		}
		if (!strcmp(o->name, "help"))
			help(all);
		set(o, optarg ? optarg : "");
		record_opt(all, o, c >= LONG_ONLY, optarg);
	}
	while (optind < argc)
		all->operand[all->noperand++] = argv[optind++];
	for (int i = 0; i < all->noperand; i++)
		record(all, all->operand[i]);
}

void
opt_add(struct opt_all *all, const struct opt *o)
{
	for (int i = 0; i < all->n; i++)
		if (!strcmp(all->opt[i]->name, o->name) ||
		    (o->letter && all->opt[i]->letter == o->letter))
			return;
	if (all->n < OPTS)
		all->opt[all->n++] = o;
}
