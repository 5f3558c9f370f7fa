#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "size.h"

int
place_init(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts, const uint32_t *copies)
{
	memset(p, 0, sizeof *p);
	p->rows = rows;
	p->cols = cols;
	p->experts = experts;
	if (!(p->first = malloc((experts + 1) * sizeof *p->first)))
		return TR_ENOMEM;
	p->first[0] = 0;
	for (uint32_t e = 0; e < experts; e++)
		p->first[e + 1] = p->first[e] + copies[e];
	p->n = p->first[experts];
	p->dev = malloc((p->n + 1) * sizeof *p->dev);
	p->expert = malloc((p->n + 1) * sizeof *p->expert);
	if (!p->dev || !p->expert) {
		place_free(p);
		return TR_ENOMEM;
	}
	for (uint32_t e = 0; e < experts; e++)
		for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++) {
			p->dev[i] = PLACE_NONE;
			p->expert[i] = (uint16_t)e;
		}
	return 0;
}

int
place_slots(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts, const uint16_t *expert,
	    uint32_t n)
{
	uint32_t per = n / (rows * cols), *copies;
	int r;

	if (!n || n % (rows * cols) || per > UINT16_MAX)
		return TR_EVALUE;
	if (!(copies = calloc(experts + 1, sizeof *copies)))
		return TR_ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (expert[i] != PLACE_NONE)
			copies[expert[i]]++;
	if ((r = place_init(p, rows, cols, experts, copies)) == 0 &&
	    !(p->slot = malloc(n * sizeof *p->slot))) {
		place_free(p);
		r = TR_ENOMEM;
	}
	for (uint32_t i = n; !r && i-- > 0;) { /* from behind: copies of an expert by slot */
		uint32_t at;

		if (expert[i] == PLACE_NONE)
			continue;
		at = p->first[expert[i]] + --copies[expert[i]];
		p->dev[at] = (uint16_t)(i / per);
		p->slot[at] = (uint16_t)(i % per);
	}
	free(copies);
	return r;
}

int
place_consecutive(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts, uint32_t shared)
{
	uint32_t n = rows * cols, *copies = calloc((size_t)experts + shared + 1, sizeof *copies);
	int r;

	if (!copies)
		return TR_ENOMEM;
	for (uint32_t e = 0; e < experts + shared; e++)
		copies[e] = e < experts ? 1 : n;
	r = place_init(p, rows, cols, experts + shared, copies);
	free(copies);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t e = p->expert[i];

		p->dev[i] = (uint16_t)(e < experts ? (uint64_t)e * n / experts : i - p->first[e]);
	}
	return 0;
}

int
place_copy(struct place *to, const struct place *from)
{
	uint32_t *copies = malloc((from->experts + 1) * sizeof *copies);
	int r;

	if (!copies)
		return TR_ENOMEM;
	for (uint32_t e = 0; e < from->experts; e++)
		copies[e] = from->first[e + 1] - from->first[e];
	r = place_init(to, from->rows, from->cols, from->experts, copies);
	free(copies);
	if (!r)
		memcpy(to->dev, from->dev, from->n * sizeof *to->dev);
	return r;
}

void
place_unslot(struct place *p)
{
	free(p->slot);
	p->slot = NULL;
}

void
place_free(struct place *p)
{
	place_unslot(p);
	free(p->first);
	free(p->dev);
	free(p->expert);
	memset(p, 0, sizeof *p);
}

static int
fail(char err[PLACE_ERR], int r, const char *what)
{
	snprintf(err, PLACE_ERR, "%s", what);
	return r;
}

static int
by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
place_check_slots(const struct place *p, char err[PLACE_ERR])
{
	uint32_t *all = malloc((p->n + 1) * sizeof *all);
	int r = 0;

	if (!all)
		return fail(err, TR_ENOMEM, "no memory");
	for (uint32_t i = 0; i < p->n; i++)
		all[i] = (uint32_t)p->dev[i] << 16 | p->slot[i];
	qsort(all, p->n, sizeof *all, by_number);
	for (uint32_t i = 1; i < p->n && !r; i++)
		if (all[i] == all[i - 1] && all[i] >> 16 != PLACE_NONE) {
			snprintf(err, PLACE_ERR, "device %u: two copies in slot %u", all[i] >> 16,
				 all[i] & 0xffff);
			r = TR_EVALUE;
		}
	free(all);
	return r;
}

/* Column slot into p. */
static int
read_slots(struct place *p, const struct tr_col *c, char err[PLACE_ERR])
{
	uint64_t s;

	if (!(p->slot = malloc((p->n + 1) * sizeof *p->slot)))
		return fail(err, TR_ENOMEM, "no memory");
	for (uint32_t i = 0; i < p->n; i++) {
		col_u64(c, i, 1, &s);
		p->slot[i] = (uint16_t)s;
	}
	return place_check_slots(p, err);
}

int
place_read(struct place *p, struct tr_frame *f, uint64_t layer, char err[PLACE_ERR])
{
	struct tr_col expert, dev, slot;
	const char *mesh;
	unsigned rows, cols;
	uint64_t e, d, last = 0, n = f->rows, most = 0;
	uint32_t *copies;
	char tail;
	int r, slots;

	if (strcmp(f->kind, "place") || (layer != TR_NONE && tr_get(f, "layer", TR_NONE) != layer))
		return 0;
	if (tr_key(f, "mesh", &mesh) <= 0 || sscanf(mesh, "%5ux%5u%c", &rows, &cols, &tail) != 2 ||
	    !rows || !cols || (uint64_t)rows * cols >= PLACE_NONE)
		return fail(err, TR_EVALUE, "mesh is not ROWSxCOLS");
	if ((r = tr_col(f, "expert", &expert)) <= 0 || (r = tr_col(f, "dev", &dev)) <= 0)
		return fail(err, r ? r : TR_ECOLS, "it lacks expert or dev");
	if (expert.type > TR_U64 || dev.type > TR_U64 || expert.width != 1 || dev.width != 1)
		return fail(err, TR_ECOLS, "expert and dev are no unsigned numbers");
	if ((slots = tr_col(f, "slot", &slot)) < 0 ||
	    (slots && (slot.type != TR_U16 || slot.width != 1)))
		return fail(err, slots < 0 ? slots : TR_ECOLS, "slot is no u16");
	if (n == 0 || n > 1 << 24)
		return fail(err, TR_ECOLS, "no copies, or too many");
	for (uint64_t i = 0; i < n; i++) {
		col_u64(&expert, i, 1, &e);
		if (e < last || e >= PLACE_NONE)
			return fail(err, TR_EVALUE, "experts are not in order");
		most = last = e;
	}
	if (!(copies = calloc(most + 1, sizeof *copies)))
		return fail(err, TR_ENOMEM, "no memory");
	for (uint64_t i = 0; i < n; i++) {
		col_u64(&expert, i, 1, &e);
		copies[e]++;
	}
	r = place_init(p, rows, cols, (uint32_t)most + 1, copies);
	free(copies);
	if (r < 0)
		return fail(err, r, "no memory");
	for (uint64_t i = 0; i < n; i++) {
		col_u64(&dev, i, 1, &d);
		if (dev.size < 8 && d == (UINT64_C(1) << 8 * dev.size) - 1)
			d = PLACE_NONE;
		else if (d >= (uint64_t)rows * cols) {
			place_free(p);
			snprintf(err, PLACE_ERR, "row %llu: device %llu of %u",
				 (unsigned long long)i, (unsigned long long)d, rows * cols);
			return TR_EVALUE;
		}
		p->dev[i] = (uint16_t)d;
	}
	if (slots && (r = read_slots(p, &slot, err)) < 0) {
		place_free(p);
		return r;
	}
	return 1;
}

void
place_frame(const struct place *p, uint64_t layer, struct tr_frame *f)
{
	char mesh[32];

	tr_new(f, "place");
	tr_setu(f, "layer", layer);
	snprintf(mesh, sizeof mesh, "%ux%u", p->rows, p->cols);
	tr_set(f, "mesh", mesh);
	tr_rows(f, p->n);
	tr_addcol(f, "expert", TR_U16, 1, p->expert);
	tr_addcol(f, "dev", TR_U16, 1, p->dev);
	if (p->slot)
		tr_addcol(f, "slot", TR_U16, 1, p->slot);
}

uint32_t
place_per_device(uint32_t slots, uint32_t devices)
{
	return (slots + devices - 1) / devices;
}

int
place_check(const struct place *p, uint32_t per_device, uint32_t *doubles, char err[PLACE_ERR])
{
	uint32_t devices = p->rows * p->cols, *used = calloc(devices, sizeof *used);
	int r = -1;

	*doubles = 0;
	if (!used)
		return fail(err, -1, "no memory");
	for (uint32_t e = 0; e < p->experts; e++) {
		if (p->first[e] == p->first[e + 1]) {
			snprintf(err, PLACE_ERR, "expert %u has no copy", e);
			goto out;
		}
		for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++) {
			if (p->dev[i] == PLACE_NONE) {
				snprintf(err, PLACE_ERR, "expert %u: a copy is on no device", e);
				goto out;
			}
			used[p->dev[i]]++;
			for (uint32_t k = p->first[e]; k < i; k++)
				if (p->dev[k] == p->dev[i]) {
					++*doubles;
					break;
				}
		}
	}
	for (uint32_t d = 0; d < devices; d++)
		if (per_device && used[d] > per_device) {
			snprintf(err, PLACE_ERR, "device %u holds %u copies, %u are allowed", d,
				 used[d], per_device);
			goto out;
		}
	r = 0;
out:
	free(used);
	return r;
}

int
place_holds(const struct place *p, uint32_t e, uint32_t dev)
{
	for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++)
		if (p->dev[i] == dev)
			return 1;
	return 0;
}

uint32_t
place_moved(const struct place *from, const struct place *to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < to->n; i++)
		n += !place_holds(from, to->expert[i], to->dev[i]);
	return n;
}
