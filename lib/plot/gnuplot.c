/*
 * The program goes in by an unnamed file and what gnuplot complains of comes
 * back by another, so that only the picture is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gnuplot.h"
#include "num.h"

static int
room(struct gp *g, size_t n)
{
	size_t cap = g->cap ? g->cap : 4096;
	char *p;

	while (cap - g->n < n)
		cap *= 2;
	if (cap > g->cap) {
		if (!(p = realloc(g->text, cap))) {
			g->nomem = 1;
			return -1;
		}
		g->text = p;
		g->cap = cap;
	}
	return 0;
}

void
gp_printf(struct gp *g, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || room(g, (size_t)n + 1) < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(g->text + g->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	g->n += (size_t)n;
}

void
gp_put(struct gp *g, const char *s, size_t n)
{
	if (room(g, n) < 0)
		return;
	memcpy(g->text + g->n, s, n);
	g->n += n;
}

void
gp_quote(struct gp *g, const char *s)
{
	if (room(g, 8 * strlen(s) + 2) < 0)
		return;
	g->text[g->n++] = '\'';
	for (; *s; s++) {
		if (*s == '\'') {
			memcpy(g->text + g->n, "'.\"'\".'", 7);
			g->n += 7;
			continue;
		}
		g->text[g->n++] = (unsigned char)*s < 32 || *s == 127 ? ' ' : *s;
	}
	g->text[g->n++] = '\'';
}

void
gp_num(struct gp *g, double x)
{
	if (room(g, NUM_MAX) < 0)
		return;
	if (x - x != 0)
		g->text[g->n++] = '?';
	else
		g->n += num_put_f64(g->text + g->n, x);
}

void
gp_point(struct gp *g, double x, double y)
{
	if (room(g, 64) < 0)
		return;
	if (x - x != 0 || y - y != 0)
		g->text[g->n++] = '\n';
	else
		g->n += (size_t)snprintf(g->text + g->n, 64, "%.7g %.7g\n", x, y);
}

void
gp_free(struct gp *g)
{
	free(g->text);
	memset(g, 0, sizeof *g);
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static int
start(int in, int out, int err, pid_t *pid)
{
	/* -d: no settings of the user's own, so that the picture is the same for all */
	/* /dev/stdin: read in blocks, where "-" is byte by byte */
	static char *const argv[] = {"gnuplot", "-d", "/dev/stdin", NULL};
	static const char *const keep[] = {"PATH", "HOME"}; /* HOME: where fonts are cached */
	/* the date in a PDF */
	char *env[] = {"LC_ALL=C", "SOURCE_DATE_EPOCH=0", NULL, NULL, NULL}, *var[2];
	posix_spawn_file_actions_t act;
	int r, n = 0;

	if ((r = posix_spawn_file_actions_init(&act)) != 0)
		return r;
	for (int i = 0; i < 2; i++)
		if (getenv(keep[i]) && asprintf(&var[n], "%s=%s", keep[i], getenv(keep[i])) >= 0) {
			env[2 + n] = var[n];
			n++;
		}
	posix_spawn_file_actions_adddup2(&act, in, 0);
	posix_spawn_file_actions_adddup2(&act, out, 1);
	posix_spawn_file_actions_adddup2(&act, err, 2);
	r = posix_spawnp(pid, argv[0], &act, NULL, argv, env);
	posix_spawn_file_actions_destroy(&act);
	while (n-- > 0)
		free(var[n]);
	return r;
}

static int
copy(int fd, struct gp *to)
{
	ssize_t n;

	do {
		if (room(to, 65536) < 0)
			return GP_NOMEM;
		n = read(fd, to->text + to->n, 65536);
		to->n += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? GP_BROKEN : 0;
}

/* The time of its making out of a PDF, which cairo before 1.17 writes in spite of
 * SOURCE_DATE_EPOCH: the same picture is the same bytes. */
static void
undate(char *p, size_t n)
{
	static const char key[] = "/CreationDate (D:", never[] = "19700101000000";
	char *end = p + n;

	if (n < 4 || memcmp(p, "%PDF", 4) != 0)
		return;
	while ((p = memmem(p, (size_t)(end - p), key, sizeof key - 1))) {
		p += sizeof key - 1;
		if ((size_t)(end - p) >= sizeof never - 1)
			memcpy(p, never, sizeof never - 1);
	}
}

int
gp_undate(const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC), r = fd < 0 ? -1 : 0;
	struct stat st;
	char *p;

	if (fd >= 0 && (r = fstat(fd, &st)) == 0 && st.st_size >= 4) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED) {
			r = -1;
		} else {
			undate(p, (size_t)st.st_size);
			munmap(p, (size_t)st.st_size);
		}
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* The line that says what is wrong: "line 3: undefined variable: x". */
static void
complaint(int fd, char err[GP_ERR])
{
	char buf[4096], *line, *save = NULL;
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);

	snprintf(err, GP_ERR, "gnuplot failed");
	buf[n > 0 ? n : 0] = 0;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line = strstr(line, "line ");
		if (line && !strstr(line, "warning"))
			snprintf(err, GP_ERR, "gnuplot: %.180s", line);
	}
}

int
gp_run(const struct gp *g, struct sink *out, char err[GP_ERR])
{
	int in = -1, says = -1, fd[2] = {-1, -1}, r = GP_BROKEN, status = 0, e;
	struct gp picture = {0};
	pid_t pid;

	if (g->nomem)
		return GP_NOMEM;
	in = memfd_create("program", MFD_CLOEXEC);
	says = memfd_create("stderr", MFD_CLOEXEC);
	if (in < 0 || says < 0 || pipe2(fd, O_CLOEXEC) < 0 || write_all(in, g->text, g->n) < 0)
		goto out;
	if ((e = start(in, fd[1], says, &pid)) != 0) {
		errno = e;
		r = e == ENOENT ? GP_ABSENT : GP_BROKEN;
		goto out;
	}
	close(fd[1]);
	fd[1] = -1;
	r = copy(fd[0], &picture);
	e = errno;
	close(fd[0]); /* so that it ends if we stopped early */
	fd[0] = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!r && status) {
		complaint(says, err);
		r = GP_FAILED;
	}
	errno = e;
	undate(picture.text, picture.n);
	if (!r && out && sink_put(out, picture.text, picture.n) < 0)
		r = GP_BROKEN;
out:
	e = errno;
	gp_free(&picture);
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	if (in >= 0)
		close(in);
	if (says >= 0)
		close(says);
	errno = e;
	return r;
}
