/*
 * An expert-parallel MoE layer on one of P ranks: route, pack, exchange, experts, and back.
 * Rank r has the experts r E/P .. (r + 1) E/P - 1 and tokens of its own.
 *
 * Functions return 0, or what ep_fail returned.
 */
#ifndef EPLAYER_H
#define EPLAYER_H

#include "../bench/inputs.h"
#include "../bench/router.h"
#include "../route/ffn.h"
#include "transport.h"

enum eplayer_phase {
	EPLAYER_LOGIT,        /* product with the router: no part of the route */
	EPLAYER_SELECT,       /* - of fused_select */
	EPLAYER_INDEX,        /* - */
	EPLAYER_SELECT_INDEX, /* of fused_select alone */
	EPLAYER_GATHER,       /* rows by destination, and by expert in it */
	EPLAYER_META,         /* counts for each peer and expert */
	EPLAYER_COMM,         /* rows with the numbers of their routes, to their experts */
	EPLAYER_LOCAL,        /* experts on rows of this rank */
	EPLAYER_REMOTE,       /* put together by expert, and experts, on those of others */
	EPLAYER_RETURN,       /* the rows back */
	EPLAYER_COMBINE,      /* weighted sums */
	EPLAYER_PHASES,
};

enum { EPLAYER_CHUNKS_MAX = 64 };

/* What one rank makes of a layer that is given; microseconds, -1 of phases that it has not. */
struct eplayer_overlap {
	double wall;  /* from before the selection until the tokens are whole */
	double route; /* inside it: selection, index, gather */
	double part;  /* from the first exchange of rows until the last has ended */
	double comm;  /* exchanges of rows, while experts worked */
	double comp;  /* experts, while rows were exchanged */
};

struct eplayer {
	/* the caller's */
	struct ep *ep;
	const struct dev *dev;
	uint64_t rows, d;
	uint64_t hidden;     /* 0: identity experts */
	uint32_t experts, k; /* experts of all ranks together */
	enum tr_type type;
	struct sinkhorn sinkhorn;
	const struct inputs *in; /* of this rank: its seed */
	uint64_t expert_seed;    /* of the experts: that of all ranks */
	int chunks;              /* of a message, where experts work meanwhile */
	int combine;             /* 0: rows stay where they are once the experts are done */

	/* eplayer.c's own */
	struct router router;
	struct eplayer_own *own;
};

int eplayer_open(struct eplayer *l);
void eplayer_close(struct eplayer *l);

/* One phase after the other, all ranks beginning each together. */
int eplayer_apart(struct eplayer *l, enum router_strategy a, double us[EPLAYER_PHASES]);
/* Own rows are worked on while others are under way, and a chunk while the next is. */
int eplayer_overlapped(struct eplayer *l, enum router_strategy a, struct eplayer_overlap *us);

/*
 * Is all right?  With experts that do nothing: each pair of token and expert arrives once
 * with the token's row, and each token comes back as itself times its weights, to the bit;
 * apart and overlapped.  With the real ones: a row of each is what ffn_plain makes of it,
 * and overlapped tokens are those of apart.  All ranks call it; one that finds something
 * says it by ep_fail.
 */
int eplayer_check(struct eplayer *l, enum router_strategy a);

/* What the strategy's last route came to: picks of each expert by this rank [experts];
 * rows that this rank sends to others, and all that it received (its own too). */
void eplayer_counts(const struct eplayer *l, double *picks);
double eplayer_sent(const struct eplayer *l);
double eplayer_received(const struct eplayer *l);

#endif
