/*
 * A placement and counts in; a picture of the mesh out, each device a cell, each
 * copy of an expert a bar in it, as high as the expert's share of the picks
 * (placement.md section 11.5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/picks.h"
#include "../../lib/plot/grid.h"
#include "../../lib/plot/picture.h"
#include "num.h"
#include "size.h"

static struct setup setup = {SETUP_NONE};
static struct picture pic;
static const char *placement, *counts, *trace;
static uint64_t shared = TR_NONE;
static int split, baseline, original;

static const struct opt opts[] = {
	{'p', "place", "FILE", OPT_STR, &placement, "the placement (the operand)", 0, 0},
	{'l', "layer", "LIST", OPT_LIST, &setup.layers, "the layer, where there are several", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts, "count frames: what experts are picked", 0, 0},
	{0, "trace", "FILE", OPT_STR, &trace, "the same from routed tokens", 0, 0},
	{0, "split", NULL, OPT_FLAG, &split, "copies share the picks of their expert", 0, 0},
	{0, "only-original", NULL, OPT_FLAG, &original, "the first copy of each expert alone", 0,
	 0},
	{0, "baseline", NULL, OPT_FLAG, &baseline, "consecutive experts on each device instead", 0,
	 0},
	{0, "mesh", "RxC", OPT_STR, &setup.mesh, "rows and columns of the baseline (16x8)", 0, 0},
	{0, "shared", "N", OPT_U64, &shared, "shared experts (what the placement has, or 1)", 0,
	 1024},
	{'t', "text", NULL, OPT_FLAG, &pic.text, "the table behind the picture instead", 0, 0},
	PICTURE_OPTS(pic),
	{0},
};

static struct tool t = {.name = "plot-grid",
			.operands = "[FILE]",
			.what = "draw a placement as a mesh of bars",
			.opts = opts,
			.flags = TOOL_BYTES | TOOL_OWNIN};

static struct place place;
static struct picks picks = {.layer = TR_NONE};

static void
read_place(void)
{
	const char *file = placement ? placement : t.nfiles ? t.files[0] : "-";
	struct setup_place *p;
	size_t n;

	if (baseline && !placement && !t.nfiles)
		return;
	if (t.nfiles + (placement != NULL) > 1)
		die("more than one placement");
	n = setup_places(&setup, &t, file, &p);
	if (n > 1)
		die("layers %llu and %llu: a picture holds one, -l LAYER",
		    (unsigned long long)p[0].layer, (unsigned long long)p[1].layer);
	picks.layer = p[0].layer;
	place = p[0].place;
	free(p);
}

/* How many experts are shared; what the counts have must be all but them. */
static void
set_shared(void)
{
	uint64_t n = picks.experts;
	int told = shared != TR_NONE;

	if (!told)
		shared = !place.n ? 1 : place.experts > n ? place.experts - n : 0;
	if (!told && shared > MAX(n / 8, 1))
		die("a placement of %u experts, counts of %llu: --shared tells how many are shared",
		    place.experts, (unsigned long long)n);
	if (n + shared >= PLACE_NONE)
		die("%llu experts are too many", (unsigned long long)(n + shared));
	if (place.n && place.experts != n + shared)
		die("a placement of %u experts, but %llu routed and %llu shared", place.experts,
		    (unsigned long long)n, (unsigned long long)shared);
}

static void
consecutive(void)
{
	uint32_t rows = place.n ? place.rows : (uint32_t)setup.c.rows;
	uint32_t cols = place.n ? place.cols : (uint32_t)setup.c.cols;

	place_free(&place);
	if (place_consecutive(&place, rows, cols, (uint32_t)picks.experts, (uint32_t)shared) < 0)
		die("no memory");
}

static int
by_device(const void *a, const void *b)
{
	const struct grid_bar *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->instance > y->instance) - (x->instance < y->instance);
}

/* The copies that are on a device; instances are in the order of their experts. */
static size_t
bars_of(struct grid_bar *bar)
{
	size_t n = 0;

	for (uint32_t i = 0; i < place.n; i++) {
		uint32_t e = place.expert[i], first = place.first[e];
		double x = e < picks.experts ? picks.n[e] : (double)picks.tokens;

		if (place.dev[i] == PLACE_NONE || (original && i != first))
			continue;
		x /= split ? place.first[e + 1] - first : 1;
		bar[n++] = (struct grid_bar){place.dev[i], e, i, e >= picks.experts,
					     picks.all > 0 ? 100 * x / picks.all : 0};
	}
	qsort(bar, n, sizeof *bar, by_device);
	return n;
}

static void
put_text(const struct grid_bar *bar, size_t n)
{
	char share[NUM_MAX + 1];

	sink_printf(t.sink, "# device\trow\tcol\tinstance\texpert\tshare\n");
	for (size_t i = 0; i < n; i++) {
		share[num_put_f64(share, bar[i].share)] = 0;
		sink_printf(t.sink, "%u\t%u\t%u\t%u\t%u\t%s\n", bar[i].dev, bar[i].dev / place.cols,
			    bar[i].dev % place.cols, bar[i].instance, bar[i].expert, share);
	}
	if (sink_flush(t.sink) < 0)
		tool_broken(&t);
}

static void
draw(const struct grid_bar *bar, size_t n)
{
	char title[128];
	struct grid grid = {title, place.rows, place.cols, n, bar};
	struct gp g = {0};

	snprintf(title, sizeof title, "layer %llu%s", (unsigned long long)picks.layer,
		 baseline ? ", consecutive" : "");
	grid_draw(&g, &pic.sheet, &grid);
	picture_end(&pic, &t, &g);
}

int
main(int argc, char **argv)
{
	struct grid_bar *bar;
	size_t n;

	tool_start(&t, argc, argv);
	if (!pic.title)
		pic.title =
			split ? "Share of the picks that a copy gets, % (hatched: shared experts)"
			      : "Share of the picks of each copy's expert, % (hatched: shared "
				"experts)";
	picture_start(&pic, &t);
	setup_start(&setup, &t);
	if (!counts == !trace)
		die("what is picked: --count FILE or --trace FILE");
	read_place();
	picks_read(&picks, &setup, &t, counts ? counts : trace, counts ? "count" : "route");
	set_shared();
	if (baseline)
		consecutive();
	bar = xcalloc(place.n, sizeof *bar);
	if (!(n = bars_of(bar)))
		die("no copy is on a device: place-init places them");
	if (pic.text)
		put_text(bar, n);
	else
		draw(bar, n);
	place_free(&place);
	free(bar);
	free(picks.n);
	return tool_end(&t);
}
