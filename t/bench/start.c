/* start N PROGRAM...: median milliseconds from fork to end of `PROGRAM --version`, in turn. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
once(const char *path)
{
	struct timespec a, b;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &a);
	if ((pid = vfork()) == 0) {
		execl(path, path, "--version", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return 1e3 * (double)(b.tv_sec - a.tv_sec) + 1e-6 * (double)(b.tv_nsec - a.tv_nsec);
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, m = argc - 2, to = dup(1);
	double *t = n > 0 ? calloc((size_t)(n * m), sizeof *t) : NULL;

	if (!t || to < 0 || !freopen("/dev/null", "w", stdout))
		return 2;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < m; j++)
			t[j * n + i] = once(argv[2 + j]);
	for (int j = 0; j < m; j++) {
		qsort(t + j * n, (size_t)n, sizeof *t, by_value);
		dprintf(to, "%.3f\t%s\n", t[j * n + n / 2], argv[2 + j]);
	}
	free(t);
	return 0;
}
