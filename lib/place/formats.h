/*
 * Placements as other programs keep them.  Engines number physical slots device
 * by device: slot = device * slots per device + place on it.
 *
 *	placement.json  the placement simulator's, one layer
 *	eplb            phy2log, log2phy (-1 fills up), logcnt, all [layers][...]
 *	trtllm          YAML: num_slots, initial_global_assignments by layer
 *	sglang          JSON: physical_to_logical_map [layers][slots]
 *	vllm            JSON: that, logical_to_physical_map and logical_replica_count
 */
#ifndef PLACEFORMATS_H
#define PLACEFORMATS_H

#include "../format/json.h"
#include "place.h"

enum place_format { FORMAT_PLACEMENT, FORMAT_EPLB, FORMAT_TRTLLM, FORMAT_SGLANG, FORMAT_VLLM };
enum { FORMATS_ERR = 256 };

struct placed { /* a layer */
	uint64_t layer;
	struct place place;
};

/* The text into o (its p, n; style is set here): 0, or -1 and err. */
int formats_write(enum place_format format, const struct placed *l, size_t n, struct json_out *o,
		  char err[FORMATS_ERR]);
/* A layer out of the expert of each of n slots, device by device: 0, or -1 and what. */
int formats_slots(struct placed *l, const uint16_t *expert, size_t n, uint32_t rows, uint32_t cols,
		  char what[FORMATS_ERR]);
/* Layers of the n bytes at p, which are changed, on a mesh of rows x cols: *l is
 * allocated, the caller's.  Their number, or -1 and err. */
long formats_read(enum place_format format, char *p, size_t n, uint32_t rows, uint32_t cols,
		  struct placed **l, char err[FORMATS_ERR]);

#endif
