/* The form that a text has in the graph: a fixed-length column is as wide as its longest text, so
 * one very long label would make all rows so. Above PLUMB__H5_MAX_STRING bytes its digest stands
 * for it
 * ("blake2b:" and 64 hex digits); the text itself is in the manifest. */
#ifndef PLUMB_PROVENANCE_H5_BRIEF_H
#define PLUMB_PROVENANCE_H5_BRIEF_H

#include "base/hash.h"

typedef struct plumb__h5_brief {
    char text[sizeof "blake2b:" + PLUMB__HASH_HEX_BYTES];
} plumb__h5_brief;

/* `text` itself, or the digest form, written into *room. */
const char *plumb__h5_brief_form(const char *text, plumb__h5_brief *room);
/* Whether the graph's text is the form of the manifest's; NULL there is "" here. */
bool plumb__h5_brief_is(const char *graph, const char *manifest);

#endif
