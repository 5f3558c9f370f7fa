/*
 * What placements cost, as tables.  These functions die, as those of tool.h do;
 * they are for main and its helpers only.
 */
#ifndef PLACEREPORT_H
#define PLACEREPORT_H

#include "setup.h"

struct report {
	struct tool *tool;
	const char *run;  /* the tables' key run, or NULL */
	const char *part; /* and part, or NULL */
	const struct cost_model *model;
	enum cost_objective objective;
	int devices, traffic; /* those tables, too */
};

/* Table cost; part: its key, or NULL. */
void report_cost(const struct report *o, uint64_t layer, const char *part,
		 const struct cost_result *r);
/* Table cost-batch. */
void report_batches(const struct report *o, uint64_t layer, const struct cost_result *r);
/* Table change: from a placement that costs a to one that costs b. */
void report_change(const struct report *o, const struct setup_place *was,
		   const struct setup_place *p, const struct cost_result *a,
		   const struct cost_result *b);
/* Table balance of loads [n] of so many tokens alone; load, where asked for. */
void report_even(const struct report *o, uint64_t layer, uint64_t tokens, const double *load,
		 uint32_t n);
/* Tables balance, locality, bound, of n placements on a mesh, each on the tokens of its layer;
 * balance-ranks where they are several; load and traffic where asked for. */
void report_measures(const struct report *o, const struct setup_place *place,
		     struct tokens *const *of, const struct cost_result *result, size_t n);

#endif
