#include "manifest/signing/statement_parts.h"

#include "manifest/signing/statement.h"

#include <string.h>

plumb_status plumb__statement_hash(const char *what, const json_t *obj, const char *name,
                                   plumb__hash *out, plumb_error *err)
{
    const char *hex = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, true, &hex, err));
    if (plumb__hash_parse(hex, out)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be 64 lower-case hex digits",
                       what, name);
}

plumb_status plumb__statement_check_type(const char *what, const json_t *root,
                                         const char *predicate_type, const char *kind,
                                         plumb_error *err)
{
    static const char *const allowed[] = {"_type", "subject", "predicateType", "predicate", NULL};
    const char *type = NULL, *found = NULL;
    PLUMB_TRY(plumb__json_string(what, root, "_type", true, &type, err));
    PLUMB_TRY(plumb__json_string(what, root, "predicateType", true, &found, err));
    if (strcmp(type, PLUMB__STATEMENT_TYPE) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: its payload is of type \"%.200s\", expected \"%s\"", what, type,
                           PLUMB__STATEMENT_TYPE);
    }
    if (strcmp(found, predicate_type) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is a statement of type \"%.200s\", not %s (\"%s\")", what, found,
                           kind, predicate_type);
    }
    return plumb__json_only(what, root, allowed, err);
}

plumb_status plumb__statement_read_subject(const char *what, const json_t *root,
                                           plumb__statement_subject *out, plumb_error *err)
{
    static const char *const allowed[] = {"name", "digest", NULL};
    static const char *const digests[] = {"sha256", "blake2b", NULL};
    const json_t *subjects = NULL, *digest = NULL;
    PLUMB_TRY(plumb__json_array(what, root, "subject", true, &subjects, err));
    const json_t *subject = json_array_get(subjects, 0);
    if (json_array_size(subjects) != 1 || !json_is_object(subject)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: must have exactly one subject, the records file", what);
    }
    PLUMB_TRY(plumb__json_only(what, subject, allowed, err));
    PLUMB_TRY(plumb__json_string(what, subject, "name", true, &out->name, err));
    PLUMB_TRY(plumb__json_object(what, subject, "digest", true, &digest, err));
    PLUMB_TRY(plumb__json_only(what, digest, digests, err));
    PLUMB_TRY(plumb__statement_hash(what, digest, "sha256", &out->sha256, err));
    return plumb__statement_hash(what, digest, "blake2b", &out->blake2b, err);
}

plumb_status plumb__statement_check_canonical(const char *what, const json_t *root,
                                              const void *data, size_t n, plumb_error *err)
{
    plumb__bytes again = {0};
    plumb_status status = plumb__json_dump(root, &again, err);
    if (status == PLUMB_OK && (again.size != n || memcmp(again.data, data, n) != 0)) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: its payload is not canonical JSON", what);
    }
    plumb__bytes_free(&again);
    return status;
}
