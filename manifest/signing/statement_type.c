/* Which kind of statement an envelope holds, before anybody has checked it. */
#include "manifest/manifest_object.h"

#include <stdio.h>

plumb_status plumb_statement_type(const char *path, char *type, size_t size, plumb_error *err)
{
    plumb__bytes text = {0};
    plumb__dsse envelope;
    json_t *root = NULL;
    const char *found = NULL;
    type[0] = '\0';
    plumb_status status = plumb__manifest_envelope_read(path, &text, &envelope, err);
    if (status == PLUMB_OK) {
        status = plumb__json_parse(path, envelope.payload.data, envelope.payload.size, &root, err);
    }
    if (status == PLUMB_OK) {
        status = plumb__json_string(path, root, "predicateType", true, &found, err);
    }
    if (status == PLUMB_OK) (void)snprintf(type, size, "%s", found);
    json_decref(root);
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&text);
    return status;
}
