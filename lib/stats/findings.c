/* Rows read once: hashes for equality, Misra-Gries for frequency (Misra and
 * Gries, Finding repeated elements, 1982). */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "findings.h"
#include "size.h"

enum { SLOTS = 2 * FINDINGS_LISTS };

int
findings_init(struct findings *f, uint64_t layer)
{
	memset(f, 0, sizeof *f);
	f->layer = layer;
	f->slot = calloc(SLOTS, sizeof *f->slot);
	return f->slot ? 0 : TR_ENOMEM;
}

void
findings_free(struct findings *f)
{
	free(f->slot);
	free(f->w);
	f->slot = NULL;
	f->w = NULL;
}

/* All counters one down; those at 0 go.  Rebuilt, so that probing stays right. */
static void
shrink(struct findings *f)
{
	struct findings_slot *old = malloc(SLOTS * sizeof *old);

	if (!old)
		return;
	memcpy(old, f->slot, SLOTS * sizeof *old);
	memset(f->slot, 0, SLOTS * sizeof *f->slot);
	f->nslot = 0;
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (old[i].n <= 1)
			continue;
		uint32_t at = (uint32_t)old[i].hash % SLOTS;

		while (f->slot[at].n)
			at = (at + 1) % SLOTS;
		f->slot[at] = old[i];
		f->slot[at].n--;
		f->nslot++;
	}
	free(old);
}

static void
count_list(struct findings *f, uint64_t hash, uint64_t row)
{
	uint32_t at = (uint32_t)hash % SLOTS;

	while (f->slot[at].n && f->slot[at].hash != hash)
		at = (at + 1) % SLOTS;
	if (f->slot[at].n) {
		f->slot[at].n++;
	} else if (f->nslot < FINDINGS_LISTS) {
		f->slot[at] = (struct findings_slot){hash, 1, row};
		f->nslot++;
	} else {
		shrink(f);
	}
}

uint64_t
findings_top(const struct findings *f, uint64_t *row)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		if (f->slot[i].n > best) {
			best = f->slot[i].n;
			*row = f->slot[i].row;
		}
	return best;
}

static void
note(uint64_t *n, uint64_t *first, uint64_t row)
{
	if (!(*n)++)
		*first = row;
}

static uint64_t
mix(uint64_t h) /* the finisher of MurmurHash3 */
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

static void
check_ids(struct findings *f, const struct tr_ids *ids)
{
	uint32_t k = ids->k, size = ids->u8 ? 1 : 2;
	const unsigned char *p = ids->u8 ? ids->u8 : (const unsigned char *)ids->u16;

	f->ids_crc = crc32c(f->ids_crc, p, ids->rows * k * size);
	for (uint64_t r = 0; r < ids->rows; r++, p += k * size) {
		uint64_t h = k, seen = 0, x = 0;
		int maybe = 0;

		for (uint32_t i = 0; i < k; i++) {
			uint32_t e = size == 1 ? p[i] : ((const uint16_t *)p)[i];

			if (e == (size == 1 ? 0xff : 0xffff)) {
				f->empty++;
			} else {
				maybe |= seen >> e % 64 & 1;
				seen |= UINT64_C(1) << e % 64;
			}
			x = x << 16 | e;
			if (i % 4 == 3) {
				h = mix(h ^ x);
				x = 0;
			}
		}
		h = mix(h ^ x);
		for (uint32_t i = 1; maybe && i < k; i++)
			for (uint32_t j = 0; j < i; j++) {
				uint32_t a = tr_id(ids, r * k + i), b = tr_id(ids, r * k + j);

				if (a == b && a != UINT32_MAX) {
					note(&f->n_repeat, &f->first_repeat, f->n_rows + r);
					maybe = 0;
					break;
				}
			}
		count_list(f, h, f->n_rows + r);
	}
}

static void
check_weights(struct findings *f, const struct tr_col *c, uint64_t rows)
{
	/* what rounding to the stored type may add to a sum of 1 */
	double ulp = c->type == TR_F16 ? 0x1p-11 : c->type == TR_BF16 ? 0x1p-8 : 0x1p-23;

	for (uint64_t r = 0; r < rows; r++) {
		const float *w = f->w + r * c->width;
		float sum = 0, least = 0;

		for (uint32_t i = 0; i < c->width; i++) {
			sum += w[i];
			least = w[i] < least ? w[i] : least;
		}
		if (sum - sum != 0)
			note(&f->n_nan, &f->first_nan, f->n_rows + r);
		else if (least < 0)
			note(&f->n_negative, &f->first_negative, f->n_rows + r);
		else if ((double)sum > 1 + ulp * (c->width + 1))
			note(&f->n_above, &f->first_above, f->n_rows + r);
	}
}

static int
floats(struct findings *f, const struct tr_col *c)
{
	size_t n = c->rows * c->width;

	if (n > f->w_cap) {
		free(f->w);
		f->w_cap = 0;
		if (!(f->w = malloc(n * sizeof *f->w)))
			return TR_ENOMEM;
		f->w_cap = n;
	}
	return col_f32(c, 0, n, f->w);
}

int
findings_add(struct findings *f, const struct tr_frame *frame)
{
	struct tr_ids ids;
	struct tr_col c;
	int r;

	if ((r = tr_ids(frame, &ids)) < 0)
		return r;
	if (r)
		check_ids(f, &ids);
	if ((r = tr_col(frame, "w", &c)) < 0)
		return r;
	if (r) {
		f->w_crc = crc32c(f->w_crc, c.data, c.rows * c.width * c.size);
		if ((r = floats(f, &c)) < 0)
			return r;
		check_weights(f, &c, frame->rows);
	}
	for (int i = 0; i < 2; i++) {
		if ((r = tr_col(frame, i ? "p" : "logit", &c)) < 0)
			return r;
		if (!r)
			continue;
		if ((r = floats(f, &c)) < 0)
			return r;
		for (uint64_t row = 0; row < frame->rows; row++)
			for (uint32_t k = 0; k < c.width; k++)
				if (f->w[row * c.width + k] != f->w[row * c.width + k]) {
					note(&f->n_nan, &f->first_nan, f->n_rows + row);
					break;
				}
	}
	f->n_rows += frame->rows;
	return 0;
}
