#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "num.h"
#include "size.h"

static int
fail(char err[FORMATS_ERR], const char *what)
{
	snprintf(err, FORMATS_ERR, "%s", what);
	return -1;
}

/* ---- writing ---- */

static void
key_number(struct json_out *o, uint64_t n)
{
	char num[NUM_MAX + 1];

	num[num_put_u64(num, n)] = 0;
	json_put_key(o, num);
}

static void
pair(struct json_out *o, const char *key, uint64_t n)
{
	json_put_key(o, key);
	json_put_u64(o, n);
}

static int
write_placement(const struct placed *l, size_t n, struct json_out *o, char err[FORMATS_ERR])
{
	const struct place *p = &l->place;
	uint32_t *used = calloc(p->rows * p->cols + 1, sizeof *used);

	if (n != 1 || !used) {
		free(used);
		return fail(err, used ? "placement.json holds one layer: choose by --layer"
				      : "no memory");
	}
	o->style = JSON_PRETTY;
	json_put_open(o, '{');
	for (uint32_t e = 0; e < p->experts; e++) {
		key_number(o, e);
		json_put_open(o, '[');
		for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++) {
			json_put_open(o, '{');
			pair(o, "device", p->dev[i]);
			pair(o, "row", p->dev[i] / p->cols);
			pair(o, "col", p->dev[i] % p->cols);
			pair(o, "slot", used[p->dev[i]]++);
			json_put_close(o);
		}
		json_put_close(o);
	}
	json_put_close(o); /* and no newline: the reference writes none */
	free(used);
	return 0;
}

/* Slot of each instance, and the expert of each slot. */
static int
slots(const struct placed *l, uint32_t *slot, uint16_t *expert, char err[FORMATS_ERR])
{
	const struct place *p = &l->place;
	uint32_t ndev = p->rows * p->cols, per = p->n / ndev, *used = calloc(ndev, sizeof *used);
	int r = 0;

	if (!used)
		return fail(err, "no memory");
	for (uint32_t i = 0; i < p->n && !r; i++) {
		if (p->n % ndev || used[p->dev[i]] == per) {
			snprintf(err, FORMATS_ERR,
				 "layer %llu: engines want the same number of copies on each of %u "
				 "devices",
				 (unsigned long long)l->layer, ndev);
			r = -1;
			break;
		}
		slot[i] = p->dev[i] * per + used[p->dev[i]]++;
		expert[slot[i]] = p->expert[i];
	}
	free(used);
	return r;
}

static void
list16(struct json_out *o, const uint16_t *v, size_t n)
{
	json_put_open(o, '[');
	for (size_t i = 0; i < n; i++)
		json_put_u64(o, v[i]);
	json_put_close(o);
}

/* One of the three tables: 0 expert by slot, 1 slots by expert, 2 copies by expert. */
static int
table(const struct placed *l, size_t n, int what, struct json_out *o, char err[FORMATS_ERR])
{
	uint32_t most = 0;
	int r = 0;

	for (size_t k = 0; k < n; k++)
		for (uint32_t e = 0; e < l[k].place.experts; e++)
			most = MAX(most, l[k].place.first[e + 1] - l[k].place.first[e]);
	json_put_open(o, '[');
	for (size_t k = 0; k < n && !r; k++) {
		const struct place *p = &l[k].place;
		uint32_t *slot = malloc((p->n + 1) * sizeof *slot);
		uint16_t *expert = malloc((p->n + 1) * sizeof *expert);

		r = slot && expert ? slots(&l[k], slot, expert, err) : fail(err, "no memory");
		if (!r && what == 0)
			list16(o, expert, p->n);
		if (!r && what)
			json_put_open(o, '[');
		for (uint32_t e = 0; e < p->experts && what && !r; e++) {
			uint32_t c = p->first[e + 1] - p->first[e];

			if (what == 2) {
				json_put_u64(o, c);
				continue;
			}
			json_put_open(o, '[');
			for (uint32_t i = 0; i < most; i++)
				if (i < c)
					json_put_u64(o, slot[p->first[e] + i]);
				else
					json_put_i64(o, -1);
			json_put_close(o);
		}
		if (!r && what)
			json_put_close(o);
		free(slot);
		free(expert);
	}
	json_put_close(o);
	return r;
}

static int
write_tables(const char *const name[3], const struct placed *l, size_t n, struct json_out *o,
	     char err[FORMATS_ERR])
{
	o->style = JSON_PYTHON;
	json_put_open(o, '{');
	for (int i = 0; i < 3; i++) {
		if (!name[i])
			continue;
		json_put_key(o, name[i]);
		if (table(l, n, i, o, err) < 0)
			return -1;
	}
	if (n && l[n - 1].layer != n - 1) {
		json_put_key(o, "layers");
		json_put_open(o, '[');
		for (size_t i = 0; i < n; i++)
			json_put_u64(o, l[i].layer);
		json_put_close(o);
	}
	json_put_close(o);
	json_put_bytes(o, "\n", 1);
	return 0;
}

static void
text(struct json_out *o, const char *s)
{
	json_put_bytes(o, s, strlen(s));
}

static int
write_trtllm(const struct placed *l, size_t n, struct json_out *o, char err[FORMATS_ERR])
{
	char line[96];
	int r = 0;

	snprintf(line, sizeof line, "num_slots: %u\nlayer_updates_per_iter: 0\nep_size: %u\n",
		 l->place.n, l->place.rows * l->place.cols);
	text(o, line);
	text(o, "initial_global_assignments:\n");
	for (size_t k = 0; k < n && !r; k++) {
		const struct place *p = &l[k].place;
		uint32_t *slot = malloc((p->n + 1) * sizeof *slot);
		uint16_t *expert = malloc((p->n + 1) * sizeof *expert);

		r = slot && expert ? slots(&l[k], slot, expert, err) : fail(err, "no memory");
		snprintf(line, sizeof line, "  %llu: [", (unsigned long long)l[k].layer);
		text(o, line);
		for (uint32_t i = 0; i < p->n && !r; i++) {
			snprintf(line, sizeof line, "%s%u", i ? ", " : "", (unsigned)expert[i]);
			text(o, line);
		}
		text(o, "]\n");
		free(slot);
		free(expert);
	}
	return r;
}

static const char *const names[][3] = {
	[FORMAT_EPLB] = {"phy2log", "log2phy", "logcnt"},
	[FORMAT_SGLANG] = {"physical_to_logical_map", NULL, NULL},
	[FORMAT_VLLM] = {"physical_to_logical_map", "logical_to_physical_map",
			 "logical_replica_count"},
};

int
formats_write(enum place_format format, const struct placed *l, size_t n, struct json_out *o,
	      char err[FORMATS_ERR])
{
	int r;

	for (size_t k = 1; k < n; k++)
		if (format != FORMAT_PLACEMENT && l[k].place.n != l[0].place.n)
			return fail(err, "layers have different numbers of copies");
	if (format == FORMAT_PLACEMENT)
		r = write_placement(l, n, o, err);
	else if (format == FORMAT_TRTLLM)
		r = write_trtllm(l, n, o, err);
	else
		r = write_tables(names[format], l, n, o, err);
	return r ? r : o->bad ? fail(err, "no memory") : 0;
}

/* ---- reading ---- */

/* A layer out of the expert of each slot, on devices of n / ndev slots; the order of an
 * expert's copies is that of log2phy (json value, or -1: of the slots). */
static int
from_slots(struct placed *l, const uint16_t *expert, size_t n, uint32_t rows, uint32_t cols,
	   struct json *j, int log2phy, char err[FORMATS_ERR])
{
	uint32_t ndev = rows * cols, most = 0, *copies, *at;
	int r = -1;

	if (!n || n % ndev) {
		snprintf(err, FORMATS_ERR, "%zu slots do not divide over %u devices", n, ndev);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		most = MAX(most, expert[i]);
	copies = calloc(most + 2, sizeof *copies);
	at = calloc(most + 2, sizeof *at);
	if (!copies || !at)
		goto out;
	for (size_t i = 0; i < n; i++)
		copies[expert[i]]++;
	if (place_init(&l->place, rows, cols, most + 1, copies) < 0)
		goto out;
	r = 0;
	for (size_t i = 0; i < n; i++)
		l->place.dev[l->place.first[expert[i]] + at[expert[i]]++] =
			(uint16_t)(i / (n / ndev));
	if (log2phy >= 0) {
		uint32_t e = 0;

		for (int v = json_first(j, log2phy); v >= 0 && e <= most;
		     v = json_next(j, log2phy, v), e++) {
			uint32_t i = 0;

			for (int s = json_first(j, v); s >= 0; s = json_next(j, v, s)) {
				int64_t slot;

				if (json_i64(j, s, &slot) < 0 || slot >= (int64_t)n ||
				    (slot >= 0 && (expert[slot] != e || i >= copies[e]))) {
					json_fail(j, s, "a slot that does not hold expert %u", e);
					snprintf(err, FORMATS_ERR, "%s", j->err);
					r = -1;
					goto out;
				}
				if (slot >= 0)
					l->place.dev[l->place.first[e] + i++] =
						(uint16_t)((size_t)slot / (n / ndev));
				for (int u = json_first(j, v); u != s; u = json_next(j, v, u)) {
					int64_t other;

					if (slot >= 0 && json_i64(j, u, &other) == 0 &&
					    other == slot) {
						json_fail(j, s, "a slot twice");
						snprintf(err, FORMATS_ERR, "%s", j->err);
						r = -1;
						goto out;
					}
				}
			}
			if (i != copies[e]) {
				json_fail(j, v, "%u of the %u slots that hold expert %u", i,
					  copies[e], e);
				snprintf(err, FORMATS_ERR, "%s", j->err);
				r = -1;
				goto out;
			}
		}
	}
out:
	if (!copies || !at)
		fail(err, "no memory");
	free(copies);
	free(at);
	return r;
}

/* One row of numbers below 65535 into v [cap]: how many, or -1. */
static long
numbers(struct json *j, int row, uint16_t *v, size_t cap)
{
	size_t n = 0;
	uint64_t x;

	for (int e = json_first(j, row); e >= 0; e = json_next(j, row, e)) {
		if (json_u64(j, e, &x) < 0 || x >= PLACE_NONE || n == cap)
			return json_fail(j, e, "no expert");
		v[n++] = (uint16_t)x;
	}
	return (long)n;
}

static long
read_tables(const char *const name[3], struct json *j, uint32_t rows, uint32_t cols,
	    struct placed **l, char err[FORMATS_ERR])
{
	int map = json_find(j, 0, name[0]), log = name[1] ? json_find(j, 0, name[1]) : -1;
	int layers = json_find(j, 0, "layers"), v, w, number;
	size_t n = (size_t)MAX(json_size(j, map), 0), k = 0;
	uint16_t *expert;

	if (json_type(j, map) != JSON_ARR || !n) {
		json_fail(j, 0, "no %s", name[0]);
		snprintf(err, FORMATS_ERR, "%s", j->err);
		return -1;
	}
	expert = malloc(((size_t)1 << 20) * sizeof *expert);
	if (!(*l = calloc(n, sizeof **l)) || !expert) {
		free(expert);
		return fail(err, "no memory");
	}
	w = log >= 0 ? json_first(j, log) : -1;
	number = layers >= 0 ? json_first(j, layers) : -1;
	for (v = json_first(j, map); v >= 0; v = json_next(j, map, v), k++) {
		long slots = numbers(j, v, expert, (size_t)1 << 20);

		(*l)[k].layer = k;
		if (number >= 0 && json_u64(j, number, &(*l)[k].layer) < 0)
			slots = json_fail(j, number, "no layer");
		if (slots < 0) {
			snprintf(err, FORMATS_ERR, "%s", j->err);
			break;
		}
		if (from_slots(&(*l)[k], expert, (size_t)slots, rows, cols, j, w, err) < 0)
			break;
		w = w >= 0 ? json_next(j, log, w) : -1;
		number = number >= 0 ? json_next(j, layers, number) : -1;
	}
	free(expert);
	return v >= 0 ? -1 : (long)n;
}

/* {"0": [{"device": 3, ...}, ...]} or {"0": [3, ...]} */
static long
read_placement(struct json *j, uint32_t rows, uint32_t cols, struct placed **l,
	       char err[FORMATS_ERR])
{
	uint32_t experts = (uint32_t)MAX(json_size(j, 0), 0), *copies, e;
	uint64_t d;
	int k = -1, v, bad = 0;

	*l = calloc(1, sizeof **l);
	copies = calloc(experts + 1, sizeof *copies);
	if (!*l || !copies || json_type(j, 0) != JSON_OBJ || !experts) {
		free(copies);
		return fail(err, "1:1: no object of experts");
	}
	for (int pass = 0; pass < 2 && !bad; pass++) {
		for (k = json_first(j, 0); k >= 0 && !bad; k = json_next(j, 0, k)) {
			char name[16];
			uint64_t x;
			uint32_t i = 0;

			if (json_str(j, k, name, sizeof name) < 0 ||
			    num_u64(name, 0, experts - 1, &x) < 0 || (!pass && copies[x])) {
				bad = json_fail(j, k, "no expert below %u, or twice", experts);
				break;
			}
			e = (uint32_t)x;
			if (!pass) {
				copies[e] = (uint32_t)MAX(json_size(j, k + 1), 0);
				continue;
			}
			for (v = json_first(j, k + 1); v >= 0; v = json_next(j, k + 1, v)) {
				int dev =
					json_type(j, v) == JSON_OBJ ? json_find(j, v, "device") : v;

				if (json_u64(j, dev, &d) < 0 || d >= (uint64_t)rows * cols) {
					bad = json_fail(j, v, "no device of %ux%u", rows, cols);
					break;
				}
				(*l)->place.dev[(*l)->place.first[e] + i++] = (uint16_t)d;
			}
		}
		if (!pass && !bad && place_init(&(*l)->place, rows, cols, experts, copies) < 0) {
			free(copies);
			return fail(err, "no memory");
		}
	}
	free(copies);
	if (bad)
		snprintf(err, FORMATS_ERR, "%s", j->err);
	return bad ? -1 : 1;
}

/* The flow lists under initial_global_assignments:, `LAYER: [EXPERT, ...]`. */
static long
read_trtllm(const char *p, const char *end, uint32_t rows, uint32_t cols, struct placed **l,
	    char err[FORMATS_ERR])
{
	const char *at = memmem(p, (size_t)(end - p), "initial_global_assignments:", 27);
	uint16_t *expert = malloc(((size_t)1 << 20) * sizeof *expert);
	long n = 0;

	*l = NULL;
	if (!at || !expert) {
		free(expert);
		return fail(err, at ? "no memory" : "no initial_global_assignments");
	}
	for (at += 27; at < end;) {
		uint64_t layer, x;
		const char *q;
		size_t k = 0;
		void *m;

		while (at < end && strchr(" \r\n\t", *at))
			at++;
		for (q = at; q < end && *q >= '0' && *q <= '9'; q++)
			;
		if (q == at)
			break; /* another key, or the end */
		if (num_u64n(at, q, 0, 1 << 20, &layer) < 0 ||
		    !(at = memchr(q, '[', (size_t)(end - q))) ||
		    memchr(q, '\n', (size_t)(at - q))) {
			n = fail(err, "an assignment that is no list in brackets");
			break;
		}
		for (at++; at < end && *at != ']'; at = q) {
			while (at < end && strchr(" ,\r\n\t", *at))
				at++;
			for (q = at; q < end && *q >= '0' && *q <= '9'; q++)
				;
			if (at < end && *at == ']')
				break;
			if (num_u64n(at, q, 0, PLACE_NONE - 1, &x) < 0 || k == (size_t)1 << 20) {
				n = fail(err, "an expert that is no number");
				break;
			}
			expert[k++] = (uint16_t)x;
		}
		if (n >= 0 && at >= end)
			n = fail(err, "a list without its end");
		at++;
		if (n < 0)
			break;
		if (!(m = realloc(*l, (size_t)(n + 1) * sizeof **l))) {
			n = fail(err, "no memory");
			break;
		}
		*l = m;
		memset(&(*l)[n], 0, sizeof **l);
		(*l)[n].layer = layer;
		if (from_slots(&(*l)[n], expert, k, rows, cols, NULL, -1, err) < 0) {
			n = -1;
			break;
		}
		n++;
	}
	free(expert);
	return n ? n : fail(err, "no assignments");
}

long
formats_read(enum place_format format, char *p, size_t n, uint32_t rows, uint32_t cols,
	     struct placed **l, char err[FORMATS_ERR])
{
	struct json j = {0};
	long r;

	*l = NULL;
	if (format == FORMAT_TRTLLM)
		return read_trtllm(p, p + n, rows, cols, l, err);
	if (json_parse_c(&j, p, n) < 0) {
		snprintf(err, FORMATS_ERR, "%s", j.err);
		r = -1;
	} else if (format == FORMAT_PLACEMENT) {
		r = read_placement(&j, rows, cols, l, err);
	} else {
		r = read_tables(names[format], &j, rows, cols, l, err);
	}
	json_free(&j);
	return r;
}
