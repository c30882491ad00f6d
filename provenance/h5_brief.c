#include "provenance/h5_brief.h"

#include "provenance/h5_schema.h"

#include <stdio.h>
#include <string.h>

const char *plumb__h5_brief_form(const char *text, plumb__h5_brief *room)
{
    const size_t n = strlen(text);
    if (n <= PLUMB__H5_MAX_STRING) return text;
    const plumb__hash digest = plumb__blake2b(text, n);
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&digest, hex);
    snprintf(room->text, sizeof room->text, "blake2b:%s", hex);
    return room->text;
}

bool plumb__h5_brief_is(const char *graph, const char *manifest)
{
    plumb__h5_brief room;
    return strcmp(graph, manifest != NULL ? plumb__h5_brief_form(manifest, &room) : "") == 0;
}
