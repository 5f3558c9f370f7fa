/*
 * Histograms of what routers say of their experts: a group for each layer (and
 * data set), in it a row of bins, or one for each expert, k-th best, rank.
 * Those that take a tool die, as the functions of tool.h do.
 */
#ifndef HISTO_H
#define HISTO_H

#include "../core/tool.h"

enum histo_of { HISTO_LOGIT, HISTO_SOFTMAX, HISTO_WSUM, HISTO_P, HISTO_CDF };
enum histo_by { HISTO_LAYER, HISTO_EXPERT, HISTO_KTH, HISTO_RANK };
enum histo_span { HISTO_ALL, HISTO_EACH, HISTO_ROW };
enum { HISTO_POINTS = 200, HISTO_NAME = 64 };

struct histo_counts { /* of a layer, for ranks */
	uint64_t layer, experts;
	uint32_t *at; /* [experts] experts, the most chosen first */
};

struct histo_group {
	uint64_t layer; /* TR_NONE: all */
	char dataset[HISTO_NAME];
	uint32_t experts; /* of the rows that came */
	uint32_t width;   /* values a row that are counted */
	uint32_t nrow;    /* rows of bins: width, or 1 */
	const uint32_t *expert;
	size_t rows, held, cap;
	float *v;    /* [held][width] */
	uint64_t *n; /* [nrow][bins] */
	uint64_t *values;
	uint64_t below, above, nan;
	double *lo, *hi;  /* [nrow] of its bins */
	double *x, *y;    /* [nrow][HISTO_POINTS], or NULL: curves; NaN: none */
	double *expected; /* [nrow][bins], or NULL */
};

struct histo {
	/* set by the caller */
	enum histo_of of;
	enum histo_by by;
	enum histo_span span;
	uint64_t bins, trim;
	double lo, hi; /* NaN: of the values, which are then held */
	int pool;      /* all layers are one */
	int curve;
	const struct histo_counts *count; /* [ncount] */
	size_t ncount;
	/* what came; ordered by histo_end */
	struct histo_group *group;
	size_t n;
};

/* The rows of a route frame, as those of a data set ("": of none). */
void histo_add(struct histo *h, struct tool *t, const struct tr_frame *f, const char *dataset);
/* Bins where they are not given, curves, the order. */
void histo_end(struct histo *h, struct tool *t);
/* What uniform p-values would make of each row of bins: exactly, or drawn. */
void histo_law(struct histo *h);
void histo_draw(struct histo *h, uint64_t seed);

/* KDE of n values (sorted here; none is NaN) at HISTO_POINTS points from the
 * least to the greatest, times n * binwidth: gaussian, Scott's rule.  1, 0
 * where there is no spread, or TR_ENOMEM. */
int histo_curve(float *v, size_t n, double binwidth, double *x, double *y);

#endif
