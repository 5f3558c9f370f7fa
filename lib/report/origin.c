#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/frame.h"
#include "origin.h"
#include "size.h"

/* Insert a copy of s unless it is there. */
static int
add(struct words *w, const char *s)
{
	size_t i = 0;
	char **to, *copy;

	while (i < w->n && strcmp(w->text[i], s) < 0)
		i++;
	if (i < w->n && !strcmp(w->text[i], s))
		return 0;
	if (!(copy = strdup(s)))
		return TR_ENOMEM;
	if (!(to = realloc(w->text, (w->n + 1) * sizeof(char *)))) {
		free(copy);
		return TR_ENOMEM;
	}
	w->text = to;
	memmove(to + i + 1, to + i, (w->n - i) * sizeof(char *));
	to[i] = copy;
	w->n++;
	return 0;
}

static int
add_key(struct origin *o, const char *key, const char *val)
{
	size_t i = 0;

	while (i < o->nkey && strcmp(o->key[i].name, key))
		i++;
	if (i == LEN(o->key))
		return 0;
	if (i == o->nkey)
		snprintf(o->key[o->nkey++].name, TR_NAME_MAX, "%s", key);
	return add(&o->key[i], val);
}

static int
take_trace(struct origin *o, const struct tr_frame *f)
{
	static const char *const not [] = {"v", "layers", "experts", "topk", "map"};
	char val[TR_HEADER_MAX];
	int r = 0;

	for (int i = 0; i < f->nkeys && r == 0; i++) {
		size_t k = 0;

		while (k < LEN(not ) && strcmp(frame_key(f, i), not [k]))
			k++;
		if (k == LEN(not ) && tr_text(f, frame_key(f, i), val, sizeof val) > 0)
			r = add_key(o, frame_key(f, i), val);
	}
	return r;
}

/* The commands read so far are a pipe. */
static int
end_pipe(struct origin *o)
{
	int r = o->commands ? add(&o->pipe, o->commands) : 0;

	free(o->commands);
	o->commands = NULL;
	return r;
}

/* One more command behind those of the section; another in=N begins another pipe. */
static int
take_prog(struct origin *o, const struct tr_frame *f)
{
	char name[TR_NAME_MAX] = "", ver[64] = "", args[TR_HEADER_MAX] = "", in[64] = "", *s;
	int r = 0;

	tr_text(f, "name", name, sizeof name);
	tr_text(f, "ver", ver, sizeof ver);
	tr_text(f, "args", args, sizeof args);
	tr_text(f, "in", in, sizeof in);
	if (strcmp(in, o->in))
		r = end_pipe(o);
	memcpy(o->in, in, sizeof in);
	if (asprintf(&s, "%s%s%s%s%s", o->commands ? o->commands : "", o->commands ? " | " : "",
		     name, *args ? " " : "", args) < 0)
		return TR_ENOMEM;
	free(o->commands);
	o->commands = s;
	return r == 0 && *ver ? add_key(o, "version", ver) : r;
}

int
origin_take(struct origin *o, const struct tr_frame *f)
{
	char val[TR_HEADER_MAX];
	uint64_t n;
	int r = 0;

	if (!strcmp(f->kind, "trace"))
		r = take_trace(o, f);
	else if (!strcmp(f->kind, "prog"))
		r = take_prog(o, f);
	else if (!strcmp(f->kind, "end"))
		r = end_pipe(o);
	else if (!strcmp(f->kind, "note") && tr_text(f, "lost", val, sizeof val) > 0)
		r = add(&o->note, val);
	else if (!strcmp(f->kind, "seq") && tr_text(f, "dataset", val, sizeof val) > 0)
		r = add_key(o, "dataset", val);
	else if (!strcmp(f->kind, "route"))
		o->rows += f->rows;
	if (tr_num(f, "n_tokens", &n) > 0) {
		o->tokens[0] = o->tokens[1] ? MIN(o->tokens[0], n) : n;
		o->tokens[1] = MAX(o->tokens[1], n);
	}
	return r;
}

static const struct words *
find(const struct origin *o, const char *key)
{
	for (size_t i = 0; i < o->nkey; i++)
		if (!strcmp(o->key[i].name, key))
			return &o->key[i];
	return NULL;
}

const char *
origin_model(const struct origin *o)
{
	const struct words *w = find(o, "model");

	return w && w->n == 1 ? w->text[0] : NULL;
}

static void
put_words(struct page *p, const struct words *w)
{
	page_f(p, "<dt>%s</dt><dd>", w->name);
	for (size_t i = 0; i < w->n; i++) {
		page_f(p, i ? ", " : "");
		page_text(p, w->text[i]);
	}
	page_f(p, "</dd>\n");
}

static void
put_number(struct page *p, const char *name, uint64_t n, const char *more)
{
	char num[PAGE_NUM];

	if (n)
		page_f(p, "<dt>%s</dt><dd>%s%s</dd>\n", name, page_num(num, (double)n), more);
}

void
origin_put(struct page *p, const struct origin *o, const struct tr_sect *sect)
{
	static const char *const first[] = {"model", "dataset"};
	char map[TR_HEADER_MAX], more[TR_HEADER_MAX + 32] = "", num[PAGE_NUM];

	page_f(p, "<section id=\"summary\">\n<h2>Summary</h2>\n<dl>\n");
	for (size_t i = 0; i < LEN(first); i++)
		if (find(o, first[i]))
			put_words(p, find(o, first[i]));
	if (tr_list_text(&sect->map, map, sizeof map) > 0)
		snprintf(more, sizeof more, " (%s)", map);
	put_number(p, "layers", sect->layers, more);
	put_number(p, "experts", sect->experts, "");
	put_number(p, "topk", sect->topk, "");
	snprintf(more, sizeof more, " to %s", page_num(num, (double)o->tokens[1]));
	put_number(p, "tokens a layer", o->tokens[0], o->tokens[0] < o->tokens[1] ? more : "");
	put_number(p, "rows routed", o->rows, "");
	for (size_t i = 0; i < o->nkey; i++)
		if (strcmp(o->key[i].name, first[0]) && strcmp(o->key[i].name, first[1]))
			put_words(p, &o->key[i]);
	for (size_t i = 0; i < o->note.n; i++) {
		page_f(p, "<dt>lost</dt><dd>");
		page_text(p, o->note.text[i]);
		page_f(p, " bytes were broken and are left out</dd>\n");
	}
	page_f(p, "</dl>\n");
	if (o->pipe.n)
		page_f(p, "<h3>Commands</h3>\n<ul>\n");
	for (size_t i = 0; i < o->pipe.n; i++) {
		page_f(p, "<li><code>");
		page_text(p, o->pipe.text[i]);
		page_f(p, "</code></li>\n");
	}
	page_f(p, o->pipe.n ? "</ul>\n</section>\n" : "</section>\n");
}

void
origin_free(struct origin *o)
{
	for (size_t i = 0; i < o->nkey + 2; i++) {
		struct words *w = i < o->nkey ? &o->key[i] : i == o->nkey ? &o->pipe : &o->note;

		for (size_t k = 0; k < w->n; k++)
			free(w->text[k]);
		free(w->text);
	}
	free(o->commands);
}
