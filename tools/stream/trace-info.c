/*
 * A trace in; what it holds out, counted by layer and data set, or as the JSON
 * object that the collection guide puts beside a trace.  A file of arrays in;
 * their names, types, shapes and ranges out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/format/array.h"
#include "../../lib/format/json.h"
#include "../../lib/stats/info.h"
#include "../../lib/stats/infojson.h"
#include "tool.h"

static int json;

static const struct opt opts[] = {
	{0, "json", NULL, OPT_FLAG, &json, "a JSON object instead", 0, 0},
	{0},
};

static struct tool t = {.name = "trace-info",
			.operands = "[FILE ...]",
			.what = "say what a file holds",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_FORCE};

static struct info info;
static struct json_out out = {.style = JSON_PRETTY};

/* Not a trace but a file of arrays?  What is text is left to the reader of
 * traces, and so is what cannot be opened: it says so. */
static int
is_foreign(const char *file)
{
	unsigned char head[512];
	struct stat st; /* what is no file of its own loses what is read */
	int fd = strcmp(file, "-") && stat(file, &st) == 0 && S_ISREG(st.st_mode)
			 ? open(file, O_RDONLY | O_CLOEXEC)
			 : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof head);

	if (fd >= 0)
		close(fd);
	if (t.limits.keep_going || n < 4 || *head == '@')
		return 0;
	return memchr(head, 0, (size_t)n) || *head >= 0x80 || !memcmp(head, "PK", 2) ||
	       !memcmp(head, "\x1f\x8b", 2) || (n >= 11 && !memcmp(head, "version htt", 11));
}

/* ---- arrays ---- */

static const char *
shape(const struct array *a, char *buf, size_t size)
{
	size_t n = 0;

	snprintf(buf, size, "-");
	for (int i = 0; i < a->ndim && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%llu", i ? "x" : "",
				      (unsigned long long)a->dim[i]);
	return buf;
}

static void
put_array(const char *file, const struct array *a)
{
	struct array_range r = {0};
	struct tr_frame f;
	char dims[200];

	tr_new(&f, "table");
	tr_set(&f, "name", "array");
	tr_set(&f, "file", file);
	tr_set(&f, "array", *a->path ? a->path : "-");
	tr_set(&f, "dtype", a->dtype);
	tr_set(&f, "shape", shape(a, dims, sizeof dims));
	if (array_range(a, &r) < 0)
		r.n = 0;
	if (!r.n)
		r.min = r.max = (double)(0.0f / 0.0f);
	if (json) {
		infojson_array(&out, a, &r);
		return;
	}
	tr_rows(&f, 1);
	tr_addcol(&f, "min", TR_F64, 1, &r.min);
	tr_addcol(&f, "max", TR_F64, 1, &r.max);
	tr_addcol(&f, "nan", TR_U64, 1, &r.nan);
	tool_put(&t, &f);
}

/* The section of what is no trace. */
static void
open_section(void)
{
	struct tr_frame f;

	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	tr_setu(&f, "layers", 0);
	tr_setu(&f, "experts", 0);
	tr_setu(&f, "topk", 0);
	tool_open(&t, &f);
}

static void
put_file(const char *file)
{
	struct array_opts o = {.jobs = 1};
	struct array_list list = {0};
	struct tool_file m;

	tool_slurp(&m, file);
	if (array_read(&list, m.p, m.n, &o) < 0)
		die("%s: %s", file, list.err);
	if (json)
		infojson_file(&out, file);
	for (size_t i = 0; i < list.n; i++)
		put_array(file, &list.a[i]);
	if (json) {
		json_put_close(&out);
		json_put_close(&out);
	}
	array_free(&list);
	tool_unslurp(&m);
}

/* ---- traces ---- */

static void
read_traces(char **files, int n)
{
	struct tr_frame f;
	struct tr_ids ids;
	char dataset[256];
	int r;

	t.in = tool_reader(&t, files, n);
	if (!(t.head = tr_head_new()) || info_init(&info) < 0)
		die("no memory");
	while ((r = tr_next(t.in, &f)) > 0) {
		if ((r = tr_head_add(t.head, &f, t.force)) < 0)
			tr_fail(t.in, &f, r, "%s", tr_head_errstr(t.head));
		else if (!strcmp(f.kind, "trace"))
			r = info_section(&info, tr_text(&f, "dataset", dataset, sizeof dataset) > 0
							? dataset
							: "");
		else if (!strcmp(f.kind, "seq"))
			r = info_seq(&info, &f);
		else if (!strcmp(f.kind, "route") && (r = tr_ids(&f, &ids)) >= 0)
			r = info_route(&info, &f, r ? &ids : NULL, tool_section(&t)->experts);
		if (r == TR_ENOMEM)
			die("no memory");
		if (r < 0)
			break;
	}
	if (r < 0)
		tool_fail(&t);
	if (info_end(&info) < 0)
		die("no memory");
}

static void
put_u64(struct tr_frame *f, const char *name, const uint64_t *n)
{
	tr_addcol(f, name, TR_U64, 1, n);
}

static void
put_info(void)
{
	struct tr_frame f;

	tr_new(&f, "table");
	tr_set(&f, "name", "trace");
	tr_rows(&f, 1);
	put_u64(&f, "sections", &info.sections);
	put_u64(&f, "batches", &info.batches);
	put_u64(&f, "samples", &info.samples);
	put_u64(&f, "records", &info.records);
	put_u64(&f, "synthetic", &info.synthetic);
	put_u64(&f, "tokens", &info.tokens);
	tool_put(&t, &f);
	for (size_t i = 0; i < info.ndataset; i++) {
		const struct info_dataset *d = &info.dataset[i];

		if (!d->samples || !*d->name)
			continue;
		tr_new(&f, "table");
		tr_set(&f, "name", "dataset");
		tr_set(&f, "dataset", d->name);
		tr_rows(&f, 1);
		put_u64(&f, "samples", &d->samples);
		put_u64(&f, "records", &d->records);
		put_u64(&f, "synthetic", &d->synthetic);
		tool_put(&t, &f);
	}
	for (size_t i = 0; i < info.nlayer; i++) {
		const struct info_layer *l = &info.layer[i];
		double diversity = 100 * (double)l->used / (double)info.experts;

		tr_new(&f, "table");
		tr_set(&f, "name", "layer");
		tr_setu(&f, "layer", l->layer);
		tr_rows(&f, 1);
		put_u64(&f, "frames", &l->frames);
		put_u64(&f, "records", &l->records);
		put_u64(&f, "tokens", &l->tokens);
		put_u64(&f, "picks", &l->picks);
		put_u64(&f, "empty", &l->empty);
		put_u64(&f, "used", &l->used);
		tr_addcol(&f, "diversity", TR_F64, 1, &diversity);
		tool_put(&t, &f);
	}
}

int
main(int argc, char **argv)
{
	char **traces;
	int n = 0, foreign = 0;

	tool_start(&t, argc, argv);
	traces = xcalloc((size_t)t.nfiles + 1, sizeof *traces);
	for (int i = 0; i < t.nfiles; i++)
		if (!is_foreign(t.files[i])) {
			traces[n++] = t.files[i];
		} else {
			if (!foreign++ && !json)
				open_section();
			put_file(t.files[i]);
		}
	if (foreign && !json && tr_end(t.out) < 0)
		tool_broken(&t);
	if (n || !t.nfiles) {
		read_traces(traces, n);
		if (json) {
			infojson_trace(&out, &info, tr_head_trace(t.head));
			tr_head_free(t.head);
			t.head = NULL; /* no section of frames follows */
		} else {
			put_info();
		}
		info_free(&info);
	}
	if (json &&
	    (out.bad || sink_put(t.sink, out.p, out.n) < 0 || sink_put(t.sink, "\n", 1) < 0))
		tool_broken(&t);
	json_out_free(&out);
	free(traces);
	return tool_end(&t);
}
