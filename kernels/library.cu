/* dlopen by name, then where the toolkit was. */
#include <dlfcn.h>
#include <stdio.h>

#include "library.h"

void *
library_open(const char *const *names, char *why, size_t size)
{
	static const char *const folders[] = {"", CUDA_HOME "/lib64/", CUDA_HOME "/lib/"};
	char path[4096];
	void *so;

	*why = 0;
	for (const char *const *name = names; *name; name++)
		for (const char *folder : folders) {
			snprintf(path, sizeof path, "%s%s", folder, *name);
			if ((so = dlopen(path, RTLD_NOW | RTLD_LOCAL)))
				return so;
			if (!*why) /* of the first: what it wants, not where else it is not */
				snprintf(why, size, "%s", dlerror());
		}
	return NULL;
}
