#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "setup.h"
#include "size.h"
#include "table.h"

/* A JSONC file by one of config.h's readers. */
static void
read_config(struct config *c, const char *file,
	    int (*reader)(struct config *, char *, size_t, char err[CONFIG_ERR]))
{
	struct tool_file m;
	char err[CONFIG_ERR], *p;

	if (!file)
		return;
	tool_slurp(&m, file);
	p = xmalloc(m.n + 1); /* it is changed, and text copied out of it */
	memcpy(p, m.p, m.n);
	p[m.n] = 0;
	if (reader(c, p, m.n, err) < 0)
		die("%s:%s", m.name, err);
	free(p);
	tool_unslurp(&m);
}

static void
read_mesh(struct setup *s)
{
	const char *x;

	if (!s->mesh)
		return;
	if (!(x = strchr(s->mesh, 'x')) || num_u64n(s->mesh, x, 1, 65534, &s->c.rows) < 0 ||
	    num_u64(x + 1, 1, 65534, &s->c.cols) < 0)
		die("--mesh %s: not ROWSxCOLS", s->mesh);
}

/* ---- the model ---- */

static struct table
read_table(const char *file, size_t cols)
{
	struct tool_file m;
	struct table t;
	char err[TABLE_ERR];

	tool_slurp(&m, file);
	if (table_read((const char *)m.p, m.n, &t, err) < 0)
		die("%s:%s", m.name, err);
	if (cols && t.cols != cols)
		die("%s: lines of %zu numbers, not of %zu", m.name, t.cols, cols);
	tool_unslurp(&m);
	return t;
}

static void
fit(const char *file, double abcd[4])
{
	struct table t = read_table(file, 3);
	double *x = xcalloc(3 * t.rows, sizeof *x);

	for (size_t i = 0; i < 3 * t.rows; i++)
		x[i % 3 * t.rows + i / 3] = t.v[i];
	if (cost_fit_points(x, x + t.rows, x + 2 * t.rows, t.rows, abcd) < 0)
		die("%s: these points do not tell what a column and what a hop cost", file);
	free(x);
	free(t.v);
}

/* From a mesh row to a device, in us: a token of a row is at each of its devices alike. */
static void
read_ranks(struct setup *s, const char *file)
{
	size_t rows = s->c.rows, cols = s->c.cols, n = rows * cols;
	struct table t = read_table(file, 0);
	double *d = xcalloc(rows * n, sizeof *d);

	if (t.rows != t.cols || (t.rows != rows && t.rows != n))
		die("%s: %zu x %zu numbers, not one for each pair of the %zu rows or of the %zu "
		    "devices",
		    file, t.rows, t.cols, rows, n);
	for (size_t r = 0; r < rows; r++)
		for (size_t to = 0; to < n; to++)
			for (size_t c = 0; c < cols; c++)
				d[r * n + to] +=
					t.rows == n ? t.v[(r * cols + c) * n + to] / (double)cols
						    : t.v[r * rows + to / cols] / (double)cols;
	for (size_t i = 0; i < rows * n; i++)
		if (d[i] < 0)
			die("%s: a cost below 0", file);
	s->model.distance = d;
	free(t.v);
}

/* The option, else what -c says, else NULL. */
static const char *
file_of(const char *option, const char *key)
{
	return option ? option : *key ? key : NULL;
}

void
setup_model(struct setup *s, uint64_t seed)
{
	const char *latency = file_of(s->latency, s->c.latency);
	const char *combine = file_of(s->combine_latency, s->c.combine_latency);
	const char *ranks = file_of(s->rank_cost, s->c.rank_cost);
	struct cost_model *m = &s->model;

	free((void *)m->distance);
	memset(m, 0, sizeof *m);
	m->routing = (enum cost_routing)s->c.routing;
	m->factor = s->c.factor;
	m->origin = (enum cost_origin)s->c.origin;
	m->seed = seed;
	m->block = s->c.block_us;
	m->block_tokens = (uint32_t)s->c.block_tokens;
	m->kind = (enum cost_kind)s->c.cost;
	memcpy(m->simple, s->c.simple, sizeof m->simple);
	cost_fit((uint32_t)s->c.rows, m->dispatch);
	if (ranks) { /* the matrix is in us: half of the mean pick's, half of the slowest's */
		read_ranks(s, ranks);
		m->dispatch[0] = 0;
		m->dispatch[2] = m->dispatch[3] = 0.5;
	}
	if (latency)
		fit(latency, m->dispatch);
	if (!isnan(s->c.dispatch[0]))
		memcpy(m->dispatch, s->c.dispatch, sizeof m->dispatch);
	memcpy(m->combine, m->dispatch, sizeof m->combine);
	if (combine)
		fit(combine, m->combine);
	if (!isnan(s->c.combine[0]))
		memcpy(m->combine, s->c.combine, sizeof m->combine);
}

void
setup_start(struct setup *s, struct tool *t)
{
	config_default(&s->c);
	if (!s->system)
		s->c.experts = s->c.shared = 0;
	read_config(&s->c, s->system, config_system);
	read_config(&s->c, s->init, config_init);
	read_config(&s->c, s->search, config_search);
	read_mesh(s);
	s->c.experts = s->experts != TR_NONE ? s->experts : s->c.experts;
	s->c.shared = s->shared != TR_NONE ? s->shared : s->c.shared;
	s->c.slots = s->slots != TR_NONE ? s->slots : s->c.slots;
	s->c.max_records = s->max_records != TR_NONE ? s->max_records : s->c.max_records;
	s->c.max_seq_len = s->max_seq_len != TR_NONE ? s->max_seq_len : s->c.max_seq_len;
	s->c.routing = s->routing >= 0 ? (uint64_t)s->routing : s->c.routing;
	s->c.objective = s->objective >= 0 ? (uint64_t)s->objective : s->c.objective;
	s->c.origin = s->origin >= 0 ? (uint64_t)s->origin : s->c.origin;
	if (!isnan(s->factor) && !(s->factor > 0))
		die("--factor is not above 0");
	s->c.factor = isnan(s->factor) ? s->c.factor : s->factor;
	if (s->c.rows * s->c.cols >= PLACE_NONE)
		die("a mesh of %llu x %llu devices", (unsigned long long)s->c.rows,
		    (unsigned long long)s->c.cols);
	s->layer_option = s->layers.n > 0;
	if (s->layers.n == 0 && s->c.layer != TR_NONE && tr_list_add(&s->layers, s->c.layer) < 0)
		die("no memory");
	s->c.cost = s->cost >= 0 ? (uint64_t)s->cost : s->c.cost;
	s->model.routing = (enum cost_routing)s->c.routing; /* says what of a trace is read */
	if (!s->late)
		setup_model(s, t->seed);
}

static int
option(const struct setup *s, int key)
{
	switch (key) {
	case CONFIG_SLOTS:
		return s->slots != TR_NONE;
	case CONFIG_EXPERTS:
		return s->experts != TR_NONE;
	case CONFIG_LAYER:
		return s->layer_option;
	default:
		return s->mesh != NULL;
	}
}

int
setup_told(const struct setup *s, int key)
{
	return option(s, key) || *s->c.at[key];
}

const char *
setup_at(const struct setup *s, int key)
{
	static char text[1200];

	text[0] = 0;
	if (!option(s, key) && *s->c.at[key])
		snprintf(text, sizeof text, "%.1000s:%s", s->system, s->c.at[key]);
	return text;
}

void
setup_none(const struct setup *s, const char *file, const char *what, uint64_t layer)
{
	const char *at = setup_at(s, CONFIG_LAYER);

	if (!file || !strcmp(file, "-"))
		file = "standard input";
	if (layer == TR_NONE && s->layers.n)
		layer = s->layers.range[0].lo;
	if (layer == TR_NONE)
		die("%s: no %s", file, what);
	die("%s%sno %s for layer %llu", *at ? at : file, *at ? "" : ": ", what,
	    (unsigned long long)layer);
}

int
setup_has(const struct setup *s, uint64_t layer)
{
	return tr_list_has(&s->layers, layer);
}

uint32_t
setup_per_device(const struct setup *s)
{
	return place_per_device((uint32_t)s->c.slots, (uint32_t)(s->c.rows * s->c.cols));
}

uint32_t
setup_limit(const struct setup *s)
{
	return setup_told(s, CONFIG_SLOTS) ? setup_per_device(s) : 0;
}

static int
by_layer(const void *a, const void *b)
{
	const struct setup_layer *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

static struct tokens *
tokens_of(struct setup *s, struct setup_layer **l, size_t *n, uint64_t layer)
{
	for (size_t i = *n; i-- > 0;)
		if ((*l)[i].layer == layer)
			return &(*l)[i].tokens;
	*l = xrealloc(*l, *n + 1, sizeof **l);
	(*l)[*n].layer = layer;
	if (tokens_init(&(*l)[*n].tokens, (uint32_t)(s->c.experts + s->c.shared)) < 0)
		die("no memory");
	(*l)[*n].tokens.scores = s->model.routing == ROUTE_REROUTE;
	return &(*l)[(*n)++].tokens;
}

/* Does each token from that one on live on the mesh, where the cost of it is asked? */
static void
check_origins(const struct setup *s, struct tr *in, const struct tr_frame *f,
	      const struct tokens *t, size_t from)
{
	for (size_t k = from; k < t->ntoken && s->late; k++)
		if (t->origin[k] != PLACE_NONE && t->origin[k] >= s->c.rows) {
			tr_fail(in, f, TR_EVALUE,
				"batch %llu: token %zu lives in row %u, the mesh has %llu",
				(unsigned long long)tr_get(f, "batch", 0), k - from, t->origin[k],
				(unsigned long long)s->c.rows);
			die("%s", tr_errstr(in));
		}
}

size_t
setup_trace(struct setup *s, struct tool *t, char **files, int n, struct setup_layer **out)
{
	struct tr *in = tool_reader(t, files, n);
	struct tr_frame f;
	size_t nlayer = 0, had;
	int r;

	*out = NULL;
	s->records = n ? files[0] : NULL;
	while ((r = tr_next(in, &f)) > 0) {
		struct tokens *tokens;
		uint64_t layer = tr_get(&f, "layer", 0);

		for (size_t i = 0; i < nlayer && !strcmp(f.kind, "trace"); i++)
			(*out)[i].tokens.number = TR_NONE; /* batches begin anew */

		if (!strcmp(f.kind, "trace") && tr_section(in)->experts) {
			uint64_t experts = tr_section(in)->experts;

			s->c.experts = s->c.experts ? s->c.experts : experts;
			if (s->c.experts < experts) /* the last ones may just not be picked */
				die("%sthe trace has %llu experts, the system %llu",
				    setup_at(s, CONFIG_EXPERTS), (unsigned long long)experts,
				    (unsigned long long)s->c.experts);
		}
		if (strcmp(f.kind, "route") || !setup_has(s, layer))
			continue;
		tokens = tokens_of(s, out, &nlayer, layer);
		if (s->c.max_records && tokens->nbatch >= s->c.max_records &&
		    tokens->number != tr_get(&f, "batch", 0))
			continue;
		had = tokens->ntoken;
		r = tokens_add(tokens, &f, (uint32_t)s->c.shared, s->c.max_seq_len);
		if (r == TR_ENOMEM)
			die("no memory");
		if (r == TR_EUSE)
			tr_fail(in, &f, r,
				"routing reroute needs a column logit of all routed experts");
		if (r == TR_EVALUE)
			tr_fail(in, &f, r, "a token lives in a row beyond 65534");
		if (r == TR_ECOLS)
			tr_fail(in, &f, r, "@route has no ids, or origin is no number");
		if (r < 0)
			break;
		check_origins(s, in, &f, tokens, had);
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(t, in);
	for (size_t i = 0; i < nlayer && s->c.fast_test_pct > 0 && s->c.fast_test_pct < 1; i++)
		tokens_sample(&(*out)[i].tokens, s->c.fast_test_pct, t->seed);
	if (nlayer)
		qsort(*out, nlayer, sizeof **out, by_layer);
	if (!nlayer)
		setup_none(s, s->records, "records", TR_NONE);
	return nlayer;
}

size_t
setup_counts(struct setup *s, struct tool *t, const char *file, struct setup_layer **out)
{
	char *files[] = {(char *)file};
	struct tr *in = tool_reader(t, files, 1);
	struct tr_frame f;
	size_t nlayer = 0;
	int r;

	*out = NULL;
	s->records = file;
	while ((r = tr_next(in, &f)) > 0) {
		uint64_t layer = tr_get(&f, "layer", 0), tokens = tr_get(&f, "n_tokens", 0);
		struct tokens *to;
		struct tr_col n;

		if (strcmp(f.kind, "count") || !setup_has(s, layer))
			continue;
		s->c.experts = s->c.experts ? s->c.experts : f.rows;
		if (s->c.experts < f.rows || tr_col(&f, "n", &n) <= 0 || n.type != TR_U64 ||
		    n.width != 1)
			die("%s: layer %llu: no n:u64 of %llu experts", file,
			    (unsigned long long)layer, (unsigned long long)s->c.experts);
		to = tokens_of(s, out, &nlayer, layer);
		to->ntoken += tokens;
		for (uint64_t e = 0; e < f.rows; e++)
			to->count[e] += ((const uint64_t *)n.data)[e];
		for (uint64_t e = s->c.experts; e < to->experts; e++)
			to->count[e] += tokens;
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(t, in);
	if (!nlayer)
		setup_none(s, file, "records", TR_NONE);
	qsort(*out, nlayer, sizeof **out, by_layer);
	return nlayer;
}

char *
setup_trace_name(const struct setup *s, const char *file)
{
	if (file)
		return (char *)file;
	if (!*s->c.trace)
		die("no trace: --trace FILE, or the key trace of -c");
	return (char *)s->c.trace;
}

static int
by_place(const void *a, const void *b)
{
	const struct setup_place *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

static void
add_place(struct setup *s, struct tr *in, const struct tr *own, struct tr_frame *f,
	  struct setup_place **out, size_t *n)
{
	uint64_t layer = tr_get(f, "layer", 0);
	char err[PLACE_ERR];
	int r;

	if (!strcmp(f->kind, "prog") && in != own) {
		s->prog = xrealloc(s->prog, s->nprog + 1, sizeof *s->prog);
		s->prog[s->nprog] = *f;
		s->prog[s->nprog].raw = NULL;
		s->prog[s->nprog].from = NULL;
		s->prog[s->nprog++].crc = 0;
	}
	if (strcmp(f->kind, "place") || !setup_has(s, layer))
		return;
	for (size_t i = 0; i < *n; i++)
		if ((*out)[i].layer == layer)
			die("two placements of layer %llu", (unsigned long long)layer);
	*out = xrealloc(*out, *n + 1, sizeof **out);
	(*out)[*n].layer = layer;
	if ((r = place_read(&(*out)[*n].place, f, TR_NONE, err)) < 0) {
		tr_fail(in, f, r, "@place: %s", err);
		die("%s", tr_errstr(in));
	}
	++*n;
}

size_t
setup_places(struct setup *s, struct tool *t, const char *file, struct setup_place **out)
{
	struct tr_frame f;
	size_t n = 0;
	int r;

	*out = NULL;
	if (file) {
		char *files[] = {(char *)file};
		struct tr *in = tool_reader(t, files, 1);

		while ((r = tr_next(in, &f)) > 0)
			add_place(s, in, NULL, &f, out, &n);
		if (r < 0 && strstr(tr_errstr(in), "not a trace but JSON"))
			die("%s: not a trace but JSON: place-conv --from placement.json reads it",
			    file);
		if (r < 0)
			die("%s", tr_errstr(in));
		tool_reader_end(t, in);
	} else {
		while (tool_next(t, &f))
			add_place(s, t->in, t->in, &f, out, &n);
	}
	if (!n)
		setup_none(s, file, "placement", TR_NONE);
	qsort(*out, n, sizeof **out, by_place);
	for (size_t i = 1; i < n; i++)
		if ((*out)[i].place.rows != (*out)[0].place.rows ||
		    (*out)[i].place.cols != (*out)[0].place.cols)
			die("%s: placements on several meshes", file ? file : "the input");
	if ((setup_told(s, CONFIG_ROWS) && (*out)->place.rows != s->c.rows) ||
	    (setup_told(s, CONFIG_COLS) && (*out)->place.cols != s->c.cols))
		die("%sa placement on %ux%u, the system is %llux%llu",
		    setup_at(s, setup_told(s, CONFIG_ROWS) ? CONFIG_ROWS : CONFIG_COLS),
		    (*out)->place.rows, (*out)->place.cols, (unsigned long long)s->c.rows,
		    (unsigned long long)s->c.cols);
	return n;
}

void
setup_as_placed(struct setup *s, const struct setup_place *p, size_t n)
{
	uint32_t *used, most = 1;

	s->c.rows = p->place.rows; /* as told, if it is */
	s->c.cols = p->place.cols;
	for (size_t i = 0; i < n && !s->system && s->slots == TR_NONE; i++) {
		used = xcalloc(PLACE_NONE + 1, sizeof *used);
		for (uint32_t k = 0; k < p[i].place.n; k++)
			if (++used[p[i].place.dev[k]] > most && p[i].place.dev[k] != PLACE_NONE)
				most = used[p[i].place.dev[k]];
		free(used);
		s->c.slots = most * s->c.rows * s->c.cols;
	}
}

void
setup_check(const struct setup_place *p, uint32_t per_device)
{
	char err[PLACE_ERR];
	uint32_t doubles;

	if (place_check(&p->place, per_device, &doubles, err) < 0)
		die("layer %llu: %s", (unsigned long long)p->layer, err);
}

void
setup_doubles(const struct setup_place *p, const struct tool *t, const char *why)
{
	const struct place *q = &p->place;
	char err[PLACE_ERR];
	uint32_t doubles, i = 0, k = 0;

	if (place_check(q, 0, &doubles, err) < 0)
		die("layer %llu: %s", (unsigned long long)p->layer, err);
	if (!doubles || t->quiet)
		return;
	for (i = 0; i < q->n; i++) { /* the first */
		for (k = q->first[q->expert[i]]; k < i && q->dev[k] != q->dev[i];)
			k++;
		if (k < i)
			break;
	}
	warn("layer %llu: %u cop%s a device with another of the same expert, as of expert %u on "
	     "device %u%s",
	     (unsigned long long)p->layer, doubles, doubles == 1 ? "y shares" : "ies share",
	     q->expert[i], q->dev[i], why);
}

struct tokens *
setup_tokens(const struct setup *s, struct setup_layer *layer, size_t n,
	     const struct setup_place *p)
{
	for (size_t i = 0; i < n; i++) {
		struct tokens *t = &layer[i].tokens;

		if (layer[i].layer != p->layer)
			continue;
		if (t->experts != p->place.experts)
			die("layer %llu: a placement of %u experts, the trace and its shared ones "
			    "have %u",
			    (unsigned long long)p->layer, p->place.experts, t->experts);
		return t;
	}
	setup_none(s, s->records, "records", p->layer);
}

struct tokens
setup_part(const struct setup_place *p, const struct tokens *t, double share, int rest)
{
	size_t n = (size_t)(share * (double)t->nbatch);
	struct tokens part;

	if (!n || n == t->nbatch)
		die("layer %llu: --holdout %g of %zu batches leaves a part empty",
		    (unsigned long long)p->layer, share, t->nbatch);
	if (tokens_part(&part, t, rest ? n : 0, rest ? t->nbatch : n) < 0)
		die("no memory");
	return part;
}

void
setup_head(const struct setup *s, const struct setup_place *place, size_t n, struct tr_frame *trace)
{
	struct tr_list layers = {0};

	for (size_t i = 0; i < n; i++)
		if (tr_list_add(&layers, place[i].layer) < 0)
			die("no memory");
	if (tr_new_trace(trace, &layers, s->c.experts, 0) < 0)
		die("more layers than a header holds");
	tr_list_free(&layers);
}

void
setup_put_prog(const struct setup *s, struct tool *t)
{
	for (size_t i = 0; i < s->nprog; i++)
		tool_put(t, &s->prog[i]);
}

void
setup_open(const struct setup *s, struct tool *t, const struct setup_place *place, size_t n)
{
	struct tr_frame f;

	setup_head(s, place, n, &f);
	tool_open(t, &f);
	setup_put_prog(s, t);
}
