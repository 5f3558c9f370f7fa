/*
 * The umbrella: lists the tools, shows their pages, runs them from where they
 * are installed.  The list is made of the pages' .Nd lines at build time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kernels/gpu.h"
#include "die.h"
#include "size.h"

static const struct {
	const char *name, *what;
} tools[] = {
#include "list.h"
};

static const char use[] =
	"moetrace list | help [[SECTION] NAME] | NAME [ARGUMENT ...] | --exec-path | --version";

/* The folder of this program: the tools lie beside it. */
static void
home(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n < 0)
		die("where am I:");
	dir[n] = 0;
	if ((slash = strrchr(dir, '/')))
		*slash = 0;
}

_Noreturn static void
list(void)
{
	char *text = xmalloc(LEN(tools) * 160 + 1), *p = text;

	*p = 0;
	for (size_t i = 0; i < LEN(tools); i++)
		p += sprintf(p, "%-16s %.140s\n", tools[i].name, tools[i].what);
	die_help(text);
}

_Noreturn static void
page(const char *dir, const char *name, int only)
{
	char path[8400], file[4200];

	/* installed beside share/man, or in the build folder of the source tree */
	for (int section = 1; section <= 7; section += 2) {
		for (size_t i = 0; i < 3 && (!only || only == section); i++) {
			if (i == 0)
				snprintf(file, sizeof file, "../../share/man/man%d/%.99s.%d",
					 section, name, section);
			else
				snprintf(file, sizeof file, "%s../../man/%.99s.%d",
					 i == 2 ? "../" : "", name, section);
			snprintf(path, sizeof path, "%s/%s", dir, file);
			if (access(path, R_OK) == 0) {
				execlp("man", "man", "-l", path, (char *)NULL);
				execlp("mandoc", "mandoc", path, (char *)NULL);
				die_absent("neither man nor mandoc is here to show %s", path);
			}
		}
	}
	die("%s: there is no such page", name);
}

int
main(int argc, char **argv)
{
	char dir[4096], path[4200];

	if (argc < 2)
		die_usage(use);
	home(dir, sizeof dir);
	if (!strcmp(argv[1], "list"))
		list();
	if (!strcmp(argv[1], "help"))
		page(dir,
		     argc > 3   ? argv[3]
		     : argc > 2 ? argv[2]
				: "moetrace",
		     argc > 3 ? atoi(argv[2]) : 0);
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
		snprintf(path, sizeof path,
			 "moetrace: list and run the tools of the suite\nusage: %s\n", use);
		die_help(path);
	}
	if (!strcmp(argv[1], "--exec-path")) {
		snprintf(path, sizeof path, "%s\n", dir);
		die_help(path);
	}
	if (!strcmp(argv[1], "--version")) {
#ifdef HAVE_LIBDEFLATE
		const char *with = "with";
#else
		const char *with = "without";
#endif
		snprintf(path, sizeof path, "moetrace " MOETRACE_VERSION ", %s libdeflate, %s\n",
			 with, gpu_built());
		die_help(path);
	}
	if (*argv[1] == '-')
		die_usage(use);
	if (strchr(argv[1], '/'))
		die("%s: a tool's name has no '/'", argv[1]);
	snprintf(path, sizeof path, "%s/%s", dir, argv[1]);
	execv(path, argv + 1);
	/* in the build folder of the source tree, pipelines lie with the sources */
	snprintf(path, sizeof path, "%s/../../pipelines/%s", dir, argv[1]);
	execv(path, argv + 1);
	die("%s: no such tool: moetrace list names them", argv[1]);
}
