/*
 * Where routed rows go: counts, offsets and the stable order by expert, and moving
 * rows by it.  The CPU twins of k_index and k_gather; integers, and sums in the order
 * of slots, so that kernels have the same bits.
 */
#ifndef INDEX_H
#define INDEX_H

#include "select.h"

struct index {
	uint32_t experts;  /* 1 .. SELECT_EXPERTS_MAX */
	uint32_t k, align; /* k >= 1; align 0 or 1: none; else each expert's rows start at and
				     * are filled up to a multiple of it */
	uint32_t *counts;  /* [experts] */
	uint32_t *offsets; /* [experts + 1], the last is the number of packed rows */
	uint32_t *perm;    /* [index_room]: route row * k + slot of each packed row, by expert,
			    * then row, then slot; UINT32_MAX where it is filling */
	uint32_t *place;   /* [rows * k]: packed row of each route, UINT32_MAX of SELECT_NONE */
};

/* The most packed rows that rows can make; UINT64_MAX if they do not fit 32 bits. */
uint64_t index_room(const struct index *x, uint64_t rows);
/* ids [rows][k], < experts or SELECT_NONE; all arrays are the caller's.  The same for any
 * jobs.  0, or TR_ENOMEM, or TR_EVALUE for an id that is none. */
int index_rows(struct index *x, const uint16_t *ids, uint64_t rows, int jobs);

/* to[i] = from[perm[i] / k], times w[perm[i]] where w is not NULL; filling is zeros.
 * from [rows][d], to [offsets[experts]][d], of type TR_F32, TR_F16 or TR_BF16 (products
 * in f32, rounded to nearest even).  jobs threads share the rows. */
void gather_rows(const struct index *x, enum tr_type type, const void *from, uint64_t d,
		 const float *w, void *to, int jobs);
/* Back to the rows: to[t] = sum over slots of w[t][slot] * from[place[t * k + slot]], in
 * f32 from 0 by fused multiply-adds, slots in order, rounded once; a slot without a place
 * adds nothing.  w NULL: 1. */
void combine_rows(const struct index *x, enum tr_type type, const void *from, uint64_t d,
		  const float *w, uint64_t rows, void *to, int jobs);

#endif
