/*
 * What the place tools share: the system, from default, file and command line,
 * in rising order, and the trace by layers.  These functions die, as those of
 * tool.h do; they are for main and its helpers only.
 */
#ifndef PLACESETUP_H
#define PLACESETUP_H

#include "../core/tool.h"
#include <math.h>

#include "config.h"

struct setup {
	/* the command line's; {SETUP_NONE} at first */
	const char *system, *init, *search, *mesh;
	uint64_t experts, shared, slots, max_records, max_seq_len;
	int routing, objective, origin, cost;
	const char *latency, *combine_latency, *rank_cost;
	double factor;
	int late; /* the placement tells the mesh: setup_model comes after it */
	struct tr_list layers;
	/* filled by setup_start */
	int layer_option; /* layers is the option's, not that of -c */
	struct config c;  /* experts 0: not told, the trace says */
	struct cost_model model;
	const char *records;   /* the file that setup_trace or setup_counts has read */
	struct tr_frame *prog; /* [nprog] of the placements' file, for setup_open */
	size_t nprog;
};

#define SETUP_NONE                                                                        \
	.experts = TR_NONE, .shared = TR_NONE, .slots = TR_NONE, .max_records = TR_NONE,  \
	.max_seq_len = TR_NONE, .routing = -1, .objective = -1, .origin = -1, .cost = -1, \
	.factor = NAN

#define SETUP_OPTS(s)                                                                               \
	{'c', "config", "FILE", OPT_STR, &(s).system, "the system (JSONC)", 0, 0},                  \
		{'l', "layer", "LIST", OPT_LIST, &(s).layers, "only these layers", 0, 0},           \
		{0, "mesh", "RxC", OPT_STR, &(s).mesh, "rows and columns of devices (16x8)", 0, 0}, \
		{0,       "experts",    "N",                                                        \
		 OPT_U64, &(s).experts, "routed experts (the trace's; with -c 256)",                \
		 1,       65534},                                                                   \
		{0, "shared", "N", OPT_U64, &(s).shared, "shared experts (0; with -c 1)", 0, 1024}, \
	{                                                                                           \
		0, "slots", "N", OPT_U64, &(s).slots, "copies on all devices (384)", 1, 1 << 24     \
	}

#define SETUP_COST_OPTS(s)                                                                          \
	{0,                                                                                         \
	 "routing",                                                                                 \
	 "balanced-replicas|least-loaded|round-robin|nearest|reroute|first",                        \
	 OPT_WORD,                                                                                  \
	 &(s).routing,                                                                              \
	 "which copy a pick goes to",                                                               \
	 0,                                                                                         \
	 0},                                                                                        \
		{0, "factor", "X", OPT_F64, &(s).factor, "capacity factor (2)", 0, 0},              \
		{0, "cost", "linear|simple", OPT_WORD, &(s).cost, "the model (linear)", 0, 0},      \
		{0, "latency", "FILE", OPT_STR, &(s).latency, "measured hops, columns, us", 0, 0},  \
		{0,                                                                                 \
		 "combine-latency",                                                                 \
		 "FILE",                                                                            \
		 OPT_STR,                                                                           \
		 &(s).combine_latency,                                                              \
		 "the same of combine: hops, devices, us",                                          \
		 0,                                                                                 \
		 0},                                                                                \
		{0,                                                                                 \
		 "rank-cost",                                                                       \
		 "FILE",                                                                            \
		 OPT_STR,                                                                           \
		 &(s).rank_cost,                                                                    \
		 "us from rank to rank, instead of hops",                                           \
		 0,                                                                                 \
		 0},                                                                                \
		{0, "objective", "mean|p95|p99", OPT_WORD, &(s).objective, "what is made small", 0, \
		 0},                                                                                \
		{0,                                                                                 \
		 "origin",                                                                          \
		 "average-rows|round-robin|random",                                                 \
		 OPT_WORD,                                                                          \
		 &(s).origin,                                                                       \
		 "where tokens live that tell nothing",                                             \
		 0,                                                                                 \
		 0},                                                                                \
		{0, "max-records", "N", OPT_U64, &(s).max_records, "batches of a layer (all)", 0,   \
		 0},                                                                                \
	{                                                                                           \
		0, "max-seq-len", "N", OPT_U64, &(s).max_seq_len, "tokens of a batch (all)", 0, 0   \
	}

void setup_start(struct setup *s, struct tool *t);
/* The cost model, for the mesh of s->c; setup_start calls it unless s->late. */
void setup_model(struct setup *s, uint64_t seed);
/* "FILE:LINE:COLUMN: " where -c says that (CONFIG_...) and no option does, "" else. */
const char *setup_at(const struct setup *s, int key);
/* Does an option or -c tell that (CONFIG_...)?  Where not, c has the default. */
int setup_told(const struct setup *s, int key);
/* Dies: the file (NULL: standard input) has none of what (records) for the layers that are asked
 * for, TR_NONE, or for that. */
_Noreturn void setup_none(const struct setup *s, const char *file, const char *what,
			  uint64_t layer);
/* Is that layer asked for? */
int setup_has(const struct setup *s, uint64_t layer);
/* Copies that a device takes. */
uint32_t setup_per_device(const struct setup *s);
/* The same where slots are told, else 0: any number. */
uint32_t setup_limit(const struct setup *s);

struct setup_layer {
	uint64_t layer;
	struct tokens tokens;
};

/* The routed tokens of the wanted layers of n files (0: standard input), ascending;
 * their number.  Where nothing told the number of experts, it is set. */
size_t setup_trace(struct setup *s, struct tool *t, char **files, int n, struct setup_layer **out);
/* The same out of count frames: tokens that have counts, but no rows. */
size_t setup_counts(struct setup *s, struct tool *t, const char *file, struct setup_layer **out);
/* The trace that -c names, or the file given: never NULL. */
char *setup_trace_name(const struct setup *s, const char *file);

/* The place frames of a file, or of t's own input (NULL), ascending by layer.  Dies where they are
 * on another mesh than is told. */
struct setup_place {
	uint64_t layer;
	struct place place;
};
size_t setup_places(struct setup *s, struct tool *t, const char *file, struct setup_place **out);
/* A mesh that is not told, and without -c slots, are those of the placements: a device takes as
 * many copies as the fullest has. */
void setup_as_placed(struct setup *s, const struct setup_place *p, size_t n);
/* Dies where a copy is on no device, or a device has more than per_device (0: any number). */
void setup_check(const struct setup_place *p, uint32_t per_device);
/* Warn where copies share a device with another of their expert, unless t is quiet; why: after
 * that, or "". */
void setup_doubles(const struct setup_place *p, const struct tool *t, const char *why);
/* The tokens, or counts, of the placement's layer; dies where there are none, or of other
 * experts. */
struct tokens *setup_tokens(const struct setup *s, struct setup_layer *layer, size_t n,
			    const struct setup_place *p);
/* tokens_part of the first (0) or the rest (1) of the batches, share of them first; dies where a
 * part is empty. */
struct tokens setup_part(const struct setup_place *p, const struct tokens *t, double share,
			 int rest);
/* The trace line of a section about those placements. */
void setup_head(const struct setup *s, const struct setup_place *place, size_t n,
		struct tr_frame *trace);
/* The same, written, and what made the placements of the file behind it. */
void setup_open(const struct setup *s, struct tool *t, const struct setup_place *place, size_t n);
void setup_put_prog(const struct setup *s, struct tool *t);

#endif
