#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../format/json.h"
#include "config.h"
#include "num.h"
#include "size.h"

enum type { U64, F64, WORD, TEXT, NUMBERS };

struct key {
	const char *name;
	enum type type;
	size_t at;
	double lo, hi;     /* of numbers; NUMBERS: hi of them; TEXT: hi bytes */
	const char *words; /* WORD: "mean|p95|p99" */
};

#define AT(field) offsetof(struct config, field)

static const struct key system_keys[] = {
	{"trace", TEXT, AT(trace), 0, 1024, NULL},
	{"layer", U64, AT(layer), 0, 1 << 20, NULL},
	{"rows", U64, AT(rows), 1, 65534, NULL},
	{"cols", U64, AT(cols), 1, 65534, NULL},
	{"experts", U64, AT(experts), 1, TR_EXPERTS_MAX, NULL},
	{"num_shared_experts", U64, AT(shared), 0, 1024, NULL},
	{"shared_copies", U64, AT(shared_copies), 0, 65534, NULL},
	{"slots", U64, AT(slots), 1, 1 << 24, NULL},
	{"routing_strategy", WORD, AT(routing), 0, 0,
	 "balanced-replicas|least-loaded|round-robin|nearest|reroute|first"},
	{"capacity_factor", F64, AT(factor), 1e-9, 1e9, NULL},
	{"objective", WORD, AT(objective), 0, 0, "mean|p95|p99"},
	{"origin_mode", WORD, AT(origin), 0, 0, "average-rows|round-robin|random"},
	{"max_records", U64, AT(max_records), 0, 1e15, NULL},
	{"max_seq_len", U64, AT(max_seq_len), 0, 1e15, NULL},
	{"fast_test_pct", F64, AT(fast_test_pct), 0, 1, NULL},
	{"dispatch", NUMBERS, AT(dispatch), 0, 4, NULL},
	{"combine", NUMBERS, AT(combine), 0, 4, NULL},
	{"block_us", F64, AT(block_us), 0, 1e9, NULL},
	{"block_tokens", U64, AT(block_tokens), 1, 1 << 20, NULL},
	{"latency", TEXT, AT(latency), 0, 1024, NULL},
	{"combine_latency", TEXT, AT(combine_latency), 0, 1024, NULL},
	{"rank_cost", TEXT, AT(rank_cost), 0, 1024, NULL},
	{"cost", WORD, AT(cost), 0, 0, "linear|simple"},
	{"alpha", F64, AT(simple[0]), 0, 1e9, NULL},
	{"beta", F64, AT(simple[1]), 0, 1e9, NULL},
	{"gamma", F64, AT(simple[2]), 0, 1e9, NULL},
};

static const struct key init_keys[] = {
	{"placement_strategy", WORD, AT(strategy), 0, 0,
	 "balance|balance_load_coactivation|hot-tier|random|eplb|even"},
	{"placement_axis", WORD, AT(axis), 0, 0, "row|col"},
	{"hot_tier_axis", WORD, AT(hot_axis), 0, 0, "row|col"},
	{"top_n", U64, AT(top_n), 0, TR_EXPERTS_MAX, NULL},
	{"replica_spread_by_distance", TEXT, AT(spread), 0, 32, NULL},
};

static const struct key search_keys[] = {
	{"search", WORD, AT(search), 0, 0, "none|random|local|anneal|sequence"},
	{"restarts", U64, AT(restarts), 1, 1 << 20, NULL},
	{"iters", U64, AT(iters), 1, 1e15, NULL},
	{"local_search_iters", U64, AT(local_iters), 1, 1e15, NULL},
	{"anneal_iters", U64, AT(anneal_iters), 1, 1e15, NULL},
	{"anneal_t0", F64, AT(t0), 0, 1e12, NULL},
	{"anneal_t1", F64, AT(t1), 0, 1e12, NULL},
};

void
config_default(struct config *c)
{
	memset(c, 0, sizeof *c);
	c->layer = TR_NONE;
	c->rows = 16;
	c->cols = 8;
	c->experts = 256;
	c->shared = 1;
	c->shared_copies = 16;
	c->slots = 384;
	c->factor = 2;
	c->dispatch[0] = c->combine[0] = NAN;
	c->block_us = 118;
	c->simple[0] = c->simple[1] = c->simple[2] = 1;
	c->block_tokens = 32;
	c->hot_axis = AXIS_COL;
	c->top_n = 32;
	c->restarts = 1;
	c->iters = 50;
	c->local_iters = 200;
	c->anneal_iters = 500;
	c->t0 = 1;
	c->t1 = 0.01;
}

/* The place of word among words, or -1. */
static int
find_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (int i = 0;; i++) {
		size_t len = strcspn(words, "|");

		if (len == n && !strncmp(words, word, n))
			return i;
		if (!words[len])
			return -1;
		words += len + 1;
	}
}

static int
take_numbers(struct json *j, int v, const struct key *k, double *to)
{
	int i = 0;

	if (json_type(j, v) != JSON_ARR || json_size(j, v) != (int)k->hi)
		return json_fail(j, v, "%s: not %d numbers", k->name, (int)k->hi);
	for (int e = json_first(j, v); e >= 0; e = json_next(j, v, e))
		if (json_f64(j, e, &to[i]) < 0 || fabs(to[i++]) > 1e9)
			return json_fail(j, e, "%s: no number from -1e9 to 1e9", k->name);
	return 0;
}

static int
take(struct config *c, struct json *j, int v, const struct key *k)
{
	char *to = (char *)c + k->at, text[256];
	uint64_t n;
	double x;
	int w;

	switch (k->type) {
	case U64:
		if (json_u64(j, v, &n) < 0 || (double)n < k->lo || (double)n > k->hi)
			return json_fail(j, v, "%s: not a number from %.0f to %.0f", k->name, k->lo,
					 k->hi);
		memcpy(to, &n, sizeof n);
		return 0;
	case F64:
		if (json_f64(j, v, &x) < 0 || x < k->lo || x > k->hi)
			return json_fail(j, v, "%s: not a number from %g to %g", k->name, k->lo,
					 k->hi);
		memcpy(to, &x, sizeof x);
		return 0;
	case TEXT:
		if (json_str(j, v, to, (size_t)k->hi) < 0)
			return json_fail(j, v, "%s: no text, or too long", k->name);
		return 0;
	case WORD:
		if (json_str(j, v, text, sizeof text) < 0 || (w = find_word(k->words, text)) < 0)
			return json_fail(j, v, "%s: not one of %s", k->name, k->words);
		n = (uint64_t)w;
		memcpy(to, &n, sizeof n);
		return 0;
	default:
		return take_numbers(j, v, k, (double *)(void *)to);
	}
}

/* ---- sequences ---- */

static int
step_end(struct config *c, const struct search_step *s, char err[CONFIG_ERR])
{
	if (c->nstep == CONFIG_STEPS) {
		snprintf(err, CONFIG_ERR, "more than %d steps", CONFIG_STEPS);
		return -1;
	}
	c->step[c->nstep++] = *s;
	return 0;
}

/* One of "local:ITERS" and "anneal:ITERS[:T0[:T1]]". */
static int
step_text(struct config *c, const char *p, const char *end, char err[CONFIG_ERR])
{
	struct search_step s = {SEARCH_LOCAL, 0, 1.0, 0.01};
	const char *at[5] = {p};
	int n = 1;

	for (const char *q = p; q < end && n < 5; q++)
		if (*q == ':')
			at[n++] = q + 1;
	at[n] = end + 1;
	if (at[1] - at[0] - 1 == 6 && !strncmp(p, "anneal", 6))
		s.kind = SEARCH_ANNEAL;
	else if (at[1] - at[0] - 1 != 5 || strncmp(p, "local", 5) != 0)
		n = 0;
	if (n < 2 || n > (s.kind == SEARCH_LOCAL ? 2 : 4) ||
	    num_u64n(at[1], at[2] - 1, 1, UINT64_C(1) << 50, &s.iters) < 0 ||
	    (n > 2 && num_f64(at[2], at[3] - 1, &s.t0) < 0) ||
	    (n > 3 && num_f64(at[3], at[4] - 1, &s.t1) < 0) || s.t0 < 0 || s.t1 < 0) {
		snprintf(err, CONFIG_ERR, "\"%.*s\" is neither local:ITERS nor anneal:ITERS:T0:T1",
			 (int)MIN(end - p, 60), p);
		return -1;
	}
	return step_end(c, &s, err);
}

int
config_sequence(struct config *c, const char *text, char err[CONFIG_ERR])
{
	c->nstep = 0;
	for (const char *p = text, *end;; p = end + 1) {
		end = p + strcspn(p, ",");
		if (step_text(c, p, end, err) < 0)
			return -1;
		if (!*end)
			return 0;
	}
}

static int
step_object(struct config *c, struct json *j, int v)
{
	struct search_step s = {SEARCH_LOCAL, 0, 1.0, 0.01};
	char err[CONFIG_ERR], word[16];

	for (int k = json_first(j, v); k >= 0; k = json_next(j, v, k)) {
		int bad = 0;

		if (json_is(j, k, "type"))
			bad = json_str(j, k + 1, word, sizeof word) < 0 ||
			      (strcmp(word, "local") && strcmp(word, "anneal"));
		else if (json_is(j, k, "iters"))
			bad = json_u64(j, k + 1, &s.iters) < 0 || !s.iters;
		else if (json_is(j, k, "t0"))
			bad = json_f64(j, k + 1, &s.t0) < 0 || s.t0 < 0;
		else if (json_is(j, k, "t1"))
			bad = json_f64(j, k + 1, &s.t1) < 0 || s.t1 < 0;
		else
			return json_fail(j, k, "a key that a step does not have");
		if (bad)
			return json_fail(j, k + 1, "not what this key of a step can be");
		if (json_is(j, k, "type") && !strcmp(word, "anneal"))
			s.kind = SEARCH_ANNEAL;
	}
	if (!s.iters || json_find(j, v, "type") < 0)
		return json_fail(j, v, "a step without type or iters");
	if (step_end(c, &s, err) < 0)
		return json_fail(j, v, "%s", err);
	return 0;
}

static int
take_sequence(struct config *c, struct json *j, int v)
{
	char text[1024], err[CONFIG_ERR];

	c->nstep = 0;
	if (json_type(j, v) == JSON_STR) {
		if (json_str(j, v, text, sizeof text) < 0 || config_sequence(c, text, err) < 0)
			return json_fail(j, v, "search_sequence: %.200s", err);
		return 0;
	}
	if (json_type(j, v) != JSON_ARR || json_size(j, v) == 0)
		return json_fail(j, v, "search_sequence: neither a text nor a list of steps");
	for (int e = json_first(j, v); e >= 0; e = json_next(j, v, e)) {
		if (json_type(j, e) == JSON_OBJ) {
			if (step_object(c, j, e) < 0)
				return -1;
			continue;
		}
		if (json_str(j, e, text, sizeof text) < 0)
			return json_fail(j, e, "search_sequence: neither a text nor a step");
		if (step_text(c, text, text + strlen(text), err) < 0)
			return json_fail(j, e, "search_sequence: %.200s", err);
	}
	return 0;
}

/* ---- files ---- */

static const char *const told[] = {"layer", "experts", "slots", "rows",
				   "cols"}; /* enum CONFIG_... */

static int
read_keys(struct config *c, struct json *j, const struct key *keys, size_t n, uint64_t *seen)
{
	if (json_type(j, 0) != JSON_OBJ)
		return json_fail(j, 0, "no object");
	for (int k = json_first(j, 0); k >= 0; k = json_next(j, 0, k)) {
		size_t i = 0;
		char name[64];

		while (i < n && !json_is(j, k, keys[i].name))
			i++;
		if (i < n && *seen >> i & 1)
			return json_fail(j, k, "%s twice", keys[i].name);
		if (i < n && take(c, j, k + 1, &keys[i]) < 0)
			return -1;
		*seen |= i < n ? UINT64_C(1) << i : 0;
		for (size_t a = 0; i < n && a < CONFIG_AT; a++)
			if (!strcmp(keys[i].name, told[a])) {
				json_fail(j, k + 1, "%s", "");
				snprintf(c->at[a], sizeof c->at[a], "%.31s", j->err);
			}
		if (i < n)
			continue;
		if (keys == search_keys && json_is(j, k, "search_sequence")) {
			if (take_sequence(c, j, k + 1) < 0)
				return -1;
			continue;
		}
		if (json_str(j, k, name, sizeof name) < 0)
			name[0] = 0;
		return json_fail(j, k, "unknown key %s", name);
	}
	return 0;
}

static int
read_file(struct config *c, char *p, size_t n, const struct key *keys, size_t nkeys, uint64_t *seen,
	  char err[CONFIG_ERR])
{
	struct json j = {0};
	int r = json_parse_c(&j, p, n);

	*seen = 0;
	if (!r)
		r = read_keys(c, &j, keys, nkeys, seen);
	if (r)
		snprintf(err, CONFIG_ERR, "%s", j.err);
	json_free(&j);
	return r;
}

int
config_system(struct config *c, char *p, size_t n, char err[CONFIG_ERR])
{
	uint64_t seen;

	return read_file(c, p, n, system_keys, LEN(system_keys), &seen, err);
}

int
config_init(struct config *c, char *p, size_t n, char err[CONFIG_ERR])
{
	uint64_t seen;

	return read_file(c, p, n, init_keys, LEN(init_keys), &seen, err);
}

int
config_search(struct config *c, char *p, size_t n, char err[CONFIG_ERR])
{
	/* what each kind must say besides: bits of search_keys */
	static const uint64_t need[] = {1, 1 | 4, 1 | 8, 1 | 16 | 32 | 64, 1};
	uint64_t seen;

	c->nstep = 0;
	if (read_file(c, p, n, search_keys, LEN(search_keys), &seen, err) < 0)
		return -1;
	for (size_t i = 0; i < LEN(search_keys); i++)
		if (need[c->search] >> i & 1 && !(seen >> i & 1)) {
			snprintf(err, CONFIG_ERR, "1:1: no key %s", search_keys[i].name);
			return -1;
		}
	if ((c->search == SEARCH_SEQUENCE) != (c->nstep > 0)) {
		snprintf(err, CONFIG_ERR,
			 c->nstep ? "1:1: search_sequence with another search"
				  : "1:1: no key search_sequence");
		return -1;
	}
	return 0;
}
