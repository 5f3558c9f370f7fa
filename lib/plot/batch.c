#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "pool.h"
#include "size.h"

struct work {
	const struct batch *b;
	char *dir;
	int jobs;
	struct job {
		int r, errn;
		char err[GP_ERR];
	} * job;
};

static void
temp(const struct work *w, size_t i, char *to, size_t size)
{
	snprintf(to, size, "%s/%zu", w->dir, i);
}

static void
clean(void *arg)
{
	struct work *w = arg;
	char file[4096];

	for (size_t i = 0; i < w->b->n; i++) {
		temp(w, i, file, sizeof file);
		unlink(file);
	}
	rmdir(w->dir);
}

/* The program of file i, which it writes by that name. */
static void
program(const struct batch *b, size_t i, const char *file, struct gp *g)
{
	struct gp one = {0};

	/* SVG's pen goes from picture to picture: the same small one stands before each */
	gp_printf(g, "reset\nset output\nset terminal svg\nset output '/dev/null'\n"
		     "unset border\nunset tics\nplot [0:1][0:1] 0.5 notitle\n"
		     "set output\nreset\n");
	b->draw(b->arg, i, &one);
	/* set output follows set terminal, the first line */
	for (size_t k = 0; k < one.n; k++)
		if (one.text[k] == '\n') {
			gp_put(g, one.text, k + 1);
			gp_printf(g, "set output ");
			gp_quote(g, file);
			gp_printf(g, "\n");
			gp_put(g, one.text + k + 1, one.n - k - 1);
			break;
		}
	g->nomem |= one.nomem;
	gp_free(&one);
}

static void
draw(void *arg, size_t j)
{
	struct work *w = arg;
	struct job *job = &w->job[j];
	size_t jobs = (size_t)w->jobs, from = w->b->n * j / jobs, end = w->b->n * (j + 1) / jobs;
	struct gp g = {0};
	char file[4096];

	for (size_t i = from; i < end; i++) {
		temp(w, i, file, sizeof file);
		program(w->b, i, file, &g);
	}
	gp_printf(&g, "set output\n");
	job->r = gp_run(&g, NULL, job->err);
	job->errn = errno;
	gp_free(&g);
	for (size_t i = from; i < end && !job->r; i++) {
		temp(w, i, file, sizeof file);
		if (gp_undate(file) < 0) {
			job->errn = errno;
			job->r = GP_BROKEN;
		}
	}
}

/* The folder of a file: its name with what comes behind the last slash cut off. */
static void
folder(const char *file, char *to, size_t size)
{
	const char *slash = strrchr(file, '/');

	snprintf(to, size, "%.*s", slash ? (int)(slash - file + 1) : 2, slash ? file : "./");
}

static void
check(const struct batch *b)
{
	char dir[4096];
	struct stat st;

	for (size_t i = 0; i < b->n; i++) {
		for (const char *p = b->name[i]; *p; p++)
			if ((unsigned char)*p < 32 || *p == 127)
				die("-o: a name with control characters");
		folder(b->name[i], dir, sizeof dir);
		if (stat(dir, &st) < 0)
			die("%s:", dir);
		if (stat(b->name[i], &st) == 0 && S_ISDIR(st.st_mode))
			die("%s: is a folder", b->name[i]);
	}
}

static void
put_script(const struct batch *b, struct tool *t)
{
	struct gp g = {0};

	for (size_t i = 0; i < b->n; i++)
		program(b, i, b->name[i], &g);
	gp_printf(&g, "set output\n");
	if (g.nomem)
		die("no memory");
	if (sink_put(t->sink, g.text, g.n) < 0)
		tool_broken(t);
	gp_free(&g);
}

void
batch_run(const struct batch *b, struct tool *t)
{
	struct work w = {.b = b, .jobs = (int)MIN((size_t)t->jobs, b->n)};
	char dir[4096], file[4096];

	if (b->script) {
		put_script(b, t);
		return;
	}
	check(b);
	folder(b->name[0], dir, sizeof dir - 32);
	strcat(dir, ".pictures.XXXXXX");
	if (!(w.dir = mkdtemp(dir)))
		die("%s:", dir);
	die_undo(clean, &w);
	w.job = xcalloc((size_t)w.jobs, sizeof *w.job);
	pool_each(w.jobs, (size_t)w.jobs, draw, &w);
	for (int j = 0; j < w.jobs; j++) {
		errno = w.job[j].errn;
		switch (w.job[j].r) {
		case GP_ABSENT:
			die_absent("gnuplot is not installed (--script writes its program)");
		case GP_FAILED:
			die("%s", w.job[j].err);
		case GP_BROKEN:
			die("the pictures in %s:", dir);
		case GP_NOMEM:
			die("no memory");
		}
	}
	for (size_t i = 0; i < b->n; i++) {
		temp(&w, i, file, sizeof file);
		if (rename(file, b->name[i]) < 0)
			die("%s:", b->name[i]);
	}
	clean(&w);
	die_keep(&w);
	free(w.job);
}
