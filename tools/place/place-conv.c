/*
 * Placements out of place frames into a file that an engine or the placement
 * simulator reads, or out of such a file into place frames.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/formats.h"
#include "../../lib/place/setup.h"

#define FORMATS "placement.json|eplb|trtllm|sglang|vllm"

static struct setup setup = {SETUP_NONE};
static const char *placement;
static int from = -1, to = -1;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement (standard input)", 0, 0},
	{0, "to", FORMATS, OPT_WORD, &to, "write this instead of place frames", 0, 0},
	{0, "from", FORMATS, OPT_WORD, &from, "read this instead of place frames", 0, 0},
	{0},
};

static struct tool t = {.name = "place-conv",
			.operands = "[FILE]",
			.what = "convert placements to what engines read",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN};

/* The layers of the input, whatever it is. */
static size_t
load(const char *file, struct placed **l)
{
	struct setup_place *p;
	struct tool_file m;
	char err[FORMATS_ERR], *text;
	size_t n;
	long r;

	if (from < 0) {
		n = setup_places(&setup, &t, file, &p);
		*l = xcalloc(n, sizeof **l);
		for (size_t i = 0; i < n; i++)
			(*l)[i] = (struct placed){p[i].layer, p[i].place};
		return n;
	}
	tool_slurp(&m, file);
	text = xmalloc(m.n + 1); /* it is changed */
	memcpy(text, m.p, m.n);
	if ((r = formats_read((enum place_format)from, text, m.n, (uint32_t)setup.c.rows,
			      (uint32_t)setup.c.cols, l, err)) < 0)
		die("%s:%s%s", m.name, err[0] >= '0' && err[0] <= '9' ? "" : " ", err);
	free(text);
	if (from == FORMAT_PLACEMENT && setup.layers.n)
		(*l)->layer = setup.layers.range[0].lo;
	for (long i = n = 0; i < r; i++)
		if (setup_has(&setup, (*l)[i].layer))
			(*l)[n++] = (*l)[i];
	if (!n)
		setup_none(&setup, file, "placement", TR_NONE);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if ((*l)[i].layer == (*l)[k].layer)
				die("%s: layer %llu twice", m.name,
				    (unsigned long long)(*l)[i].layer);
	return n;
}

static void
check(const struct placed *l)
{
	uint64_t experts = l->place.experts, shared = setup.c.shared;
	uint32_t doubles;
	char err[PLACE_ERR];

	if (setup_told(&setup, CONFIG_EXPERTS) ? experts != setup.c.experts + shared
					       : experts <= shared)
		die("%slayer %llu: a placement of %llu experts, the system has %llu and %llu "
		    "shared",
		    setup_at(&setup, CONFIG_EXPERTS), (unsigned long long)l->layer,
		    (unsigned long long)experts, (unsigned long long)setup.c.experts,
		    (unsigned long long)shared);
	if (place_check(&l->place, setup_limit(&setup), &doubles, err) < 0)
		die("layer %llu: %s", (unsigned long long)l->layer, err);
	if (doubles && !t.quiet)
		warn("layer %llu: %u cop%s a device with another of the same expert",
		     (unsigned long long)l->layer, doubles,
		     doubles == 1 ? "y shares" : "ies share");
}

/* Do devices not rise along the copies of some expert?  Formats by slot tell copies in that
 * order. */
static int
reordered(const struct placed *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 1; k < l[i].place.n; k++)
			if (l[i].place.expert[k] == l[i].place.expert[k - 1] &&
			    l[i].place.dev[k] < l[i].place.dev[k - 1])
				return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	struct json_out o = {0};
	char err[FORMATS_ERR];
	struct tr_frame f;
	struct placed *l;
	struct setup_place *p;
	size_t n;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (t.nfiles > 1 || (placement && t.nfiles))
		die("one placement at a time");
	n = load(placement ? placement : t.nfiles ? t.files[0] : "-", &l);
	setup.c.rows = l[0].place.rows; /* as told, if it is */
	setup.c.cols = l[0].place.cols;
	p = xcalloc(n, sizeof *p);
	for (size_t i = 0; i < n; i++) {
		check(&l[i]);
		p[i] = (struct setup_place){l[i].layer, l[i].place};
	}
	if (to >= 0) {
		if ((to == FORMAT_SGLANG || to == FORMAT_TRTLLM) && !t.quiet && reordered(l, n))
			warn("the order of copies is lost: judge the cost of what is read back");
		if (formats_write((enum place_format)to, l, n, &o, err) < 0)
			die("%s", err);
		if (sink_put(t.sink, o.p, o.n) < 0)
			tool_broken(&t);
		return tool_end(&t);
	}
	setup.c.experts = l[0].place.experts - setup.c.shared;
	setup_open(&setup, &t, p, n);
	for (size_t i = 0; i < n; i++) {
		place_frame(&l[i].place, l[i].layer, &f);
		tool_put(&t, &f);
	}
	return tool_end(&t);
}
