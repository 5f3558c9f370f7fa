#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ptfile.h"

static void
load(struct ptfile *p, const char *file, int no_crc)
{
	struct array_opts o = {.no_crc = no_crc};

	memset(p, 0, sizeof *p);
	tool_slurp(&p->f, file);
	if (array_read(&p->l, p->f.p, p->f.n, &o))
		die("%s: %s", p->f.name, p->l.err);
}

void
ptfile_gates(struct ptfile *p, const char *file, int no_crc, int logits)
{
	load(p, file, no_crc);
	if (gates_find(&p->g, &p->l, logits))
		die("%s: %s", p->f.name, p->g.err);
}

void
ptfile_close(struct ptfile *p)
{
	gates_free(&p->g);
	array_free(&p->l);
	tool_unslurp(&p->f);
}

/* Kept, like the file. */
static char *
path_of(const struct pttree *tree, uint64_t layer, uint64_t shard)
{
	char *p = pttree_file(tree, layer, shard);

	if (!p)
		die("no memory");
	return p;
}

/* Is the shard there?  Else die, or say so. */
static int
present(const struct ptsect *s, const struct pttree *tree, uint64_t shard, int skip, int quiet)
{
	char *p;
	int r = pttree_missing(tree, s->layer, s->nlayer, shard, &p);

	if (r < 0)
		die("no memory");
	if (r && (!skip || errno != ENOENT))
		die("%s:", p);
	if (r && !quiet)
		warn("%s is missing, shard %" PRIu64 "-%" PRIu64 " is left out", p, tree->prefix,
		     shard);
	if (r)
		free(p);
	return !r;
}

static void
open_samples(struct ptsect *s, size_t j, const char *file, int no_crc)
{
	struct ptfile *p = xmalloc(sizeof *p);

	load(p, file, no_crc);
	if (p->l.n != 1 || p->l.a[0].ndim != 1)
		die("%s: not one list of ids", p->f.name);
	s->samples[j] = &p->l.a[0];
	s->sample_file[j] = p->f.name;
}

void
ptfile_tree(struct ptsect *s, const struct pttree *tree, const struct tr_list *layers,
	    uint64_t shards, int no_crc, int logits, int skip, int quiet)
{
	uint64_t *layer, *at;

	s->nlayer = tr_list_count(layers);
	s->layer = layer = xcalloc(s->nlayer, sizeof *layer);
	for (size_t i = 0; i < s->nlayer; i++)
		layer[i] = tr_list_at(layers, i);
	s->number = at = xcalloc(shards, sizeof *at);
	for (uint64_t i = 0; i < shards; i++)
		if (present(s, tree, tree->first + i, skip, quiet))
			at[s->nshard++] = i;
	if (!s->nshard)
		die("%s: none of the shards is there", tree->actives);
	s->gate = xcalloc(s->nlayer * s->nshard, sizeof *s->gate);
	s->file = xcalloc(s->nlayer * s->nshard, sizeof *s->file);
	if (tree->samples) {
		s->samples = xcalloc(s->nshard, sizeof *s->samples);
		s->sample_file = xcalloc(s->nshard, sizeof *s->sample_file);
	}
	for (size_t j = 0; j < s->nshard; j++) {
		uint64_t shard = tree->first + at[j];

		if (tree->samples)
			open_samples(s, j, path_of(tree, TR_NONE, shard), no_crc);
		for (size_t i = 0; i < s->nlayer; i++) {
			struct ptfile *p = xmalloc(sizeof *p);

			ptfile_gates(p, path_of(tree, layer[i], shard), no_crc, logits);
			if (p->g.n != 1)
				die("%s: %zu layers in it, not one", p->f.name, p->g.n);
			s->file[i * s->nshard + j] = p->f.name;
			s->gate[i * s->nshard + j] = &p->g.g[0];
		}
	}
}
