/* Curves: points that grow one by one, what is done to their values, their names. */
#ifndef CURVE_H
#define CURVE_H

#include <stddef.h>
#include <stdint.h>

enum { CURVE_TAGS = 24, CURVE_TAG = 64 };

struct curve {
	size_t n, cap;
	double *x, *y;  /* owned */
	size_t group;   /* which frame, file or value of a key it is from; */
	int input;      /* which file */
	int column;     /* which of its columns */
	double by;      /* and value of another */
	uint64_t layer; /* TR_NONE: of none */
	int ntag;
	struct curve_tag {
		char key[32], val[CURVE_TAG]; /* key "": the value says it all */
		int inner;                    /* tells curves of one group apart */
		int plain;                    /* is named by its value alone */
	} tag[CURVE_TAGS];
	char group_name[160], name[160]; /* set by curve_names: of the group, of it inside */
};

/* A point more: 0 or TR_ENOMEM. */
int curve_add(struct curve *c, double x, double y);
/* What may tell it from others; those above CURVE_TAGS are lost. */
void curve_tag(struct curve *c, const char *key, const char *val, int inner, int plain);
void curve_free(struct curve *c);

/* By y, rising or falling; x becomes the rank from 1; what is no number goes. */
void curve_sort(struct curve *c, int falling);
/* y in percent of the curve's sum, which leaves out what is no number. */
void curve_share(struct curve *c);
/* The same, added up. */
void curve_cumulate(struct curve *c);
/* y at the last point whose x is at most `x`, points ascending; 0 before the first. */
double curve_at(const struct curve *c, double x);

/* Name n curves by the tags that differ between them: "layer=3 chain=0".  The tag
 * "file" is told only where model, part and run do not tell the files apart. */
void curve_names(struct curve *c, size_t n);

#endif
