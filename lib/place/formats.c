#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "num.h"
#include "size.h"
#include "trtllm.h"

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
			pair(o, "slot", p->slot ? p->slot[i] : used[p->dev[i]]++);
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
		uint32_t at = used[p->dev[i]]++;

		if (p->n % ndev || at == per) {
			snprintf(err, FORMATS_ERR,
				 "layer %llu: engines want the same number of copies on each of %u "
				 "devices",
				 (unsigned long long)l->layer, ndev);
			r = -1;
			break;
		}
		at = p->slot ? p->slot[i] : at;
		if (at >= per) {
			snprintf(err, FORMATS_ERR, "layer %llu: slot %u of device %u, which has %u",
				 (unsigned long long)l->layer, at, p->dev[i], per);
			r = -1;
			break;
		}
		slot[i] = p->dev[i] * per + at;
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

int
formats_slots(struct placed *l, const uint16_t *expert, size_t n, uint32_t rows, uint32_t cols,
	      char what[FORMATS_ERR])
{
	uint32_t most = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		most = MAX(most, expert[i]);
	if ((r = place_slots(&l->place, rows, cols, most + 1, expert, (uint32_t)n)) == TR_EVALUE)
		snprintf(what, FORMATS_ERR, "%zu slots do not divide over %u devices", n,
			 rows * cols);
	else if (r < 0)
		fail(what, "no memory");
	return r < 0 ? -1 : 0;
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

static uint32_t
copies_of(const struct place *p, uint32_t e)
{
	return e < p->experts ? p->first[e + 1] - p->first[e] : 0;
}

/* The copies of each expert in the order of a layer of log2phy. */
static int
order(struct json *j, int layer, struct place *p, const uint16_t *expert)
{
	uint32_t e = 0, per = p->n / (p->rows * p->cols);

	for (int v = json_first(j, layer); v >= 0; v = json_next(j, layer, v), e++) {
		uint32_t i = 0, n = copies_of(p, e);

		for (int s = json_first(j, v); s >= 0; s = json_next(j, v, s)) {
			int64_t slot;

			if (json_i64(j, s, &slot) < 0 || slot >= (int64_t)p->n ||
			    (slot >= 0 && (expert[slot] != e || i >= n)))
				return json_fail(j, s, "a slot that does not hold expert %u", e);
			if (slot < 0)
				continue; /* fills up */
			for (uint32_t k = 0; k < i; k++)
				if (p->dev[p->first[e] + k] == slot / per &&
				    p->slot[p->first[e] + k] == slot % per)
					return json_fail(j, s, "a slot twice");
			p->dev[p->first[e] + i] = (uint16_t)(slot / per);
			p->slot[p->first[e] + i++] = (uint16_t)(slot % per);
		}
		if (i != n)
			return json_fail(j, v, "%u of the %u slots that hold expert %u", i, n, e);
	}
	return e < p->experts ? json_fail(j, layer, "no slots of expert %u", e) : 0;
}

/* Does a layer of logcnt say what the slots do? */
static int
count(struct json *j, int layer, const struct place *p)
{
	uint32_t e = 0;

	for (int v = json_first(j, layer); v >= 0; v = json_next(j, layer, v), e++) {
		uint64_t n;

		if (json_u64(j, v, &n) < 0 || n != copies_of(p, e))
			return json_fail(j, v, "not the %u slots that hold expert %u",
					 copies_of(p, e), e);
	}
	return e < p->experts ? json_fail(j, layer, "no count of expert %u", e) : 0;
}

/* First element of a table beside the map, -1: not there.  0, or -1: of other layers. */
static int
beside(struct json *j, const char *name, int layers, int *table, int *first)
{
	*table = name ? json_find(j, 0, name) : -1;
	*first = *table >= 0 ? json_first(j, *table) : -1;
	if (*table < 0 || json_size(j, *table) == layers)
		return 0;
	return json_fail(j, *table, "%s is not of the %d layers of the map", name, layers);
}

static long
read_tables(const char *const name[3], struct json *j, uint32_t rows, uint32_t cols,
	    struct placed **l, char err[FORMATS_ERR])
{
	int map = json_find(j, 0, name[0]), n = MAX(json_size(j, map), 0), k = 0, r = 0;
	int log, cnt, layers, w, c, number;
	uint16_t *expert;

	if (json_type(j, map) != JSON_ARR || !n)
		r = json_fail(j, 0, "no %s", name[0]);
	else if (beside(j, name[1], n, &log, &w) < 0 || beside(j, name[2], n, &cnt, &c) < 0 ||
		 beside(j, "layers", n, &layers, &number) < 0)
		r = -1;
	if (r < 0) {
		snprintf(err, FORMATS_ERR, "%s", j->err);
		return -1;
	}
	expert = malloc(((size_t)1 << 20) * sizeof *expert);
	if (!(*l = calloc((size_t)n, sizeof **l)) || !expert) {
		free(expert);
		return fail(err, "no memory");
	}
	for (int v = json_first(j, map); v >= 0 && !r; v = json_next(j, map, v), k++) {
		struct placed *at = &(*l)[k];
		long slots = numbers(j, v, expert, (size_t)1 << 20);
		char what[FORMATS_ERR];

		at->layer = (uint64_t)k;
		if (slots < 0)
			r = -1;
		else if (number >= 0 && json_u64(j, number, &at->layer) < 0)
			r = json_fail(j, number, "no layer");
		else if (formats_slots(at, expert, (size_t)slots, rows, cols, what) < 0)
			r = json_fail(j, v, "%s", what);
		else if ((w >= 0 && order(j, w, &at->place, expert) < 0) ||
			 (c >= 0 && count(j, c, &at->place) < 0))
			r = -1;
		w = w >= 0 ? json_next(j, log, w) : -1;
		c = c >= 0 ? json_next(j, cnt, c) : -1;
		number = number >= 0 ? json_next(j, layers, number) : -1;
	}
	if (r < 0)
		snprintf(err, FORMATS_ERR, "%s", j->err);
	free(expert);
	return r < 0 ? -1 : n;
}

/* A copy of placement.json into instance at of p: a device, or an object of device and what else
 * it says, which has to be true of the mesh.  read: copies before it; *told: how many of them say their slot. */
static int
read_copy(struct json *j, int v, struct place *p, uint32_t at, uint32_t read, uint32_t *told)
{
	int object = json_type(j, v) == JSON_OBJ, slot = object ? json_find(j, v, "slot") : -1;
	uint64_t d, x;

	if (json_u64(j, object ? json_find(j, v, "device") : v, &d) < 0 ||
	    d >= (uint64_t)p->rows * p->cols)
		return json_fail(j, v, "no device of %ux%u", p->rows, p->cols);
	for (int i = 0; i < 2 && object; i++) {
		int w = json_find(j, v, i ? "col" : "row");

		if (w >= 0 && (json_u64(j, w, &x) < 0 || x != (i ? d % p->cols : d / p->cols)))
			return json_fail(j, w,
					 "device %u is in row %u and column %u of --mesh "
					 "%ux%u",
					 (unsigned)d, (unsigned)d / p->cols, (unsigned)d % p->cols,
					 p->rows, p->cols);
	}
	p->dev[at] = (uint16_t)d;
	if (slot >= 0 && (json_u64(j, slot, &x) < 0 || x > UINT16_MAX))
		return json_fail(j, slot, "no slot");
	if (*told != (slot >= 0 ? read : 0))
		return json_fail(j, v, "some copies have a slot, not all");
	if (slot >= 0) {
		p->slot[at] = (uint16_t)x;
		++*told;
	}
	return 0;
}

/* {"0": [{"device": 3, ...}, ...]} or {"0": [3, ...]} */
static long
read_placement(struct json *j, uint32_t rows, uint32_t cols, struct placed **l,
	       char err[FORMATS_ERR])
{
	uint32_t experts = (uint32_t)MAX(json_size(j, 0), 0), *copies, e;
	struct place *p;
	uint32_t read = 0, told = 0;
	int k = -1, v, bad = 0;

	*l = calloc(1, sizeof **l);
	copies = calloc(experts + 1, sizeof *copies);
	if (!*l || !copies || json_type(j, 0) != JSON_OBJ || !experts) {
		free(copies);
		return fail(err, "1:1: no object of experts");
	}
	p = &(*l)->place;
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
			for (v = json_first(j, k + 1); v >= 0 && !bad; v = json_next(j, k + 1, v))
				bad = read_copy(j, v, p, p->first[e] + i++, read++, &told);
		}
		if (!pass && !bad &&
		    (place_init(p, rows, cols, experts, copies) < 0 ||
		     !(p->slot = malloc((p->n + 1) * sizeof *p->slot)))) {
			free(copies);
			return fail(err, "no memory");
		}
	}
	free(copies);
	if (bad)
		snprintf(err, FORMATS_ERR, "%s", j->err);
	else if (!told)
		place_unslot(p);
	else
		bad = place_check_slots(p, err);
	return bad ? -1 : 1;
}

long
formats_read(enum place_format format, char *p, size_t n, uint32_t rows, uint32_t cols,
	     struct placed **l, char err[FORMATS_ERR])
{
	struct json j = {0};
	long r;

	*l = NULL;
	if (format == FORMAT_TRTLLM)
		return trtllm_read(p, n, rows, cols, l, err);
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
