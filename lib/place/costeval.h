/* What routing, cost and measures share: a batch on its way through a placement. */
#ifndef COSTEVAL_H
#define COSTEVAL_H

#include "cost.h"

struct fill { /* the copy of an expert that fills, and what it takes and still takes */
	uint32_t at, room, left;
};

struct route {
	uint32_t *used;    /* [instances] tokens of the batch so far */
	uint32_t *next;    /* [experts] of a round robin */
	struct fill *fill; /* [experts] */
	uint32_t *list;    /* [tokens of a batch] places in their lists of experts */
};

int route_open(struct route *r, const struct place *p, size_t tokens); /* 0 or TR_ENOMEM */
void route_close(struct route *r);
/* cost_route with what it needs. */
void route_batch(const struct place *p, const struct tokens *t, size_t batch,
		 const struct cost_model *m, const uint16_t *origin, struct route *r, uint32_t *to);
/* Hops or microseconds from a row to a device. */
double route_far(const struct place *p, const struct cost_model *m, uint32_t dev, uint32_t origin);

struct site { /* where an instance is */
	uint16_t dev, row, col;
};

struct eval {
	const struct place *p;
	const struct tokens *t;
	const struct cost_model *m;
	struct route route;
	uint32_t *inst;       /* [picks of a batch] */
	uint16_t *origin;     /* [tokens of a batch] */
	double *busy, *cross; /* [devices], [rows] */
	uint16_t *hop;        /* [2 rows] hops from row origin to row r: hop[rows + r - origin] */
	struct site *site;    /* [instances] */
	uint32_t *stamp, *columns, now; /* [devices], [cols] */
};

int eval_open(struct eval *v, const struct place *p, const struct tokens *t,
	      const struct cost_model *m); /* 0 or TR_ENOMEM; closed in any case */
void eval_close(struct eval *v);
/* v->origin of a batch: 1 if some token tells none. */
int eval_origins(struct eval *v, size_t batch);
/* That row for those tokens, and the batch routed so where routing asks where tokens live. */
void eval_row(struct eval *v, size_t batch, uint32_t row);
void eval_add(struct cost *sum, const struct cost *c);
void eval_divide(struct cost *sum, size_t n); /* a sum of n, or of none, into the mean */

/* What the picks of a token that have an instance, inst[0 .. n-1], touch. */
struct touched {
	double sum, far;                       /* hops */
	uint32_t picks, column, devices, home; /* home: picks on its own row */
};

struct touched eval_touch(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin);

#endif
