/* What eplayer.c and eplayercheck.c share of a layer. */
#ifndef EPLAYEROWN_H
#define EPLAYEROWN_H

#include "eplayer.h"

/* One chunk of all messages, there and back. */
struct chunk {
	struct ep_xfer go, back;
	size_t row_soff[EP_RANKS_MAX], row_sn[EP_RANKS_MAX], row_roff[EP_RANKS_MAX],
		row_rn[EP_RANKS_MAX];
	size_t id_soff[EP_RANKS_MAX], id_sn[EP_RANKS_MAX], id_roff[EP_RANKS_MAX],
		id_rn[EP_RANKS_MAX];
	uint64_t first, rows; /* of what is received */
	uint32_t *offsets;    /* host [local + 1]: its rows by expert */
};

struct eplayer_own {
	uint32_t local; /* experts of a rank */
	int identity;   /* experts that do nothing, for the check */
	struct ffn ffn; /* device: of the local experts */
	void *w[3];     /* its weights */

	void *x, *router; /* host: inputs, as struct router has them */

	/* after the route and the exchange of counts */
	uint32_t *offsets;  /* host [experts + 1]: of the packed rows */
	uint32_t *came;     /* host [size][local]: rows from each rank for each expert */
	uint32_t *came_dev; /* the same on the device */
	struct chunk *chunk;
	int nchunk;
	uint32_t *stay, *stay_dev; /* host, device [local + 1]: of own rows that stay */
	uint32_t *chunk_offsets;   /* host: all chunks' */
	uint64_t received;         /* rows, of other ranks */

	/* device; rows as they arrive, chunk by chunk and rank by rank in it */
	uint64_t cap;
	unsigned char *in, *out;       /* [cap][d] */
	uint32_t *id;                  /* [cap]: number of the route, token * k + slot */
	unsigned char *grouped, *done; /* [cap][d]: a chunk's by expert */
	struct index by_expert;        /* of a chunk's rows */
	uint16_t *expert;              /* [cap]: local expert of a row */
	void *work, *ffn_work;
	uint16_t *host_expert; /* host [cap] */

	unsigned char *back; /* [rows * k][d]: packed rows with what the experts made of them */
	unsigned char *y;    /* [rows][d] */
};

int eplayer_settle(struct eplayer *l); /* until the device has done all */
/* A call of the device: its error becomes ep_fail's. */
int eplayer_told(struct eplayer *l, int r);

#endif
