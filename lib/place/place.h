/*
 * A placement: copies of experts on the devices of a mesh, and the routed
 * tokens that it is judged by.  Words as in moetrace-place(5): an instance is
 * one copy; instances are numbered by expert, then in the order of its copies,
 * in which routing tries them.
 */
#ifndef PLACE_H
#define PLACE_H

#include "moetrace.h"

enum { PLACE_NONE = 0xffff, PLACE_ERR = 256 }; /* PLACE_NONE: not on a device yet */

struct place {
	uint32_t rows, cols; /* of the mesh; device = row * cols + column */
	uint32_t experts;    /* shared ones included */
	uint32_t n;          /* instances */
	uint32_t *first; /* [experts + 1]: instances of expert e are first[e] .. first[e + 1] - 1 */
	uint16_t *dev, *expert; /* [n] */
	uint16_t *slot;         /* [n] place on its device, from 0; NULL: not told */
};

/* Copies [experts] of each expert, none of them placed: 0 or TR_ENOMEM. */
int place_init(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts,
	       const uint32_t *copies);
/* Of the expert of each of n slots, as many on each device, device by device: 0, TR_ENOMEM, or
 * TR_EVALUE: they do not divide, or are more than 65535 on a device. */
int place_slots(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts,
		const uint16_t *expert, uint32_t n);
/* The routed experts one after the other, as many on each device, and a copy of each
 * shared one on all: 0 or TR_ENOMEM. */
int place_consecutive(struct place *p, uint32_t rows, uint32_t cols, uint32_t experts,
		      uint32_t shared);
int place_copy(struct place *to, const struct place *from); /* without slots */
void place_unslot(struct place *p);                         /* copies are about to move */
void place_free(struct place *p);

/* A place frame: 1; 0 if f is none of that layer (TR_NONE: of any); <0 and err. */
int place_read(struct place *p, struct tr_frame *f, uint64_t layer, char err[PLACE_ERR]);
/* Make the frame; its columns are lent by p. */
void place_frame(const struct place *p, uint64_t layer, struct tr_frame *f);
/* Do two copies share a slot of a device?  0, or TR_EVALUE (TR_ENOMEM) and err. */
int place_check_slots(const struct place *p, char err[PLACE_ERR]);

/* The largest number of copies on a device that slots allow. */
uint32_t place_per_device(uint32_t slots, uint32_t devices);
/* Is every expert there, every copy on a device, and no device above its limit?
 * 0, or -1 and err.  *doubles: copies that share a device with one of the same expert. */
int place_check(const struct place *p, uint32_t per_device, uint32_t *doubles, char err[PLACE_ERR]);
/* Has expert e a copy on dev? */
int place_holds(const struct place *p, uint32_t e, uint32_t dev);
/* Copies of to that are where from has none of their expert. */
uint32_t place_moved(const struct place *from, const struct place *to);

/* ---- routed tokens of one layer ---- */

struct tokens {
	size_t nbatch, ntoken, npick;
	size_t *batch;    /* [nbatch + 1] first token */
	size_t *first;    /* [ntoken + 1] first pick */
	uint16_t *pick;   /* [npick] experts, shared ones at the end of each token */
	uint16_t *origin; /* [ntoken] mesh row where it lives; PLACE_NONE: not told */
	uint64_t *count;  /* [experts] picks of each */
	uint16_t *order;  /* [ntoken][routed] experts by falling score; NULL unless scores */
	uint32_t routed;  /* experts that are not shared, where there is order */
	uint32_t experts; /* shared included */
	int scores;       /* the caller's: read them from column logit */
	int repeats;      /* some token names an expert twice */
	size_t captoken, cappick, capbatch, caporder;
	uint64_t number; /* of the last batch */
};

int tokens_init(struct tokens *t, uint32_t experts); /* 0 or TR_ENOMEM */
void tokens_free(struct tokens *t);
/* Append the rows of a route frame (its ids, and origin where it has it); frames of one
 * batch follow each other.  shared: experts - shared .. experts - 1 are added to
 * each token that lacks them.  max: rows of a batch to take, 0 all.  0 or TR_E...; TR_EUSE:
 * scores are wanted and f has no logit of that many experts; TR_EVALUE: an origin beyond 65534. */
int tokens_add(struct tokens *t, const struct tr_frame *f, uint32_t shared, uint64_t max);
/* Of each batch keep max(1, floor(share of its tokens)), drawn without replacement
 * by (seed, batch, token), in their order. */
void tokens_sample(struct tokens *t, double share, uint64_t seed);
/* The batches from .. end - 1 of t alone, owned.  0 or TR_ENOMEM. */
int tokens_part(struct tokens *part, const struct tokens *t, size_t from, size_t end);
/* Each batch of t once for each row of the mesh, where tokens that tell no row live in that:
 * what average-rows averages.  to is freed by tokens_free.  0 or TR_ENOMEM. */
int tokens_rows(struct tokens *to, const struct tokens *t, uint32_t rows);
/* Rows that picked both, [experts][experts]; pairs of a row, so that an expert that a
 * row repeats is with itself.  to is zeroed by the caller. */
void tokens_coact(const struct tokens *t, uint64_t *to);

#endif
