/* Names of files and panels by a template: "layer_{layer}_expert_{expert}.svg". */
#ifndef NAMING_H
#define NAMING_H

#include <stddef.h>
#include <stdint.h>

enum { NAMING_MAX = 1024, NAMING_ERR = 256 };

struct facts { /* TR_NONE, "": unknown */
	uint64_t layer, expert, k, rank, trim;
	uint64_t a, b; /* place of the first and the last panel of a file; 0: not yet */
	char dataset[64], model[64], of[24];
};

/* Fill the template in: 0, or -1 and why.  file: what comes from the data is made
 * fit for a file's name.  {a} and {b} that are 0 are left out. */
int naming_put(char to[NAMING_MAX], const char *template, const struct facts *f, int file,
	       char err[NAMING_ERR]);
/* Does the template have {key}? */
int naming_has(const char *template, const char *key);

#endif
