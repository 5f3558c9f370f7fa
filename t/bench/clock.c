/*
 * clock N COMMAND...: runs the shell commands in turn, once to warm up and then
 * N times, and prints for each the median, the least and the greatest wall
 * clock seconds, and the most memory that a process of it held, in MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double
run(const char *cmd, double *most)
{
	struct rusage use;
	double start = now();
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &st, 0, &use) < 0 || st) {
		fprintf(stderr, "clock: failed: %s\n", cmd);
		exit(2);
	}
	start = now() - start;
	if ((double)use.ru_maxrss / 1024 > *most)
		*most = (double)use.ru_maxrss / 1024;
	return start;
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
	int n = argc > 2 ? atoi(argv[1]) : 0, m = argc - 2;
	double *t = n > 0 ? calloc((size_t)(n * m), sizeof *t) : NULL;
	double *most = n > 0 ? calloc((size_t)m + 1, sizeof *most) : NULL;

	if (!t || !most) {
		fputs("usage: clock N COMMAND...\n", stderr);
		return 2;
	}
	for (int i = -1; i < n; i++)
		for (int j = 0; j < m; j++) {
			double s = run(argv[2 + j], &most[j]);

			if (i >= 0)
				t[j * n + i] = s;
		}
	for (int j = 0; j < m; j++) {
		qsort(t + j * n, (size_t)n, sizeof *t, by_value);
		printf("%.6f %.6f %.6f %.1f\n", t[j * n + n / 2], t[j * n], t[j * n + n - 1],
		       most[j]);
	}
	free(most);
	free(t);
	return 0;
}
