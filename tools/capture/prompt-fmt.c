/*
 * Records of data sets in; prompts out, as seq and text frames: the fields that a
 * table names, cut, behind a prefix, a random sample of each set, mixed
 * (collection.md 3, 4).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/model/prompt.h"
#include "../../lib/model/sampleset.h"
#include "kind.h"
#include "size.h"
#include "tool.h"

enum { SHUFFLE, ROUND_ROBIN };

static const char shipped[] =
#include "prompts.h"
	;

static int format = -1, order;
static const char *rules_file;
static uint64_t least = 21, most = 600, per_set, total, batch = 1, max_record = (uint64_t)64 << 20;

static const struct opt opts[] = {
	{0, "rules", "FILE", OPT_STR, &rules_file, "fields and prefixes (those of prompts.tsv)", 0,
	 0},
	{0, "format", "jsonl|csv|tsv|lines", OPT_WORD, &format, "of the input (as its name ends)",
	 0, 0},
	{0, "min-chars", "N", OPT_U64, &least, "leave out shorter texts (21)", 0, 0},
	{0, "max-chars", "N", OPT_U64, &most, "cut longer texts, 0: never (600)", 0, 0},
	{0, "samples-per-set", "N", OPT_U64, &per_set, "of each set, at most (as the rules say)", 1,
	 UINT32_MAX},
	{0, "samples", "N", OPT_U64, &total, "of all sets, evenly", 1, UINT32_MAX},
	{0, "order", "shuffle|round-robin", OPT_WORD, &order, "of the prompts (shuffle)", 0, 0},
	{0, "batch", "N", OPT_U64, &batch, "prompts of a batch, which run together (1)", 1,
	 UINT32_MAX},
	{0, "max-record", "N", OPT_SIZE, &max_record, "refuse longer records (64M)", 1,
	 (uint64_t)1 << 30},
	{0},
};

static struct tool t = {.name = "prompt-fmt",
			.operands = "[[SET=]FILE ...]",
			.what = "make prompts of the records of data sets",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN | TOOL_SEED};

/* One input: what it is called, and by which rule it is read. */
struct set {
	struct prompt_name name;
	const char *file;
	enum record_format format;
	struct prompt_rule rule;
	const char *nothing; /* why it gives no sample */
};

static struct prompt_rules rules;
static struct sampleset samples;

static void
open_set(struct set *s, const char *operand)
{
	const struct prompt_rule *rule;
	int by_name, rc = prompt_name_parse(&s->name, operand);

	if (rc == -2)
		die("no memory");
	if (rc)
		die("%s: no name of a set: DATASET[:CONFIG[:SPLIT]]=FILE", operand);
	s->file = s->name.file;
	if (!(rule = prompt_rule_find(&rules, s->name.dataset,
				      s->name.config ? s->name.config : "default")))
		die("%s: no rule for %s", rules_file ? rules_file : "the rules", s->name.dataset);
	s->rule = *rule;
	by_name = record_format_of(s->file);
	if (format < 0 && by_name < 0)
		die("%s: Parquet: duckdb makes JSON Lines of it, as prompt-fmt(1) shows", s->file);
	s->format = (enum record_format)(format >= 0 ? format : by_name);
	if (s->format == RECORD_LINES)
		s->rule.fields = "text"; /* a line has no other */
}

static void
read_set(struct set *s)
{
	uint64_t row, n = 0, with = 0, taken = 0,
		      at_most = per_set ? per_set
				: total ? total
					: s->rule.samples;
	int rc, got, fd = tool_fd(&s->file);
	struct record *r = record_open(fd, s->format, max_record);
	struct record_text text = {0};

	if (!r || sampleset_open(&samples, s->name.id, at_most) < 0)
		die("no memory");
	while ((rc = record_next(r, &row)) > 0) {
		long long chars;

		if ((got = prompt_text(&s->rule, r, &text)) < 0)
			break;
		n++;
		with += (uint64_t)got;
		if ((chars = prompt_chars(text.p, text.n)) < 0)
			die("%s: row %llu: no UTF-8", s->file, (unsigned long long)row);
		if (!got || (uint64_t)chars < least)
			continue;
		if (most)
			text.n = prompt_cut(text.p, text.n, most);
		if (sampleset_offer(&samples, row, text.p, text.n) < 0)
			die("no memory");
		taken++;
	}
	if (rc)
		die("%s:%s%s", s->file, record_err(r),
		    !n && format < 0 && s->format == RECORD_JSONL
			    ? ": no JSON Lines: --format or the name says what it is"
			    : "");
	if (n && !with)
		die("%s: no record has a text in %s", s->file, s->rule.fields);
	if (!taken)
		s->nothing = n ? "all texts are too short" : "no records";
	if (total)
		sampleset_even(&samples, total);
	free(text.p);
	record_free(r);
	if (fd)
		close(fd);
}

static void
put(const struct set *s, const struct sample *x, uint64_t number)
{
	int bare = !strcmp(s->rule.prefix, "-");
	size_t n = bare ? 0 : strlen(s->rule.prefix) + 1;
	char *text = xmalloc(n + x->n), *id = xmalloc(strlen(s->name.id) + 24);
	struct tr_frame f;

	sprintf(id, "%s/%llu", s->name.id, (unsigned long long)x->row);
	tr_new(&f, "seq");
	tr_setu(&f, "batch", number / batch);
	tr_setu(&f, "seq", number);
	if (tr_set(&f, "dataset", s->name.set) < 0 || tr_set(&f, "sample", id) < 0)
		die("%s: a name that is too long", s->file);
	tool_put(&t, &f);
	memcpy(text, s->rule.prefix, n);
	if (n)
		text[n - 1] = ' ';
	memcpy(text + n, x->text, x->n);
	tr_new(&f, "text");
	tr_setu(&f, "batch", number / batch);
	tr_setu(&f, "seq", number);
	tr_payload(&f, text, n + x->n);
	tool_put(&t, &f);
	free(text);
	free(id);
}

static void
open_section(void)
{
	struct tr_frame f;

	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	tr_setu(&f, "layers", 0);
	tr_setu(&f, "experts", 0);
	tr_setu(&f, "topk", 0);
	tr_set(&f, "prompts", order == SHUFFLE ? "shuffle" : "round-robin");
	tr_setu(&f, "prompts_seed", t.seed);
	tool_open(&t, &f);
}

static void
read_rules(void)
{
	struct tool_file m = {.p = (const unsigned char *)shipped, .n = sizeof shipped - 1};

	if (rules_file)
		tool_slurp(&m, rules_file);
	if (prompt_rules_parse(&rules, (const char *)m.p, m.n) < 0)
		die("%s:%s", rules_file ? rules_file : "prompts.tsv", rules.err);
	if (rules_file)
		tool_unslurp(&m);
}

int
main(int argc, char **argv)
{
	char *in[] = {"-"};
	struct sample *all;
	struct set *sets;
	long long n;

	tool_start(&t, argc, argv);
	if (!t.nfiles)
		t.files = in, t.nfiles = 1;
	if (most && most < least)
		die("--max-chars %llu: below --min-chars", (unsigned long long)most);
	read_rules();
	sets = xcalloc((size_t)t.nfiles, sizeof *sets);
	samples.seed = t.seed;
	for (int i = 0; i < t.nfiles; i++) {
		open_set(&sets[i], t.files[i]);
		for (int j = 0; j < i; j++)
			if (!strcmp(sets[j].name.id, sets[i].name.id))
				die("%s: %s twice", t.files[i], sets[i].name.id);
	}
	for (int i = 0; i < t.nfiles; i++)
		read_set(&sets[i]);
	if ((n = sampleset_order(&samples, order == SHUFFLE, &all)) < 0)
		die("no memory");
	if (!n)
		die("no prompts: %s: %s", sets[0].file, sets[0].nothing);
	for (int i = 0; i < t.nfiles; i++)
		if (sets[i].nothing && !t.quiet)
			warn("%s: %s", sets[i].file, sets[i].nothing);
	open_section();
	for (long long i = 0; i < n; i++)
		put(&sets[all[i].set], &all[i], (uint64_t)i);
	free(all);
	for (int i = 0; i < t.nfiles; i++)
		prompt_name_free(&sets[i].name);
	free(sets);
	sampleset_free(&samples);
	prompt_rules_free(&rules);
	return tool_end(&t);
}
