/*
 * Routing files opened, alone or as the shards of a tree.  These functions die, as
 * those of tool.h do; they are for main and its helpers only.  no_crc: a wrong checksum in a zip
 * is no error; logits: float tensors hold logits.
 */
#ifndef PTFILE_H
#define PTFILE_H

#include "ptsect.h"
#include "pttree.h"
#include "tool.h"

struct ptfile { /* an open file */
	struct tool_file f;
	struct array_list l;
	struct gates g; /* lent by l */
};

void ptfile_gates(struct ptfile *p, const char *file, int no_crc, int logits);
void ptfile_close(struct ptfile *p);
/* What the caller sets of s, out of the layers and shards of tree; the files stay open.  A shard
 * that is missing is left out where skip is set (and it said, unless quiet). */
void ptfile_tree(struct ptsect *s, const struct pttree *tree, const struct tr_list *layers,
		 uint64_t shards, int no_crc, int logits, int skip, int quiet);

#endif
